"""Classes too rare in the training rows to be learned, and label shares that differ between splits.

What it measures: the share of every class in train, the effective number of its rows, and the divergence of label shares of the
other splits from train.
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
from veridical.core.proportion import wilson
from veridical.dataset.rows import Dataset


@dataclass(frozen=True)
class Params:
    """When a class is called rare."""

    rare: float = 0.1
    """A class is rare below this share of an equal share 1 / C. Unitless, 0..1. cleanlab's default."""
    beta: float = 0.999
    """Overlap of rows in the effective number (1 - beta^n) / (1 - beta). Unitless, 0..1. Cui et al. 2019."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    train = data.rows("train")
    train = train[data.codes[train] >= 0]
    if len(data.labels) < 2 or not len(train):
        return Skipped("Shares need two classes and labelled train rows; add rows with split train.")
    counts = np.bincount(data.codes[train], minlength=len(data.labels))
    limit = params.rare / len(data.labels)
    effective = (1 - params.beta**counts) / (1 - params.beta)
    findings, measures = [], {}
    for label, count, useful in zip(data.labels, counts.tolist(), effective.tolist(), strict=True):
        share, (low, high) = count / len(train), wilson(count, len(train))
        measures[f"share of {label}"] = Estimate(share, low, high, 0.95, len(train), len(train), "Wilson")
        if share < limit:
            reason = f"{label!r} has {count} of {len(train)} train rows, less than {limit:.2%}"
            evidence_text = f"{counted(count, 'row')}, effective number {useful:.0f}"
            findings.append(Finding("", "train", 1 - share / limit, reason, evidence_text, repair="rebalance_weights"))
    numbers = ", ".join(f"{y} {n:.0f}" for y, n in zip(data.labels, effective, strict=True))
    return Looked(len(train), tuple(findings), f"Effective rows: {numbers}.{_divergences(data, counts)}", measures)


def _divergences(data: Dataset, train: np.ndarray) -> str:  # type: ignore[type-arg]
    """KL divergence of each other split's label shares from train's, in bits, with half a row added to each class."""
    said = ""
    p = (train + 0.5) / (train + 0.5).sum()
    for split in ("valid", "test"):
        codes = data.codes[data.rows(split)]
        if (codes >= 0).any():
            counts = np.bincount(codes[codes >= 0], minlength=len(train)) + 0.5
            q = counts / counts.sum()
            said += f" KL({split} from train) {float((q * np.log2(q / p)).sum()):.4f} bits."
    return said


def planted() -> Planted:
    plain = rows(400, seed=1)
    kept = [row for i, row in enumerate(plain) if row[3] == "neg" or i < 6]
    return Planted(dataset(kept), frozenset({""}), dataset(plain))


check = Check(run, Params(), planted, one_label=True)
