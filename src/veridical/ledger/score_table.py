"""Each test row as sufficient statistics of the metric, so that every coalition of the game is a look-up.

A row contributes three vectors over the classes: right (diagonal of the confusion matrix, or what its answer earns where a metric
gives credit for nearly right ones), true (its row sum) and predicted (its column sum). They are linear in a row's label
distribution and in the mixture of its predictions, so a modelled label or a transplanted cue only changes the statistics, never
the formula. For accuracy, and for any mean over rows, the classes collapse into one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veridical.models.model import FloatArray
from veridical.tasks._class_metrics import collapses, credit_of
from veridical.tasks._contract import Metric

Predictions = tuple[tuple[npt.NDArray[np.int64], float], ...]
"""Predicted codes (n,) with their share in the mixture; shares sum to 1. One entry: the model on the rows as given."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """right, true, predicted: each (n, W), W = number of classes, or 1 when the metric is a mean over rows."""

    right: FloatArray
    true: FloatArray
    predicted: FloatArray

    def stacked(self) -> FloatArray:
        """(n, 3W)."""
        return np.concatenate([self.right, self.true, self.predicted], axis=1)

    @property
    def correctness(self) -> FloatArray:
        """Expected share of right answers of each row, or what it is expected to earn, (n,)."""
        return np.asarray(self.right.sum(axis=1))


def statistics(labels: FloatArray, predictions: Predictions, *, metric: Metric) -> Statistics:
    """labels: distribution over the true label, (n, C), rows sum to 1 (entries may be negative after noise inversion)."""
    n, n_classes = labels.shape
    right, predicted = np.zeros((n, n_classes)), np.zeros((n, n_classes))
    rows, credit = np.arange(n), credit_of(metric)
    for codes, share in predictions:
        if credit is None:
            np.add.at(right, (rows, codes), share * labels[rows, codes])
        else:
            right += share * labels * credit[:, codes].T
        np.add.at(predicted, (rows, codes), share)
    return _collapsed(right, labels, predicted) if collapses(metric) else Statistics(right, labels, predicted)


def imputed(labels: FloatArray, correctness: FloatArray, elsewhere: FloatArray, *, metric: Metric) -> Statistics:
    """Statistics of rows that the model would get right with probability `correctness` (n,), were they fresh.

    elsewhere: where wrong answers go, (n, C), e.g. the fold model's probabilities; the true label's part is taken out. With
    credit for nearly right answers, `correctness` is what a row earns, which says little of where its answer lies: then all
    answers go `elsewhere`.
    """
    right = labels * correctness[:, None]
    if credit_of(metric) is not None:
        predicted = elsewhere
    else:
        wrong = np.clip(elsewhere * (1 - np.clip(labels, 0, 1)), 1e-12, None)
        wrong = wrong / wrong.sum(axis=1, keepdims=True)
        predicted = right + (1 - correctness)[:, None] * wrong
    return _collapsed(right, labels, predicted) if collapses(metric) else Statistics(right, labels, predicted)


def answered_like(given: FloatArray, said: FloatArray, labels: FloatArray) -> FloatArray:
    """What a model is expected to say of rows with these label distributions (m, C), as it said `said` (n, C) of fresh rows
    labelled `given` (n, C): by label, each pulled towards the answers to all by one row. (m, C)"""
    overall = said.mean(axis=0)
    table = np.clip(given, 0, None).T @ said + overall
    return np.asarray(labels @ (table / table.sum(axis=1, keepdims=True)))


def _collapsed(right: FloatArray, true: FloatArray, predicted: FloatArray) -> Statistics:
    return Statistics(*(part.sum(axis=1, keepdims=True) for part in (right, true, predicted)))


def worst(metric: Metric, n_classes: int) -> float:
    """What a metric gives where nothing is right and classes are even: 0, or below it, at least -1, for a correlation."""
    even = np.full(n_classes, 1.0 / n_classes)
    return float(np.clip(metric(np.zeros(n_classes), even, even), -1.0, 0.0))
