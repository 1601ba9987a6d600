"""Metrics against scikit-learn on random weighted confusion matrices, and by hand."""

import numpy as np
import pytest
from sklearn import metrics as oracle

from veridical.tasks.classification import task

ORACLES = {
    "accuracy": lambda t, p, w: oracle.accuracy_score(t, p, sample_weight=w),
    "macro_f1": lambda t, p, w: oracle.f1_score(t, p, average="macro", sample_weight=w, zero_division=0),
    "weighted_f1": lambda t, p, w: oracle.f1_score(t, p, average="weighted", sample_weight=w, zero_division=0),
    "balanced_accuracy": lambda t, p, w: oracle.recall_score(
        t, p, average="macro", labels=np.unique(t), sample_weight=w, zero_division=0
    ),
    "mcc": lambda t, p, w: oracle.matthews_corrcoef(t, p, sample_weight=w),
}


def on_confusion(metric):
    """The metric as a function of a confusion matrix, rows = true label."""
    return lambda confusion: metric(np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0))


@pytest.mark.parametrize("name", sorted(task.metrics))
def test_equal_to_scikit_learn_on_random_tables(name):
    rng = np.random.default_rng(7)
    for _ in range(200):
        c, n = int(rng.integers(2, 7)), int(rng.integers(2, 40))
        true, predicted, weight = rng.integers(c, size=n), rng.integers(c, size=n), rng.random(n) + 0.01
        confusion = np.zeros((c, c))
        np.add.at(confusion, (true, predicted), weight)
        assert on_confusion(task.metrics[name])(confusion) == pytest.approx(ORACLES[name](true, predicted, weight), abs=1e-12)


def test_by_hand():
    confusion = np.array([[6.0, 2.0], [1.0, 1.0]])
    said = {name: on_confusion(metric)(confusion) for name, metric in task.metrics.items()}
    assert said["accuracy"] == pytest.approx(0.7)
    assert said["balanced_accuracy"] == pytest.approx((0.75 + 0.5) / 2)
    assert said["macro_f1"] == pytest.approx((12 / 15 + 2 / 5) / 2)
    assert said["weighted_f1"] == pytest.approx((8 * 12 / 15 + 2 * 2 / 5) / 10)


def test_every_task_names_its_floors():
    assert task.declared in task.metrics
    assert task.floors
