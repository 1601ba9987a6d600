"""The slope of a metric is what the plain formula gives, to the last digit, and what it is known to be."""

import numpy as np
import pytest

from veridical.tasks._confusion_metrics import METRICS, accuracy, balanced_accuracy, macro_f1
from veridical.tasks._totals import gradient, value


def plainly(metric, totals):
    """Central differences, written out."""
    step = 1e-5 * max(float(np.abs(totals).max()), 1e-9)
    slope = np.zeros_like(totals)
    for position in range(len(totals)):
        nudge = np.zeros_like(totals)
        nudge[position] = step
        low, high = np.maximum(totals - nudge, 0.0), totals + nudge
        slope[position] = (value(metric, high) - value(metric, low)) / (high[position] - low[position])
    return slope


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("n_classes", [1, 2, 9])
def test_the_slope_is_the_plain_formulas(name, n_classes):
    rng = np.random.default_rng(n_classes)
    true, predicted = rng.dirichlet(np.ones(n_classes), size=2)
    totals = np.concatenate([np.minimum(true, predicted) * 0.8, true, predicted])
    before = totals.copy()
    assert gradient(METRICS[name], totals).tolist() == plainly(METRICS[name], totals).tolist()
    assert totals.tolist() == before.tolist()


def test_inverted_noise_may_leave_totals_below_zero():
    totals = np.array([0.5, -0.01, 0.9, -0.02, 0.6, 0.3])
    assert gradient(macro_f1, totals).tolist() == plainly(macro_f1, totals).tolist()


def test_the_slope_of_accuracy_is_one_over_all_rows():
    assert gradient(accuracy, np.array([0.7, 0.8, 0.9])) == pytest.approx([1.25, -0.7 / 0.64, 0.0], abs=1e-8)


def test_a_class_that_never_occurs_does_not_count_in_macro_f1():
    right, true, predicted = np.array([3.0, 0.0, 1.0]), np.array([4.0, 0.0, 2.0]), np.array([4.0, 0.0, 2.0])
    assert macro_f1(right, true, predicted) == pytest.approx((0.75 + 0.5) / 2)


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy])
def test_a_class_that_is_not_there_has_no_slope(metric):
    """It would enter the mean at once: of 1 of 3 classes found, 1 of 4."""
    totals = np.array([0.3, 0.2, 0.0, 0.6, 0.4, 0.0, 0.5, 0.5, 0.0])
    plain = gradient(metric, totals[[0, 1, 3, 4, 6, 7]])
    found = gradient(metric, totals)
    assert found[[0, 1, 3, 4, 6, 7]] == pytest.approx(plain)
    assert found[[5, 8]].tolist() == [0.0, 0.0]
    assert np.abs(plainly(metric, totals)).max() > 1000  # what it was
