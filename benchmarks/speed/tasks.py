"""python -m benchmarks.speed.tasks --out FILE: tokens a second of fine-tuning, task by task, beside two opponents.

pad_128: the plain float32 loop, every row padded to 128 tokens (to the longest row where 128 would truncate). trainer: Hugging
Face's Trainer, float32, padded to the longest row of a batch. ours: veridical's defaults. Same rows, same encoder, batches of the
opponents as many rows as ours in the mean; each measurement in a process of its own, in turn, --repeats rounds, best of each.
Real tokens: padding does not count. Peak memory is of the whole process.

scores: the declared metric on the test rows after as many passes over the rows of benchmarks/tasks/sets.py as are set there, in
points, trained anew by each; the plain loop pads to the longest row of a batch then, since padding is masked and moves no score
but through rounding. One seed: that ours is no worse is what benchmarks/tasks/bars.py asks, with five or ten.
Run it on an idle machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.tasks.sets import KITS, opened

SETS = ("wnut17", "semeval2010", "cad_nli", "sst5", "xquad_en")
ARMS = ("pad_128", "trainer", "ours")
OPPONENTS = ("pad_128", "trainer")
WARM = 2


def main() -> None:
    options = _options()
    if options.one:
        print(json.dumps(_one(*options.one.split("/"), options)))
        return
    seen: dict[str, dict[str, list[dict[str, float]]]] = {name: {arm: [] for arm in ARMS} for name in options.sets.split(",")}
    batch: dict[str, int] = {}
    scores: dict[str, dict[str, float]] = {name: {} for name in seen}
    size = {name: _asked(f"{name}/size/0", options) for name in seen}
    for _ in range(options.repeats):
        for name, arms in seen.items():
            for arm in ("ours", *OPPONENTS):  # ours first: the opponents take as many rows a step
                found = _asked(f"{name}/{arm}/{batch.get(name, 0)}", options)
                if arm == "ours":  # its process opens no opponent, whose memory would count
                    found["tokens_per_second"] *= size[name]["tokens"]
                    batch.setdefault(name, round(size[name]["rows"] / found["steps"]))
                arms[arm].append(found)
                print(f"{name:14s}{arm:10s}{found['tokens_per_second']:8.0f} tokens/s {found['peak_mib']:8.0f} MiB", flush=True)
            options.out.write_text(json.dumps(_written(seen, batch, scores, options), indent=1) + "\n", encoding="utf-8")
    for name in scores:
        rows_a_step = 0
        for arm in ("ours", *OPPONENTS):
            found = _asked(f"{name}/score_{arm}/{rows_a_step}", options)
            rows_a_step = rows_a_step or round(found["rows_a_step"])
            scores[name][arm] = round(found["score"], 1)
            print(f"{name:14s}{arm:10s}{scores[name][arm]:8.1f} points", flush=True)
        options.out.write_text(json.dumps(_written(seen, batch, scores, options), indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--work", type=Path, default=Path("/tmp/veridical_speed"))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--rows", type=int, default=1000, help="train rows")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each opponent in a round")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _asked(one: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.speed.tasks", "--one", one, "--out", str(options.out)]
    for name in ("data", "work", "rows", "seconds"):
        command += [f"--{name}", str(getattr(options, name))]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(said.stderr)
    found: dict[str, float] = json.loads(said.stdout.splitlines()[-1])
    return found


def _one(name: str, arm: str, batch: str, options: argparse.Namespace) -> dict[str, float]:
    """One measurement, in this process. Of ours: shares of a pass a second."""
    from dataclasses import replace

    from benchmarks.tasks import ours
    from benchmarks.tasks.reference import PAD_TO, Loop, by_trainer, prepared

    from veridical.models.weights import resolve
    from veridical.train.config import TrainConfig

    if arm.startswith("score_"):
        return _score(name, arm.removeprefix("score_"), int(batch), options)
    kit = replace(KITS[name], n_test=8)
    data = opened(kit, options.data, options.work / name, seed=0, n_train=options.rows)
    if arm == "ours":
        config = TrainConfig(epochs=1, max_length=kit.max_length, validation_share=0.0)
        _, marks = ours.trained(data, model="minilm", config=config, seed=0)
        steps, seconds = marks.seconds(warm=WARM)
        return {"tokens_per_second": steps / marks.total / seconds, "steps": marks.total, "peak_mib": _peak()}
    given = prepared(data, weights=str(resolve("minilm").folder), max_length=max(PAD_TO, kit.max_length), seed=0)
    if arm == "size":
        return {"tokens": given.n_tokens, "rows": len(given.features)}
    if arm == "trainer":
        few = max(WARM + 3, round(options.seconds / SECONDS_A_ROW / int(batch)))
        speed = by_trainer(given, batch=int(batch), seed=0, max_steps=few)
    else:
        longest = max(len(feature["input_ids"]) for feature in given.features)
        loop = Loop(given, batch=int(batch), epochs=1, seed=0, pad_to=max(PAD_TO, longest))
        speed = loop.tokens_per_second(options.seconds)
    return {"tokens_per_second": speed, "peak_mib": _peak()}


def _score(name: str, arm: str, batch: int, options: argparse.Namespace) -> dict[str, float]:
    """Points on the test rows after a whole training; of ours also the rows of a step in the mean, which the others take."""
    from benchmarks.tasks import ours
    from benchmarks.tasks.reference import PAD_TO, Loop, by_trainer, prepared, said_by
    from benchmarks.tasks.sets import score_of_said

    from veridical.models.weights import resolve
    from veridical.train.config import TrainConfig

    kit = KITS[name]
    data = opened(kit, options.data, options.work / name, seed=0)
    given = prepared(data, weights=str(resolve("minilm").folder), max_length=max(PAD_TO, kit.max_length), seed=0)
    if arm == "ours":
        config = TrainConfig(epochs=kit.epochs, max_length=kit.max_length, validation_share=0.0)
        done, marks = ours.trained(data, model="minilm", config=config, seed=0)
        return {"score": 100 * ours.score(done, data), "rows_a_step": max(1, len(given.features) * kit.epochs / marks.total)}
    if arm == "trainer":
        by_trainer(given, batch=batch, seed=0, epochs=kit.epochs)
    else:
        Loop(given, batch=batch, epochs=kit.epochs, seed=0, pad_to=0).train()
    return {"score": 100 * score_of_said(said_by(given), data)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


SECONDS_A_ROW = 0.04
"""About what Trainer takes, so that it does as many steps as fit into --seconds."""


def _written(
    seen: dict[str, Any], batch: dict[str, int], scores: dict[str, dict[str, float]], options: argparse.Namespace
) -> dict[str, Any]:
    sets = {}
    for name, arms in seen.items():
        if not all(arms.values()):
            continue
        best = {arm: max(found["tokens_per_second"] for found in rounds) for arm, rounds in arms.items()}
        sets[name] = {
            "task": KITS[name].task,
            "rows_a_step": batch[name],
            "tokens_per_second": {arm: round(value) for arm, value in best.items()},
            "all": {arm: [round(found["tokens_per_second"]) for found in rounds] for arm, rounds in arms.items()},
            "ratios": {f"ours/{other}": round(best["ours"] / best[other], 2) for other in OPPONENTS},
            "scores": scores[name],
            "peak_mib": {arm: round(max(found["peak_mib"] for found in rounds)) for arm, rounds in arms.items()},
        }
    about = machine("torch", "transformers", "accelerate", "veridical")
    return {"format": 1, "about": about, "encoder": "minilm", "seed": 0, "rows": options.rows, "sets": sets}


if __name__ == "__main__":
    main()
