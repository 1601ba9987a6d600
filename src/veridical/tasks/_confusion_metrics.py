"""Metrics of a classifier as functions of its weighted confusion matrix (C, C): rows true, columns predicted.

Definitions as in scikit-learn 1.6 (zero where a denominator is zero), so that weights, bootstraps and the ledger's look-ups share
one form. A class that occurs neither as true nor as predicted does not count in an average over classes.
"""

import numpy as np

from veridical.tasks._contract import FloatArray


def accuracy(confusion: FloatArray) -> float:
    """Share of rows whose predicted label is the true one."""
    return float(np.trace(confusion) / confusion.sum())


def _f1_per_class(confusion: FloatArray) -> FloatArray:
    right, true, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    total = true + predicted
    return np.where(total > 0, 2 * right / np.where(total > 0, total, 1.0), 0.0)


def macro_f1(confusion: FloatArray) -> float:
    """Unweighted mean of the classes' F1."""
    present = (confusion.sum(axis=1) + confusion.sum(axis=0)) > 0
    return float(_f1_per_class(confusion)[present].mean())


def weighted_f1(confusion: FloatArray) -> float:
    """Mean of the classes' F1, weighted by their true frequency."""
    true = confusion.sum(axis=1)
    return float((_f1_per_class(confusion) * true).sum() / true.sum())


def balanced_accuracy(confusion: FloatArray) -> float:
    """Mean of the classes' recall, over classes that occur."""
    true = confusion.sum(axis=1)
    present = true > 0
    return float((np.diag(confusion)[present] / true[present]).mean())


def mcc(confusion: FloatArray) -> float:
    """Matthews correlation coefficient, multi-class form (Gorodkin 2004); 0 where a margin is constant."""
    share = confusion / confusion.sum()
    true, predicted = share.sum(axis=1), share.sum(axis=0)
    covariance = np.trace(share) - true @ predicted
    spread = (1 - true @ true) * (1 - predicted @ predicted)
    return float(covariance / np.sqrt(spread)) if spread > 0 else 0.0
