"""Brier score and log loss taken apart: what miscalibration costs, what telling rows apart gains, what the class mix costs.

The parts are those of the CORP approach (Dimitriadis, Gneiting and Jordan 2021, arXiv:2008.03033): the probabilities are
recalibrated by isotonic regression, one class against the rest, and score = reliability - resolution + uncertainty holds exactly,
without bins. Reliability never is below 0 for the Brier score, and for the log loss of two classes; of more classes the
recalibrated probabilities are brought to sum 1 for the log loss, for which that is not certain.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray

SMALLEST = 1e-12
"""Probability below which the log loss is not told apart."""
Costs = Callable[[FloatArray], FloatArray]
"""Probabilities (n, C) -> what a row costs were its right label that class, (n, C)."""


@dataclass(frozen=True)
class Parts:
    """score = reliability - resolution + uncertainty."""

    score: float
    reliability: float
    resolution: float
    uncertainty: float


def brier_costs(probabilities: FloatArray) -> FloatArray:
    """Brier score of each row were its right label that class, (n, C)."""
    return np.asarray((probabilities**2).sum(axis=1, keepdims=True) - 2 * probabilities + 1)


def log_costs(probabilities: FloatArray) -> FloatArray:
    """Negative log likelihood of each class, nats, (n, C)."""
    return np.asarray(-np.log(np.maximum(probabilities, SMALLEST)))


def tied(probabilities: FloatArray) -> list[IntArray]:
    """Of each class, the rank of each row's probability, (n,); equal ones share a rank."""
    return [np.unique(column, return_inverse=True)[1] for column in probabilities.T]


def recalibrated(ranks: list[IntArray], labels: FloatArray, weights: FloatArray) -> FloatArray:
    """The share of each class as a rising function of its probability, fitted on these rows, (n, C).

    ranks: see `tied`. labels: distribution over the right label, (n, C). weights: (n,), above 0.
    """
    from sklearn.isotonic import isotonic_regression

    columns = []
    for rank, label in zip(ranks, labels.T, strict=True):
        mass = np.bincount(rank, weights)
        columns.append(isotonic_regression(np.bincount(rank, weights * label) / mass, sample_weight=mass)[rank])
    return np.stack(columns, axis=1)


def brier_parts(probabilities: FloatArray, made: FloatArray, labels: FloatArray, weights: FloatArray) -> Parts:
    """Of the Brier score. made: the probabilities recalibrated. Shapes: see `recalibrated`."""
    return _parts(brier_costs, probabilities, made, labels, weights)


def log_parts(probabilities: FloatArray, made: FloatArray, labels: FloatArray, weights: FloatArray) -> Parts:
    """Of the log loss, nats. made: the probabilities recalibrated. Shapes: see `recalibrated`."""
    return _parts(log_costs, probabilities, made / made.sum(axis=1, keepdims=True), labels, weights)


def _parts(costs: Costs, probabilities: FloatArray, made: FloatArray, labels: FloatArray, weights: FloatArray) -> Parts:
    share = weights / weights.sum()
    mix = (share @ labels)[None]
    score, calibrated, constant = (float(share @ (labels * costs(said)).sum(axis=1)) for said in (probabilities, made, mix))
    return Parts(score, score - calibrated, constant - calibrated, constant)
