"""Each test row as sufficient statistics of the metric, so that every coalition of the game is a look-up.

A row contributes three vectors over the classes: right (diagonal of the confusion matrix), true (its row sum) and predicted (its
column sum). They are linear in a row's label distribution and in the mixture of its predictions, so a modelled label or a
transplanted cue only changes the statistics, never the formula. For accuracy the classes collapse into one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veridical.models.model import FloatArray
from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import Metric

Predictions = tuple[tuple[npt.NDArray[np.int64], float], ...]
"""Predicted codes (n,) with their share in the mixture; shares sum to 1. One entry: the model on the rows as given."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """right, true, predicted: each (n, W), W = number of classes, or 1 when the metric is accuracy."""

    right: FloatArray
    true: FloatArray
    predicted: FloatArray

    def stacked(self) -> FloatArray:
        """(n, 3W)."""
        return np.concatenate([self.right, self.true, self.predicted], axis=1)

    @property
    def correctness(self) -> FloatArray:
        """Expected share of right answers of each row, (n,)."""
        return np.asarray(self.right.sum(axis=1))


def statistics(labels: FloatArray, predictions: Predictions, *, collapse: bool) -> Statistics:
    """labels: distribution over the true label, (n, C), rows sum to 1 (entries may be negative after noise inversion)."""
    n, n_classes = labels.shape
    right, predicted = np.zeros((n, n_classes)), np.zeros((n, n_classes))
    rows = np.arange(n)
    for codes, share in predictions:
        np.add.at(right, (rows, codes), share * labels[rows, codes])
        np.add.at(predicted, (rows, codes), share)
    return _collapsed(right, labels, predicted) if collapse else Statistics(right, labels, predicted)


def imputed(labels: FloatArray, correctness: FloatArray, elsewhere: FloatArray, *, collapse: bool) -> Statistics:
    """Statistics of rows that the model would get right with probability `correctness` (n,), were they fresh.

    elsewhere: where wrong answers go, (n, C), e.g. the fold model's probabilities; the true label's part is taken out.
    """
    wrong = np.clip(elsewhere * (1 - np.clip(labels, 0, 1)), 1e-12, None)
    wrong = wrong / wrong.sum(axis=1, keepdims=True)
    right = labels * correctness[:, None]
    predicted = right + (1 - correctness)[:, None] * wrong
    return _collapsed(right, labels, predicted) if collapse else Statistics(right, labels, predicted)


def _collapsed(right: FloatArray, true: FloatArray, predicted: FloatArray) -> Statistics:
    return Statistics(*(part.sum(axis=1, keepdims=True) for part in (right, true, predicted)))


def collapses(metric: Metric) -> bool:
    """Accuracy needs only sums over the classes."""
    return metric is accuracy


def worst(metric: Metric, n_classes: int) -> float:
    """What a metric gives where nothing is right and classes are even: 0, or below it for a correlation."""
    even = np.full(n_classes, 1.0 / n_classes)
    return float(min(metric(np.zeros(n_classes), even, even), 0.0))
