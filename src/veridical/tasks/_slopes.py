"""Derivatives of the metrics of `_confusion_metrics` with respect to their margins, in closed form."""

from collections.abc import Callable, Mapping

import numpy as np

from veridical.tasks._class_metrics import Pooled
from veridical.tasks._confusion_metrics import accuracy, balanced_accuracy, macro_f1, mcc, mean_f1, micro_f1, weighted_f1
from veridical.tasks._contract import FloatArray, Metric

Slope = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""(right, true, predicted), each (C,) and not below 0 -> (3, C)."""
TRACE = 1e-5
"""Share of the largest margin under which a class is one that would enter a mean over classes, which is a jump and no slope."""


def closed_form(metric: Metric) -> Slope | None:
    """The derivative of a metric, None where it is not known."""
    if not isinstance(metric, Pooled):
        return SLOPES.get(metric)
    rule, pools = SLOPES.get(metric.rule), metric.pools
    if rule is None:
        return None
    return lambda right, true, predicted: rule(pools @ right, pools @ true, pools @ predicted) @ pools


def _accuracy(right: FloatArray, true: FloatArray, _predicted: FloatArray) -> FloatArray:
    n, each = true.sum(), np.ones_like(true)
    return np.array([each / n, -right.sum() / n**2 * each, 0 * each])


def _micro_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    n, each = true.sum() + predicted.sum(), np.ones_like(true)
    if n <= 0:
        return np.zeros((3, len(true)))
    by_size = -2 * right.sum() / n**2 * each
    return np.array([2 / n * each, by_size, by_size])


def _of_mean(right: FloatArray, size: FloatArray, there: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Derivatives (by right, by size), each (C,), of the mean of right / size over the classes of which `there` holds some; 0
    where it holds none."""
    counts, plenty = there > 0, there > TRACE * there.max(initial=0.0)
    if not counts.any():
        return np.zeros_like(right), np.zeros_like(right)
    size = np.where(plenty, size, np.inf)
    return 1 / size / counts.sum(), -right / size**2 / counts.sum()


def _macro_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    by_right, by_size = _of_mean(2 * right, true + predicted, true + predicted)
    return np.array([2 * by_right, by_size, by_size])


def _mean_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    by_right, by_size = _of_mean(2 * right, true + predicted, true)
    return np.array([2 * by_right, by_size, by_size])


def _balanced_accuracy(right: FloatArray, true: FloatArray, _predicted: FloatArray) -> FloatArray:
    by_right, by_true = _of_mean(right, true, true)
    return np.array([by_right, by_true, 0 * by_true])


def _weighted_f1(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    n, total = true.sum(), true + predicted
    total = np.where(total > 0, total, np.inf)
    f1, by_size = 2 * right / total, -2 * right * true / total**2
    return np.array([2 * true / total / n, (by_size + f1 - f1 @ true / n) / n, by_size / n])


def _mcc(right: FloatArray, true: FloatArray, predicted: FloatArray) -> FloatArray:
    """0 where a margin is constant: the metric is none there."""
    n, found = true.sum(), right.sum()
    spread_true, spread_predicted = n**2 - true @ true, n**2 - predicted @ predicted
    if min(spread_true, spread_predicted) <= 0:
        return np.zeros((3, len(true)))
    above = found * n - true @ predicted
    by_true = found - predicted - above * ((n - true) / spread_true + n / spread_predicted)
    by_predicted = above * predicted / spread_predicted - true
    below = np.sqrt(spread_true * spread_predicted)
    return np.array([np.full_like(true, n) / below, by_true / below, by_predicted / below])


SLOPES: Mapping[Metric, Slope] = {
    accuracy: _accuracy,
    macro_f1: _macro_f1,
    mean_f1: _mean_f1,
    micro_f1: _micro_f1,
    weighted_f1: _weighted_f1,
    balanced_accuracy: _balanced_accuracy,
    mcc: _mcc,
}
