"""The query engine: many rows attacked at once against one row at a time, same recipe, same candidates, same weights.

Run: python -m benchmarks.speed.queries [--models linear,minilm] [--rows 200] [--encoder-rows 200]
     [--budget 300] [--data FOLDER] [--out FILE.json]
The opponents do what attack libraries do: the model gets the candidates of one word of one row, in batches of at most 32.

one_at_a_time  asks our model, held ready all the time: what merging, sorting and batching by tokens are worth by themselves.
as_libraries   (encoders) the same weights as a library holds them: float32, the candidates of one word tokenised and padded to
               the longest of them. Kinder than TextAttack's own wrapper, which pads to the longest text the tokenizer takes.

All count different inputs. Every row must end the same: turned, held or wrong (for an encoder, whose answers differ in the last
digits with the batch and in the third with bfloat16, 95 % of rows), else the run fails. How often the very words are the same,
and how far answers to the same input lie apart, is part of the result. Runs are interleaved; seconds are of the clock and of the
processor. Rows are those of DATA/sst5, or made up.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from benchmarks.machine import machine

from veridical.audit._made_up import dataset, nonsense
from veridical.dataset.rows import Dataset, Text
from veridical.models.encoder import EncoderModel
from veridical.models.linear import softmax
from veridical.models.model import FloatArray, Model, reading
from veridical.models.queries import Queries
from veridical.probe.attack import RECIPES, Attempt, Outcome, attack, attempts_of
from veridical.train.config import TrainConfig
from veridical.train.training import train

OUT = Path(__file__).parents[1] / "results" / "queries.json"
THEIR_BATCH = 32
"""Candidates that TextAttack gives to a model at a time."""
EQUAL = {"linear": 1.0, "minilm": 0.95}
"""Share of rows that must end the same."""
TRAIN_ROWS = {"linear": 4000, "minilm": 1500}
WANTED = 3.0
ONE_EPOCH = TrainConfig(epochs=1)


class Batched:
    """A model that is given at most THEIR_BATCH inputs at a time."""

    def __init__(self, model: Model) -> None:
        self.model, self.kind, self.labels = model, model.kind, model.labels

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        parts = [self.model.predict(inputs[start : start + THEIR_BATCH]) for start in range(0, len(inputs), THEIR_BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.labels)))

    def save(self, folder: Path) -> None:
        self.model.save(folder)


class Plain:
    """An encoder in float32 that reads a list as one batch, filled up to its longest text."""

    def __init__(self, model: EncoderModel) -> None:
        self.model, self.kind, self.labels = model, model.kind, model.labels

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        import torch

        coded = self.model.tokenizer(
            list(inputs), padding=True, truncation=True, max_length=self.model.max_length, return_tensors="pt"
        )
        with torch.inference_mode():
            logits = self.model.network(coded["input_ids"], coded["attention_mask"], coded.get("token_type_ids"))
        return softmax(logits.double().numpy())

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


@dataclass(frozen=True)
class Run:
    """One attack on all rows. answers: to every input asked. seconds, cpu: of the clock and of the processor."""

    outcomes: list[Outcome]
    unique: int
    answers: dict[Text, FloatArray]
    seconds: float
    cpu: float


def together(model: Model, recipe: str, attempts: list[Attempt]) -> Run:
    queries = Queries(model)
    return timed(queries, lambda: attack(queries, RECIPES[recipe], attempts))


def one_at_a_time(model: Model, recipe: str, attempts: list[Attempt]) -> Run:
    queries = Queries(Batched(model))

    def all_rows() -> list[Outcome]:
        with reading(model):
            return [attack(queries, RECIPES[recipe], [one])[0] for one in attempts]

    return timed(queries, all_rows)


def as_libraries(model: Model, recipe: str, attempts: list[Attempt]) -> Run:
    assert isinstance(model, EncoderModel)
    return one_at_a_time(Plain(model), recipe, attempts)


def timed(queries: Queries, work: Callable[[], list[Outcome]]) -> Run:
    began, spent = time.perf_counter(), time.process_time()
    outcomes = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return Run(outcomes, queries.counts.unique, dict(queries._answers), seconds, cpu)


def measured(name: str, asked: argparse.Namespace) -> dict[str, Any]:
    n_rows = asked.rows if name == "linear" else asked.encoder_rows
    data, source = rows_of(asked.data, TRAIN_ROWS[name], n_rows)
    model = train(data, model=name, seed=asked.seed, **({"config": ONE_EPOCH} if name != "linear" else {})).model
    assert model is not None
    rows = data.rows("test")
    texts, codes, ids = data.inputs(rows), data.codes[rows].tolist(), [data.ids[i] for i in rows]
    attempts = attempts_of(RECIPES[asked.recipe], texts, codes, ids, seed=asked.seed, budget=asked.budget)
    sides: dict[str, Callable[[Model, str, list[Attempt]], Run]] = {"together": together, "one_at_a_time": one_at_a_time}
    if isinstance(model, EncoderModel):
        sides["as_libraries"] = as_libraries
    for side in sides.values():
        side(model, asked.recipe, attempts[:4])
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    for _ in range(asked.repeats):
        for side, run in sides.items():
            runs[side].append(run(model, asked.recipe, attempts))
    ours = runs["together"][0]
    against = {side: compared(name, runs["together"], runs[side]) for side in sides if side != "together"}
    return {
        "rows": source, "n_rows": len(rows), "turned": sum(one.status == "turned" for one in ours.outcomes),
        "dtype": getattr(model, "dtype", "float64"), "unique": {side: found[0].unique for side, found in runs.items()},
        "unique_per_second": {side: median(one.unique / one.seconds for one in found) for side, found in runs.items()},
        "unique_per_cpu_second": {side: median(one.unique / one.cpu for one in found) for side, found in runs.items()},
        "all_seconds": {side: [[round(one.seconds, 3), round(one.cpu, 3)] for one in found] for side, found in runs.items()},
        "against": against,
    }  # fmt: skip


def compared(name: str, ours: list[Run], theirs: list[Run]) -> dict[str, Any]:
    """How often outcomes are the same, how far answers to the same input lie apart, and how much faster we are."""
    outcomes = list(zip(ours[0].outcomes, theirs[0].outcomes, strict=True))
    same = float(np.mean([a.status == b.status for a, b in outcomes]))
    if same < EQUAL[name]:
        raise SystemExit(f"{name}: only {100 * same:.1f} % of rows end the same; the two do not do the same work.")
    both = sorted(set(ours[0].answers) & set(theirs[0].answers), key=str)
    apart = np.abs(np.array([ours[0].answers[text] - theirs[0].answers[text] for text in both]))
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "same_ends": same,
        "same_words": float(np.mean([a.written == b.written for a, b in outcomes])),
        "answers_apart": {"largest": float(apart.max()), "mean": float(apart.mean()), "inputs": len(both)},
        "times_faster": round(median((a.unique / a.seconds) / (b.unique / b.seconds) for a, b in pairs), 2),
        "times_faster_cpu": round(median((a.unique / a.cpu) / (b.unique / b.cpu) for a, b in pairs), 2),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--models", default="linear,minilm")
    options.add_argument("--recipe", default="deepwordbug", choices=sorted(RECIPES))
    options.add_argument("--rows", type=int, default=200)
    options.add_argument("--encoder-rows", type=int, default=200)
    options.add_argument("--budget", type=int, default=300)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--data", type=Path, default=os.environ.get("VERIDICAL_DATA"))
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    asked.data = Path(asked.data) if asked.data else None
    results = {name: measured(name, asked) for name in asked.models.split(",")}
    record = {
        "recipe": asked.recipe,
        "budget": asked.budget,
        "seed": asked.seed,
        "wanted_times_faster": WANTED,
        "results": results,
        "machine": machine("numpy", "scikit-learn", "torch", "transformers"),
        "load_average": round(os.getloadavg()[0], 2),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
