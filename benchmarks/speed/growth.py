"""python -m benchmarks.speed.growth --out FILE: seconds and memory of training on 1,000 to 100,000 rows.

Sentences of about a dozen words, drawn anew for every size from the words of the UCI review sentences, so that no two are alike;
one epoch of everything, every size in a process of its own. linear, minilm with all weights, minilm with a head on cached
features. Seconds are of the processor and include the answers to every row. Linear growth: the last columns stay the same.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.countermeasures.cases import dataset, sentiment
from benchmarks.machine import machine

SIZES = (1_000, 10_000, 100_000)
ARMS = ("linear", "minilm_head", "minilm")


def main() -> None:
    options = _options()
    if options.one:
        arm, size = options.one.split("/")
        print(json.dumps(_one(arm, int(size), options.data)))
        return
    found: dict[str, dict[str, Any]] = {}
    for arm in options.arms.split(","):
        for size in (int(size) for size in options.sizes.split(",")):
            command = [sys.executable, "-m", "benchmarks.speed.growth", "--data", str(options.data), "--out", str(options.out)]
            said = subprocess.run([*command, "--one", f"{arm}/{size}"], stdout=subprocess.PIPE, text=True, check=True)
            found.setdefault(arm, {})[str(size)] = json.loads(said.stdout.splitlines()[-1])
            print(arm, size, found[arm][str(size)], flush=True)
            about = machine("torch", "transformers", "veridical")
            options.out.write_text(json.dumps({"format": 1, "about": about, "arms": found}, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _one(arm: str, size: int, data: Path) -> dict[str, float]:
    from veridical.train.config import TrainConfig
    from veridical.train.training import train

    rng = np.random.default_rng(0)
    known = sentiment(data, 0)
    words = {label: " ".join(text for text, own in known if own == label).split() for label in ("neg", "pos")}
    labels = rng.permutation(["neg", "pos"] * (size // 2 + 50)).tolist()
    rows = [(" ".join(rng.choice(words[label], int(rng.integers(6, 18)))), label) for label in labels]
    world = dataset(rows[:size], rows[size : size + 100])
    config = TrainConfig(epochs=1, validation_share=0.0, tuning="head" if arm == "minilm_head" else "full", threads=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    train(world, model="linear" if arm == "linear" else "minilm", config=config, seed=0)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": round(seconds, 1),
        "peak_mib": round(peak),
        "seconds_per_1000_rows": round(1000 * seconds / size, 3),
        "mib_per_1000_rows": round(1000 * (peak - before) / size, 2),
    }


if __name__ == "__main__":
    main()
