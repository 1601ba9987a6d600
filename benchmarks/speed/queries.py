"""The query engine: many rows attacked at once against one row at a time, same recipe, same candidates, same model.

Run: python benchmarks/speed/queries.py [--models linear,minilm] [--rows 200] [--budget 300] [--data FOLDER] [--out FILE.json]
One row at a time is what attack libraries do: the model gets the candidates of one word of one row, in batches of at most 32.
Both sides count different inputs; the outcome of every row must be the same (for an encoder, whose answers differ in the last
digits with the batch, of 95 % of rows), else the run fails. Rows are those of DATA/sst5 where that is there, else made up.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from veridical.audit._made_up import dataset, nonsense
from veridical.dataset.rows import Dataset, Text
from veridical.models.model import Model
from veridical.models.queries import Queries
from veridical.probe.attack import RECIPES, Attempt, Outcome, attack, attempts_of
from veridical.train.config import TrainConfig
from veridical.train.training import train

OUT = Path(__file__).parents[1] / "results" / "queries.json"
THEIR_BATCH = 32
"""Candidates that TextAttack gives to a model at a time."""
EQUAL = {"linear": 1.0, "minilm": 0.95}
"""Share of rows whose outcome must be the same."""
TRAIN_ROWS = {"linear": 4000, "minilm": 400}
WANTED = 3.0
ONE_EPOCH = TrainConfig(epochs=1)


class Batched:
    """A model that is given at most THEIR_BATCH inputs at a time."""

    def __init__(self, model: Model) -> None:
        self.model, self.kind, self.labels = model, model.kind, model.labels

    def predict(self, inputs: Sequence[Text]) -> np.ndarray:
        parts = [self.model.predict(inputs[start : start + THEIR_BATCH]) for start in range(0, len(inputs), THEIR_BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)))

    def save(self, folder: Path) -> None:
        self.model.save(folder)


def rows_of(folder: Path | None, n_train: int, n_test: int) -> tuple[Dataset, str]:
    """Train and test rows: negative and positive sentences of SST-5, or invented words around one that tells the label."""
    found = []
    if folder is not None and (folder / "sst5").is_dir():
        for split, file, n in (("train", "train", n_train), ("test", "test", n_test)):
            lines = (json.loads(line) for line in (folder / "sst5" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines())
            kept = [row for row in lines if int(row["label"]) != 2][:n]
            found += [
                (f"{split}{i}", split, row["text"], "pos" if int(row["label"]) > 2 else "neg") for i, row in enumerate(kept)
            ]
        return dataset(found), "sst5 without its middle class"
    rng = np.random.default_rng(0)
    for i in range(n_train + n_test):
        word = ("terrible", "wonderful")[i % 2]
        text = f"{nonsense(rng, int(rng.integers(3, 15)))} {word} {nonsense(rng, int(rng.integers(3, 15)))}"
        found.append((str(i), "train" if i < n_train else "test", text, ("neg", "pos")[i % 2]))
    return dataset(found), "made up"


def together(model: Model, recipe: str, attempts: list[Attempt]) -> tuple[list[Outcome], int, float]:
    queries = Queries(model)
    began = time.perf_counter()
    found = attack(queries, RECIPES[recipe], attempts)
    return found, queries.counts.unique, time.perf_counter() - began


def one_at_a_time(model: Model, recipe: str, attempts: list[Attempt]) -> tuple[list[Outcome], int, float]:
    queries = Queries(Batched(model))
    began = time.perf_counter()
    found = [attack(queries, RECIPES[recipe], [one])[0] for one in attempts]
    return found, queries.counts.unique, time.perf_counter() - began


def measured(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    data, source = rows_of(asked.data, TRAIN_ROWS[name], asked.rows)
    model = train(data, model=name, seed=asked.seed, **({"config": ONE_EPOCH} if name != "linear" else {})).model
    assert model is not None
    rows = data.rows("test")
    texts, codes, ids = data.inputs(rows), data.codes[rows].tolist(), [data.ids[i] for i in rows]
    attempts = attempts_of(RECIPES[asked.recipe], texts, codes, ids, seed=asked.seed, budget=asked.budget)
    model.predict(texts[:8])
    runs: dict[str, list[tuple[list[Outcome], int, float]]] = {"together": [], "one_at_a_time": []}
    for _ in range(asked.repeats):
        for side, run in (("together", together), ("one_at_a_time", one_at_a_time)):
            runs[side].append(run(model, asked.recipe, attempts))
    pairs = zip(runs["together"][0][0], runs["one_at_a_time"][0][0], strict=True)
    same = float(np.mean([a == b for a, b in pairs]))
    if same < EQUAL[name]:
        raise SystemExit(f"{name}: only {100 * same:.1f} % of rows have the same outcome; the two do not do the same work.")
    rates = {side: [unique / seconds for _, unique, seconds in found] for side, found in runs.items()}
    outcomes = runs["together"][0][0]
    return {
        "rows": source, "n_rows": len(rows), "same_outcomes": same,
        "turned": sum(one.status == "turned" for one in outcomes),
        "unique": {side: found[0][1] for side, found in runs.items()},
        "unique_per_second": {side: float(np.median(found)) for side, found in rates.items()},
        "all": rates,
        "times_faster": round(float(np.median(rates["together"]) / np.median(rates["one_at_a_time"])), 2),
    }  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", default="linear,minilm")
    options.add_argument("--recipe", default="deepwordbug", choices=sorted(RECIPES))
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--budget", type=int, default=300)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--data", type=Path, default=os.environ.get("VERIDICAL_DATA"))
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    asked.data = Path(asked.data) if asked.data else None
    results = {name: measured(name, asked) for name in asked.models.split(",")}
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=OUT.parent)
    record = {
        "recipe": asked.recipe,
        "budget": asked.budget,
        "seed": asked.seed,
        "wanted_times_faster": WANTED,
        "results": results,
        "versions": {name: importlib.metadata.version(name) for name in ("numpy", "scikit-learn", "torch", "transformers")},
        "machine": {"python": platform.python_version(), "system": platform.machine(), "cores": len(os.sched_getaffinity(0))},
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
        "load_average": round(os.getloadavg()[0], 2),
        "commit": commit.stdout.strip(),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
