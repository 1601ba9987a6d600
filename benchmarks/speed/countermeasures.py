"""python -m benchmarks.speed.countermeasures --out FILE: what each countermeasure costs, as a multiple of plain training.

step: seconds of a step of the training that counts, against plain steps on the same rows. whole: seconds of the whole training,
first trainings and what is learned beforehand included, against the whole of a plain one. Each arm of the catalogue's cases
(benchmarks/countermeasures/cases.py), one epoch, in turn with plain; best of --repeats. cached_features: the arms that a head on
cached features takes; fit: whole training with the features of the rows already there, whole: with features to be made.
Probabilities are asked of the test rows, as trainings of a run that are tried beside the one that is scored do.
Run it on an idle machine.
"""

import argparse
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.countermeasures.cases import CASES, World, config
from benchmarks.machine import machine
from benchmarks.tasks.ours import Marks

PLAIN, DROPPING = "plain", "plain, dropout 0.1"
Costs = dict[str, tuple[float, float]]
"""Arm -> (seconds a step, seconds of the whole); of a head on cached features (of the fit alone, of the whole)."""


def main() -> None:
    options = _options()
    about = machine("torch", "transformers", "veridical")
    if options.cached_only:
        written = json.loads(options.out.read_text(encoding="utf-8"))
        written |= {"cached_about": about, "cached_features": _all_on_cached(options)}
    else:
        written = {
            "format": 1,
            "about": about,
            "encoder": "minilm",
            "cases": _all(options),
            "cached_features": _all_on_cached(options),
        }
    options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


def _all(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in options.cases.split(","):
        case = CASES[name]
        world = case.make(options.data, options.work, 0, True)
        best: Costs = {}
        for _ in range(options.repeats):
            for arm in (PLAIN, *([DROPPING] if "r_drop" in case.arms else []), *case.arms):
                step, whole = _timed(world, arm)
                before = best.get(arm, (step, whole))
                best[arm] = (min(step, before[0]), min(whole, before[1]))
                step, whole = (best[arm][at] / best[PLAIN][at] for at in (0, 1))
                print(f"{name:20s}{arm:44s}{step:6.2f} a step{whole:6.2f} whole", flush=True)
        found[name] = _multiples(best)
    return found


def _all_on_cached(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    costs = {name: _on_cached(name, options) for name in options.cases.split(",")}
    return {name: _multiples(found, first="fit") for name, found in costs.items() if len(found) > 1}


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--work", type=Path, default=Path("/tmp/veridical_countermeasures"))
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--cached-only", action="store_true", help="measure the heads alone, and put them into FILE")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _timed(world: World, arm: str, **settings: Any) -> tuple[float, float]:
    """(seconds a step, seconds of the whole)."""
    from veridical.train.training import train

    marks, started = Marks(), time.perf_counter()
    train(
        world.data,
        model=world.model,
        countermeasures=[] if arm in (PLAIN, DROPPING) else [arm.format(**world.knobs)],
        config=replace(
            config(epochs=1),
            dropout=0.1 if arm == DROPPING else 0.0,
            **{name: value for name, value in settings.items() if name != "folder"},
        ),
        seed=0,
        folder=settings.get("folder"),
        progress=marks,
        answering=world.data.rows("test"),
    )
    whole = time.perf_counter() - started
    if len(marks.at) < 2:
        return whole, whole
    steps, seconds = marks.seconds()
    return seconds / steps, whole


def _multiples(costs: Costs, *, first: str = "step") -> dict[str, Any]:
    step, whole = costs[PLAIN]
    return {
        arm: {first: round(mine / step, 2), "whole": round(own / whole, 2)} for arm, (mine, own) in costs.items() if arm != PLAIN
    }


def _on_cached(name: str, options: argparse.Namespace) -> Costs:
    """The arms of a case that tuning `head` takes, with the features of the case's rows already on disk."""
    from veridical.core.errors import InputError
    from veridical.train.config import TrainConfig
    from veridical.train.training import fitting

    case, found = CASES[name], {}
    world = case.make(options.data, options.work, 0, True)
    folder = options.work / f"cached_{name}"
    shutil.rmtree(folder, ignore_errors=True)
    for arm in (PLAIN, PLAIN, *case.arms):
        named = [] if arm == PLAIN else [arm.format(**world.knobs)]
        try:
            fitting(named, model=world.model, config=TrainConfig(tuning="head"))
        except InputError:
            continue
        runs = range(1 + options.repeats)
        fit = min(_timed(world, arm, tuning="head", folder=folder)[1] for _ in runs)
        found[arm] = (fit, min(_timed(world, arm, tuning="head")[1] for _ in runs[:2]))
        print(f"{name:20s}{arm:44s}{fit:8.2f} s with the features there{found[arm][1]:8.2f} s whole", flush=True)
    return found


if __name__ == "__main__":
    main()
