"""Classes too rare in the training rows to be learned, and label shares that differ between splits.

What it measures: the share of every class in train, the effective number of its rows, and the divergence of label shares of the
other splits from train. Where an answer is made of names (labels of a set, types of entities), they are counted as classes are.
Why it inflates a score: accuracy on a data set with a large class is high for a model that has learned that class only.
How it errs: a rare class may be rare in the world too; the threshold does not know, and many rows of a rare class can suffice.
Source: Cui et al. 2019, arXiv:1901.05555 (effective number of samples); the threshold share follows cleanlab's default.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.core.counted import counted
from veridical.core.estimate import Estimate
from veridical.core.finding import Finding, Looked, Skipped
from veridical.core.plugins import get
from veridical.core.proportion import wilson
from veridical.dataset.rows import Dataset, IntArray
from veridical.tasks._contract import Measure, Structure


@dataclass(frozen=True)
class Params:
    """When a class is called rare."""

    rare: float = 0.1
    """A class is rare below this share of an equal share 1 / C. Unitless, 0..1. cleanlab's default."""
    beta: float = 0.999
    """Overlap of rows in the effective number (1 - beta^n) / (1 - beta). Unitless, 0..1. Cui et al. 2019."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    structure = _structure(data)
    if structure is not None and _measure(structure) is None:
        return Skipped(f"Answers of task {data.task} are not made of names that could be counted.")
    counts = _counts(data, "train")
    n = int(counts.sum())
    if len(data.labels) < 2 or not n:
        return Skipped("Shares need two classes and labelled train rows; add rows with split train.")
    limit = params.rare / len(data.labels)
    effective = (1 - params.beta**counts) / (1 - params.beta)
    findings, measures = [], {}
    for label, count, useful in zip(data.labels, counts.tolist(), effective.tolist(), strict=True):
        share, (low, high) = count / n, wilson(count, n)
        measures[f"share of {label}"] = Estimate(share, low, high, 0.95, n, n, "Wilson")
        if share < limit:
            evidence_text = f"{counted(count, 'row')}, effective number {useful:.0f}"
            reason, answered_by = f"{label!r} has {count} of {n} train rows, less than {limit:.2%}", "rebalance_weights"
            if structure is not None:  # rows cannot be weighed by one label each
                reason, answered_by = f"{label!r} is {count} of {n} names in train answers, less than {limit:.2%}", ""
            findings.append(Finding("", "train", 1 - share / limit, reason, evidence_text, repair=answered_by))
    numbers = ", ".join(f"{y} {useful:.0f}" for y, useful in zip(data.labels, effective, strict=True))
    n_rows = n if structure is None else len(data.rows("train"))
    return Looked(n_rows, tuple(findings), f"Effective rows: {numbers}.{_divergences(data, counts)}", measures)


def _structure(data: Dataset) -> Structure | None:
    found: Structure | None = get("veridical.tasks", "task", data.task).structure
    return found


def _measure(structure: Structure) -> Measure | None:
    """One that counts by name."""
    return next((measure for measure in structure.measures.values() if measure.by_name), None)


def _counts(data: Dataset, split: str) -> IntArray:
    """Rows of each label in a split, or how often each name stands in its answers, (C,)."""
    rows, structure = data.rows(split), _structure(data)
    if structure is None:
        codes = data.codes[rows]
        return np.bincount(codes[codes >= 0], minlength=len(data.labels))
    measure, given = _measure(structure), [str(data.answers[row]) for row in rows if data.answers[row] is not None]
    if measure is None or not given:
        return np.zeros(len(data.labels), np.int64)
    there = measure.margins(given, given, data.labels).true.sum(axis=0)[: len(data.labels)]
    return np.asarray(there.round(), np.int64)


def _divergences(data: Dataset, train: IntArray) -> str:
    """KL divergence of each other split's label shares from train's, in bits, with half a row added to each class."""
    said = ""
    p = (train + 0.5) / (train + 0.5).sum()
    for split in ("valid", "test"):
        counts = _counts(data, split)
        if counts.any():
            q = (counts + 0.5) / (counts + 0.5).sum()
            said += f" KL({split} from train) {float((q * np.log2(q / p)).sum()):.4f} bits."
    return said


def planted() -> Planted:
    plain = rows(400, seed=1)
    kept = [row for i, row in enumerate(plain) if row[3] == "neg" or i < 6]
    return Planted(dataset(kept), frozenset({""}), dataset(plain))


check = Check(run, Params(), planted)
