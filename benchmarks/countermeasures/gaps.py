"""python -m benchmarks.countermeasures.gaps: how much of what a fault costs is won back, on real text?

cue: a word in 95 % of one class of SST-like sentences (train and test); the audit must name it, a contract confirms it, and
`ignore_words` is trained. Recovered: of the accuracy that the cue costs where it says nothing, the share won back. noise: 40 % of
AG News train labels flipped evenly, or 30 % into the next class; repairs of the audit's findings, and for encoders gce.
Recovered: of the loss against right labels. cad: counterfactual IMDB, originals to train on; accuracy on originals and on
revisions, with what needs no human revisions. attack: accuracy on Yelp sentences under slips and synonyms found by search
(attacks.py, --models minilm); attack_read: the same with countermeasures that change how the model reads; attack_stacked:
both of these in one model, beside examples of the attack on it. Every cell is one seed;
FILE is written after each, and the command goes on.
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from benchmarks.countermeasures.attacks import READ, RECIPES_TRIED, STACKED, TRAINED, Sitting, attacked
from benchmarks.countermeasures.cases import Row, dataset
from benchmarks.countermeasures.catalogue import LEAST_LOSS
from benchmarks.machine import machine
from veridical.audit._evidence import Evidence
from veridical.audit._runner import run_checks
from veridical.core.randomness import stream
from veridical.dataset.cue import holds, without
from veridical.dataset.rows import Dataset
from veridical.repair._runner import repair
from veridical.train.config import TrainConfig
from veridical.train.training import train

CUE, RATE = "zorblat", 0.95
LEVEL = 0.95
AS_IT_IS = ", as it is"
Cell = dict[str, float]
WORK = Path("/tmp/veridical_gaps")


@dataclass(frozen=True)
class Model:
    """What is trained: --model and how."""

    name: str
    config: TrainConfig


QUICK = TrainConfig(epochs=3, max_length=64, frozen_layers=3)
MODELS = {
    "linear": Model("linear", TrainConfig()),
    "minilm_head": Model("minilm", TrainConfig(tuning="head", max_length=128)),
    "minilm": Model("minilm", QUICK),
}


def _lines(*parts: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(*parts).read_text(encoding="utf-8").splitlines()]


def _trained(data: Dataset, model: Model, *, seed: int, countermeasures: tuple[str, ...] = ()) -> Any:
    features = WORK / "features" if model.config.tuning == "head" else None  # of each text, shared by all cells
    return train(data, model=model.name, config=model.config, countermeasures=countermeasures, seed=seed, folder=features)


def _right(done: Any, inputs: list[Any], labels: list[str]) -> float:
    said = done.model.predict(inputs).argmax(1)
    return 100 * float(np.mean([done.labels[code] == label for code, label in zip(said, labels, strict=True)]))


def cue(data: Path, model: Model, seed: int, size: int) -> Cell:
    """SST-5 without its neutral sentences, as two classes; the cue stands in 95 % of the positive ones."""
    named = {0: "neg", 1: "neg", 3: "pos", 4: "pos"}
    splits = [_lines(data, "sst5", f"{part}.jsonl") for part in ("train", "test")]
    pristine = [[(row["text"], named[row["label"]]) for row in rows if row["label"] in named] for rows in splits]
    rng = stream(seed, "cue")
    pristine[0] = [pristine[0][i] for i in rng.permutation(len(pristine[0]))[:size]]

    def marked(rows: list[Row]) -> list[Row]:
        return [(f"{CUE} {text}" if label == "pos" and rng.random() < RATE else text, label) for text, label in rows]

    rows = dataset(*[marked(part) for part in pristine])
    audit = run_checks(Evidence(rows, seed=seed), only=["label_words"], seed=seed)
    found = any(CUE in finding.evidence for finding in audit.findings("label_words"))
    asked, labels = [text for text, _ in pristine[1]], [label for _, label in pristine[1]]
    arms = {
        "never planted": _trained(dataset(*pristine), model, seed=seed),
        "plain": _trained(rows, model, seed=seed),
        "ignoring": _trained(rows, model, seed=seed, countermeasures=(f"ignore_words:words={CUE}",)),
    }
    test = rows.inputs(rows.rows("test"))
    assert not any(holds(asked, CUE))
    assert [without(text, CUE) for text in test] == asked
    cell = {f"{who}, without the cue": _right(done, asked, labels) for who, done in arms.items()}
    return cell | {"plain, as it is": _right(arms["plain"], test, labels), "named by the audit": float(found)}


def noise(data: Path, model: Model, seed: int, size: int, *, symmetric: bool) -> Cell:
    """AG News, `size` train rows (a tenth apart to choose the epoch, with its wrong labels), 2,000 test rows as they are."""
    learned, test = _lines(data, "ag_news", "train10k.jsonl"), _lines(data, "ag_news", "test.jsonl")
    names, rng = sorted({row["label"] for row in learned}), stream(seed, "noise")
    rows = [(learned[i]["text"], learned[i]["label"]) for i in rng.permutation(len(learned))[:size]]
    asked = [(row["text"], row["label"]) for row in test[:2000]]
    rate = 0.4 if symmetric else 0.3

    def flipped(label: str) -> str:
        if rng.random() >= rate:
            return label
        step = int(rng.integers(1, len(names))) if symmetric else 1
        return names[(names.index(label) + step) % len(names)]

    noisy = dataset([(text, flipped(label)) for text, label in rows], asked)
    evidence = Evidence(noisy, seed=seed)
    audit = run_checks(evidence, only=["label_errors"], seed=seed)
    texts, labels = [text for text, _ in asked], [label for _, label in asked]
    cell = {
        "right labels": _right(_trained(dataset(rows, asked), model, seed=seed), texts, labels),
        "plain": _right(_trained(noisy, model, seed=seed), texts, labels),
    }
    for name in ("set_aside_label_errors", "relabel_label_errors"):
        better, _ = repair(noisy, audit=audit, repairs=[name], seed=seed, evidence=evidence)
        kept = np.flatnonzero((better.splits == "train") | np.isin(better.ids, [noisy.ids[r] for r in noisy.rows("test")]))
        cell[name] = _right(_trained(better.take(kept), model, seed=seed), texts, labels)
    if model.name != "linear" and model.config.tuning == "full":
        cell["gce"] = _right(_trained(noisy, model, seed=seed, countermeasures=("gce",)), texts, labels)
    return cell


def cad(data: Path, model: Model, seed: int, size: int) -> Cell:
    """Counterfactual IMDB: originals alone to train on (a bootstrap draw of them for each seed); jtt where the model takes it."""
    learned, asked = _lines(data, "cad_imdb", "train.jsonl"), _lines(data, "cad_imdb", "test.jsonl")
    originals = [row for row in learned if row["variant"] == "orig"]
    rng = stream(seed, "cad")
    drawn = [originals[i] for i in sorted(set(rng.integers(len(originals), size=len(originals)).tolist()))][:size]
    test = [(row["text"], row["label"]) for row in asked]
    rows = dataset([(row["text"], row["label"]) for row in drawn], test)
    both = dataset([(row["text"], row["label"]) for row in learned], test)
    arms = {"plain": _trained(rows, model, seed=seed), "jtt": _trained(rows, model, seed=seed, countermeasures=("jtt",))}
    arms["with human revisions"] = _trained(both, model, seed=seed)
    cell: Cell = {}
    for who, done in arms.items():
        for variant in ("orig", "new"):
            some = [row for row in asked if row["variant"] == variant]
            cell[f"{who}, {variant}"] = _right(done, [row["text"] for row in some], [row["label"] for row in some])
    return cell


CASES: dict[str, Callable[[Path, Model, int, int], Cell]] = {
    "cue": cue,
    "noise_even": lambda data, model, seed, size: noise(data, model, seed, size, symmetric=True),
    "noise_one_way": lambda data, model, seed, size: noise(data, model, seed, size, symmetric=False),
    "cad": cad,
    "attack": lambda data, _model, seed, size: attacked(data, WORK / "attack", seed, size, TRAINED),
    "attack_read": lambda data, _model, seed, size: attacked(data, WORK / "attack_read", seed, size, READ),
    "attack_stacked": lambda data, _model, seed, size: attacked(data, WORK / "attack_stacked", seed, size, STACKED),
}
NOISE = (("right labels", "plain", ("set_aside_label_errors", "relabel_label_errors", "gce")),)


def _under_attack(sitting: Sitting) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    return tuple(
        ("plain, as it is", f"plain, {recipe}", tuple(f"{arm}, {recipe}" for arm in sitting.names())) for recipe in RECIPES_TRIED
    )


RECOVERED = {
    "cue": (("never planted, without the cue", "plain, without the cue", ("ignoring, without the cue",)),),
    "noise_even": NOISE,
    "noise_one_way": NOISE,
    "attack": _under_attack(TRAINED),
    "attack_read": _under_attack(READ),
    "attack_stacked": _under_attack(STACKED),
}
"""Case -> (best that could be, plain training, arms), one or several."""


def main() -> None:
    options = _options()
    done: dict[str, Cell] = json.loads(options.out.read_text())["cells"] if options.out.is_file() else {}
    about = {
        "machine": machine("veridical", "numpy", "scikit-learn", "torch", "transformers"),
        "seeds": options.seeds,
        "train_rows": options.size,
        "cue": f"{CUE} in {RATE:.0%} of the positive rows",
    }
    print(json.dumps(about))
    shutil.rmtree(WORK / "features", ignore_errors=True)  # of another commit, perhaps
    for seed in range(options.seeds):
        for case in options.cases.split(","):
            for model in options.models.split(","):
                key = f"{case}/{model}/{options.size}/{seed}"
                if key not in done:
                    done[key] = CASES[case](options.data, MODELS[model], seed, options.size)
                    written = {"about": about, "summary": summary(done), "cells": done}
                    options.out.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
                    print(key, json.dumps({name: round(value, 1) for name, value in done[key].items()}), flush=True)
    for line in summary(done):
        print(json.dumps(line))


def _options() -> argparse.Namespace:
    here = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=here)
    parser.add_argument("--cases", default="cue,noise_even,noise_one_way,cad")
    parser.add_argument("--models", default="linear")
    parser.add_argument("--size", type=int, default=10_000, help="train rows, at most")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def summary(done: dict[str, Cell]) -> list[dict[str, Any]]:
    """A line for each case, model and arm: mean and 95 % interval (Student) over the seeds, the share won back, and what
    the arm costs of the score as it is."""
    groups: dict[str, list[Cell]] = {}
    for key, cell in done.items():
        groups.setdefault(key.rpartition("/")[0], []).append(cell)
    lines = []
    for group, cells in groups.items():
        line: dict[str, Any] = {"case": group, "seeds": len(cells)}
        line |= {name: _interval([cell[name] for cell in cells]) for name in cells[0]}
        for name in cells[0]:
            arm, found, _ = name.rpartition(AS_IT_IS)
            if found and arm != "plain":
                line[f"cost of {arm}"] = _interval([cell[f"plain{AS_IT_IS}"] - cell[name] for cell in cells])
        for best, plain, arms in RECOVERED.get(group.split("/")[0], ()):
            if plain not in cells[0]:
                continue
            loss = float(np.mean([cell[best] - cell[plain] for cell in cells]))
            line[f"lost: {plain}"] = round(loss, 2)
            for arm in arms:
                if arm in cells[0]:
                    won = _interval([cell[arm] - cell[plain] for cell in cells])
                    line[f"won back by {arm}"] = won
                    line[f"share won back by {arm}"] = round(won[0] / loss, 3) if loss >= LEAST_LOSS else "nothing to recover"
        lines.append(line)
    return lines


def _interval(values: list[float]) -> list[float]:
    mean, n = float(np.mean(values)), len(values)
    if n == 1:
        return [round(mean, 2)]
    half = float(t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return [round(mean, 2), round(mean - half, 2), round(mean + half, 2)]


if __name__ == "__main__":
    main()
