"""Rows of rare classes count more, by how much each further row of a class is thought to add.

What it measures: rows of each class; a row weighs as 1 / (1 - overlap ** rows of its class).
Why it inflates a score: accuracy rewards a model that ignores rare classes, and unweighted training makes one.
How it errs: rare rows with wrong labels count more too, and probabilities no longer follow the class frequencies.
Source: Cui et al. 2019, arXiv:1901.05555.
"""

from dataclasses import dataclass, field

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import missed_rare, rare_class


@dataclass(frozen=True)
class Params:
    """Settings of class_balanced."""

    overlap: float = field(default=0.999, metadata=between(0, 1 - 1e-9))
    """Chance that a further row adds nothing new, 0..1 without 1; 0 leaves all rows alike (off), near 1 is weighting by inverse
    frequency. Cui et al. 2019 use 0.9 to 0.9999."""


def row_weights(codes: IntArray, n_classes: int, params: Params) -> FloatArray:
    """Weights (N,), mean 1."""
    counts = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    weights = (1 / (1 - float(params.overlap) ** counts))[codes]
    return np.asarray(weights * (len(codes) / weights.sum()))


def toy() -> Toy:
    """One row in eight is rare, and its word also stands in a third of the others."""
    return Toy(rare_class(), missed_rare)


countermeasure = Countermeasure(
    params=Params(), answers=("imbalance",), off=Params(overlap=0.0), toy=toy, row_weights=row_weights
)
