"""Metrics that know their classes: which of them count together, and how much a wrong answer is still worth.

All are functions of the three margins of `_confusion_metrics`, each (C,). Where an answer may be partly right, `right` is no
longer the diagonal: it is what was earned, summed over the rows of each true class, so that it stays linear in a row's label.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import FloatArray, Margins, Metric

Classes = npt.NDArray[np.bool_]
"""Which classes are kept, (C,)."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """A metric of classes taken together. pools: (P, C), 1 where a class belongs to a pool; a class of no pool is what answers of
    the others are wrongly given for, and no answer itself."""

    rule: Metric
    pools: FloatArray

    def __call__(self, right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
        return self.rule(*(self.pools @ part for part in (right, true, predicted)))

    def among(self, classes: Classes) -> "Pooled":
        return Pooled(self.rule, self.pools[:, classes])


GradedRule = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], float]


@dataclass(frozen=True, eq=False)
class Graded:
    """A metric of answers that may be partly right. credit: (C, C), at most 1, what saying class j earns where class k is true;
    1 on its diagonal. rule: (right, true, predicted, credit) -> share."""

    rule: GradedRule
    credit: FloatArray

    def __call__(self, right: FloatArray, true: FloatArray, predicted: FloatArray) -> float:
        return self.rule(right, true, predicted, self.credit)

    def among(self, classes: Classes) -> "Graded":
        return Graded(self.rule, self.credit[np.ix_(classes, classes)])


def mean_credit(right: FloatArray, true: FloatArray, _predicted: FloatArray, _credit: FloatArray) -> float:
    """Mean of what rows earn: accuracy, with credit for what is nearly right."""
    return accuracy(right, true, true)


def collapses(metric: Metric) -> bool:
    """Whether a metric needs only sums over the classes."""
    return metric is accuracy or (isinstance(metric, Graded) and metric.rule is mean_credit)


def credit_of(metric: Metric) -> FloatArray | None:
    """(C, C), None where only the right class earns anything."""
    return metric.credit if isinstance(metric, Graded) else None


def among(metric: Metric, classes: Classes) -> Metric:
    """The metric of margins that hold only these of the classes."""
    return metric.among(classes) if isinstance(metric, Pooled | Graded) else metric


def earned(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], metric: Metric) -> FloatArray:
    """What each row earns, 1 for the right class, (n,)."""
    credit = credit_of(metric)
    return np.asarray(true == predicted, np.float64) if credit is None else credit[true, predicted]


def margins(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], *, n_classes: int, metric: Metric) -> Margins:
    """Margins of n rows, each (n, C)."""
    one_hot = np.eye(n_classes)
    return Margins(one_hot[true] * earned(true, predicted, metric)[:, None], one_hot[true], one_hot[predicted])


def scored(true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], *, n_classes: int, metric: Metric) -> float:
    """The metric of n rows, one vote each."""
    rows = margins(true, predicted, n_classes=n_classes, metric=metric)
    return metric(rows.right.sum(axis=0), rows.true.sum(axis=0), rows.predicted.sum(axis=0))
