"""python -m benchmarks.countermeasures.catalogue --out FILE: does each countermeasure help where its trouble is, at what cost?

Every countermeasure of the folder is trained beside plain training on real text with a real encoder: the same rows, the same
seed, five seeds; the interval is that of the paired differences (Student, 95 %). FILE is written anew after every training, and
the same command goes on where it was interrupted. `docs/build_catalogue.py` puts the figures on the catalogue page.
"""

import argparse
import contextlib
import fcntl
import json
import os
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.countermeasures.cases import CASES, Case, config
from benchmarks.machine import machine

LEVEL = 0.95
Key = tuple[str, str, int, bool]
"""Case, arm, seed, whether the trouble is planted."""


def main() -> None:
    options = _options()
    wanted = wanted_cells(options.cases.split(",") if options.cases else list(CASES), range(options.seeds))
    done = _read(options.out)
    for number, key in enumerate(wanted, 1):
        if key in done:
            continue
        with _alone(options.lock):
            try:
                done[key] = measured(key, data=options.data, work=options.work)
            except Exception:  # one arm that fails must not cost the others; the same command tries it again
                print(f"{number} of {len(wanted)}: {key} failed\n{traceback.format_exc()}", flush=True)
                continue
        _write(options.out, done)
        print(f"{number} of {len(wanted)}: {key} {json.dumps(done[key])}", flush=True)
    for line in summary(done):
        print(json.dumps(line))


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--work", type=Path, default=Path("/tmp/veridical_countermeasures"), help="models of the first task")
    parser.add_argument("--cases", default="", help="comma-separated; default all")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--lock", type=Path, help="a file that is locked during each training")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def wanted_cells(cases: list[str], seeds: range) -> list[Key]:
    """Seed by seed, so that all arms have as many when it is stopped."""
    keys: list[Key] = []
    for seed in seeds:
        for name in cases:
            case = CASES[name]
            for planted in (True, False) if case.twin else (True,):
                keys += [(name, arm, seed, planted) for arm in ("plain", *case.arms)]
    return keys


@contextlib.contextmanager
def _alone(lock: Path | None) -> Iterator[None]:
    if lock is None:
        yield
        return
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


def measured(key: Key, *, data: Path, work: Path) -> dict[str, float]:
    """Score of one training, its cost on rows without trouble where the same training tells it, and its seconds."""
    from veridical.train.training import train

    name, arm, seed, planted = key
    case = CASES[name]
    world = case.make(data, work, seed, planted)
    countermeasures = [] if arm == "plain" else [arm.format(**world.knobs)]
    started = time.monotonic()
    trained = train(world.data, model=world.model, countermeasures=countermeasures, config=config(epochs=case.epochs), seed=seed)
    return {**world.judge(trained, world.data), "seconds": round(time.monotonic() - started, 1)}


def _read(path: Path) -> dict[Key, dict[str, float]]:
    if not path.is_file():
        return {}
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {(c["case"], c["arm"], c["seed"], c["planted"]): c["measured"] for c in cells}


def _write(path: Path, done: dict[Key, dict[str, float]]) -> None:
    fields = ("case", "arm", "seed", "planted")
    cells = [{**dict(zip(fields, key, strict=True)), "measured": found} for key, found in done.items()]
    about = machine("torch", "transformers", "veridical")
    about |= {"encoder": "minilm", "settings": str(config(epochs=1)), "level": LEVEL, "seconds": "of a busy machine"}
    text = json.dumps({"format": 1, "about": about, "summary": summary(done), "cells": cells}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def summary(done: dict[Key, dict[str, float]]) -> list[dict[str, Any]]:
    """For every arm the points gained against plain training, and what it costs where there is no trouble."""
    lines = []
    for name, case in CASES.items():
        for arm in case.arms:
            gained = _differences(done, case, name, arm, planted=True, key="score")
            if not gained:
                continue
            cost = _differences(done, case, name, arm, planted=not case.twin, key="score" if case.twin else "clean")
            lines.append(
                {
                    "countermeasure": arm.partition(":")[0],
                    "arm": arm,
                    "against": case.against.get(arm, "plain"),
                    "case": name,
                    "what": case.what,
                    "metric": case.metric,
                    "plain": _mean(done, name, case.against.get(arm, "plain")),
                    "points": _interval(gained),
                    **_won_back(done, case, name, gained),
                    "clean": case.clean,
                    "clean_points": _interval(cost),
                }
            )
    return lines


def _differences(done: dict[Key, dict[str, float]], case: Case, name: str, arm: str, *, planted: bool, key: str) -> list[float]:
    """Percentage points, one for each seed that has both."""
    found = []
    other = case.against.get(arm, "plain")
    for seed in sorted({seed for _, _, seed, _ in done}):
        mine, theirs = done.get((name, arm, seed, planted), {}), done.get((name, other, seed, planted), {})
        if key in mine and key in theirs:
            found.append(100 * (mine[key] - theirs[key]))
    return found


LEAST_LOSS = 2.0
"""Points that a trouble must cost before a share of them is worth naming."""


def _won_back(done: dict[Key, dict[str, float]], case: Case, name: str, gained: list[float]) -> dict[str, Any]:
    """What the trouble costs plain training in points, and the share of it that is won back; nothing where it is not known."""
    lost = []
    for seed in sorted({seed for _, _, seed, _ in done}):
        here, elsewhere = done.get((name, "plain", seed, True), {}), done.get((name, "plain", seed, False), {})
        without = elsewhere.get("score") if case.twin else here.get("without")
        if without is not None and "score" in here:
            lost.append(100 * (without - here["score"]))
    if not lost:
        return {}
    loss = float(np.mean(lost))
    share = round(float(np.mean(gained)) / loss, 2) if loss >= LEAST_LOSS else None
    return {"lost": _interval(lost), "share_won_back": share}


def _mean(done: dict[Key, dict[str, float]], name: str, arm: str) -> float:
    scores = [cell["score"] for (case, other, _, planted), cell in done.items() if (case, other, planted) == (name, arm, True)]
    return round(100 * float(np.mean(scores)), 1)


def _interval(differences: list[float]) -> dict[str, float] | None:
    """Mean and its Student interval; without bounds for one seed."""
    if not differences:
        return None
    n, mean = len(differences), float(np.mean(differences))
    found = {"value": round(mean, 1), "seeds": n}
    if n > 1:
        half = float(t.ppf((1 + LEVEL) / 2, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
        found |= {"low": round(mean - half, 1), "high": round(mean + half, 1)}
    return found


if __name__ == "__main__":
    main()
