"""python -m benchmarks.tasks.bars --out FILE: is any task learned worse than by the loop that most scripts hold?

For every set and seed: the same rows drawn, the same passes and number of steps; veridical as it trains by default (bfloat16
where it is faster, batches by tokens, frozen embeddings) against the plain loop (reference.py). The reference pads to the
longest row of a batch here: padding is masked, so it moves no score but through rounding; --pad-to 128 shows that. Not inferior:
the paired differences over seeds lie above -1 point, one-sided Student test, Holm over the sets. FILE is written after every
pair, and the same command goes on.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.machine import machine
from benchmarks.tasks import ours
from benchmarks.tasks.reference import Loop, prepared, said_by
from benchmarks.tasks.sets import KITS, opened, score_of_said
from veridical.core.multiplicity import holm
from veridical.core.plugins import get
from veridical.models.weights import resolve
from veridical.train.config import TrainConfig

MARGIN, LEVEL = 1.0, 0.95
"""Points that ours may be worse; of the intervals."""
LIMIT = 512
"""Tokens that the reference cuts a row to; no row of these sets but those of qa is longer, which it reads in windows."""


def main() -> None:
    options = _options()
    done: dict[str, Any] = json.loads(options.out.read_text())["cells"] if options.out.is_file() else {}
    about = {
        **machine("torch", "transformers", "accelerate", "veridical"),
        "kits": {
            name: {"task": kit.task, "train": kit.n_train, "test": kit.n_test, "epochs": kit.epochs} for name, kit in KITS.items()
        },
        "pad_to": options.pad_to or "longest of the batch",
        "margin": MARGIN,
        "encoders": {name: resolve(given).sha256 for name, given in _encoders(options).items()},
    }
    for seed in range(options.seeds):
        for name in options.sets.split(","):
            key = f"{name}/{seed}"
            if key in done:
                continue
            if KITS[name].multilingual and not options.multilingual:
                print(f"{name} needs --multilingual FOLDER, an encoder that reads Chinese", flush=True)
                continue
            done[key] = pair(name, seed, options)
            print(key, json.dumps(done[key]), flush=True)
            options.out.write_text(json.dumps({"about": about, "summary": summary(done), "cells": done}, indent=1) + "\n")
    for line in summary(done):
        print(json.dumps(line))


def _encoders(options: argparse.Namespace) -> dict[str, str]:
    """What is tuned; for Chinese the folder given, which is told by its hash."""
    return {"minilm": "minilm"} | ({"multilingual": options.multilingual} if options.multilingual else {})


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--work", type=Path, default=Path("/tmp/veridical_bars"))
    parser.add_argument("--sets", default=",".join(KITS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--multilingual", default="", help="folder of an encoder for Chinese")
    parser.add_argument("--pad-to", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def pair(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    """Scores of both on the same rows, in points, and seconds (of a machine that may be busy)."""
    kit = KITS[name]
    data = opened(kit, options.data, options.work / name, seed=seed)
    model = options.multilingual if kit.multilingual else "minilm"
    config = TrainConfig(epochs=kit.epochs, max_length=kit.max_length, validation_share=0.0)
    start = time.monotonic()
    mine, marks = ours.trained(data, model=model, config=config, seed=seed)
    seconds = time.monotonic() - start
    start = time.monotonic()
    longest = kit.max_length if get("veridical.tasks", "task", kit.task).structure and kit.task == "qa" else LIMIT
    given = prepared(data, weights=str(resolve(model).folder), max_length=longest, seed=seed, attention="eager")
    batch = max(1, round(len(given.features) * kit.epochs / marks.total))
    loop = Loop(given, batch=batch, epochs=kit.epochs, seed=seed, pad_to=options.pad_to)
    loop.train()
    return {
        "ours": round(100 * ours.score(mine, data), 2),
        "reference": round(100 * score_of_said(said_by(given), data), 2),
        "steps": marks.total,
        "reference_steps": loop.n_steps,
        "seconds": round(seconds, 1),
        "reference_seconds": round(time.monotonic() - start, 1),
    }


def summary(done: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each set: both means, the paired difference with its interval, and p of being worse by MARGIN, Holm's beside."""
    lines = []
    for name in KITS:
        cells = [cell for key, cell in done.items() if key.rpartition("/")[0] == name]
        if len(cells) < 2:
            continue
        differences = np.array([cell["ours"] - cell["reference"] for cell in cells])
        n, mean, error = len(cells), float(differences.mean()), float(differences.std(ddof=1) / np.sqrt(len(cells)))
        half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * error
        p = float(t.sf((mean + MARGIN) / error, n - 1)) if error > 0 else float(mean <= -MARGIN)
        lines.append(
            {
                "set": name,
                "task": KITS[name].task,
                "seeds": n,
                "ours": round(float(np.mean([cell["ours"] for cell in cells])), 1),
                "reference": round(float(np.mean([cell["reference"] for cell in cells])), 1),
                "difference": [round(mean, 2), round(mean - half, 2), round(mean + half, 2)],
                "p_inferior": p,
            }
        )
    adjusted = holm([line["p_inferior"] for line in lines])
    for line, p in zip(lines, adjusted.tolist(), strict=True):
        high = line["difference"][2]
        said = "not inferior" if p < 1 - LEVEL else "inferior" if high < -MARGIN else "not decided"
        line |= {"p_inferior": round(line["p_inferior"], 5), "p_holm": round(p, 5), "verdict": said}
    return lines


if __name__ == "__main__":
    main()
