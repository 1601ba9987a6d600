"""Metrics of a classifier as functions of three margins of its weighted confusion matrix, each of shape (C,).

right: the diagonal; true: row sums; predicted: column sums. Definitions as in scikit-learn 1.6 (zero where a denominator is
zero). A class that occurs neither as true nor as predicted does not count in an average over classes.
"""

from collections.abc import Mapping

import numpy as np

from veridical.tasks._contract import FloatArray, Metric


def accuracy(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Share of rows whose predicted label is the true one."""
    return float(right.sum() / true.sum())


def _f1_per_class(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    total = true + predicted
    return np.where(total > 0, 2 * right / np.where(total > 0, total, 1.0), 0.0)


def macro_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Unweighted mean of the classes' F1."""
    total = true + predicted
    present = total > 0
    return float((2 * right[present] / total[present]).mean())


def mean_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Unweighted mean of the F1 of classes that the true labels hold, as scorers of shared tasks have it."""
    there = true > 0
    if not there.any():
        return 0.0
    return float((2 * right[there] / (true[there] + predicted[there])).mean())


def micro_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """F1 of all names pooled: 2 right / (to be found + said)."""
    total = float(true.sum() + predicted.sum())
    return float(2 * right.sum()) / total if total > 0 else 0.0


def weighted_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Mean of the classes' F1, weighted by their true frequency."""
    return float((_f1_per_class(right, true, predicted) * true).sum() / true.sum())


def balanced_accuracy(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Mean of the classes' recall, over classes that occur."""
    present = true > 0
    return float((right[present] / true[present]).mean())


def mcc(right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
    """Matthews correlation coefficient, multi-class form (Gorodkin 2004); 0 where a margin is constant."""
    total = true.sum()
    t, p = true / total, predicted / total
    spread = (1 - t @ t) * (1 - p @ p)
    return float((right.sum() / total - t @ p) / np.sqrt(spread)) if spread > 0 else 0.0


METRICS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
    "balanced_accuracy": balanced_accuracy,
    "mcc": mcc,
}
"""By the name that --metric takes."""
