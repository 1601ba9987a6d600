"""The slope of a metric is what the plain formula gives, to the last digit, and what it is known to be."""

import numpy as np
import pytest

from veridical.tasks._class_metrics import Graded, Pooled, mean_credit
from veridical.tasks._confusion_metrics import METRICS, accuracy, balanced_accuracy, macro_f1, mean_f1, micro_f1
from veridical.tasks._totals import by_differences, gradient, value

ALL = METRICS | {"mean_f1": mean_f1, "micro_f1": micro_f1}


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


def drawn(n_classes, seed):
    """Totals of a made-up confusion matrix, (3C,)."""
    rng = np.random.default_rng(seed)
    matrix = rng.dirichlet(np.full(n_classes**2, 0.5)).reshape(n_classes, n_classes)
    return np.concatenate([matrix.diagonal() + 0.0, matrix.sum(axis=1), matrix.sum(axis=0)])


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("n_classes", [1, 2, 9, 77])
def test_the_slope_is_the_plain_formulas(name, n_classes):
    totals = drawn(n_classes, n_classes) * 0.9
    totals[:n_classes] *= 0.8
    before = totals.copy()
    plain = plainly(ALL[name], totals)
    assert gradient(ALL[name], totals) == pytest.approx(plain, abs=1e-6 * np.abs(plain).max())
    assert by_differences(ALL[name], totals).tolist() == plain.tolist()
    assert totals.tolist() == before.tolist()


@pytest.mark.parametrize("rule", sorted(ALL))
def test_the_slope_of_classes_taken_together_is_the_plain_formulas(rule):
    metric = Pooled(ALL[rule], np.array([[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]]))
    totals = drawn(5, 3)
    plain = plainly(metric, totals)
    assert gradient(metric, totals) == pytest.approx(plain, abs=1e-6 * np.abs(plain).max())
    assert np.abs(plain).max() > 0.1


@pytest.mark.parametrize("metric", [mean_f1, micro_f1])
@pytest.mark.parametrize("said", [0.0, 0.4])
def test_where_nothing_is_to_be_found_the_slope_is_that_of_differences(metric, said):
    """Test rows without a relation, of some of which the model says one."""
    pooled, totals = Pooled(metric, np.array([[1.0, 0.0]])), np.array([0.0, 0.6, 0.0, 1.0, said, 1.0 - said])
    for rule, given in ((metric, np.array([0.0, 0.0, said])), (pooled, totals)):
        assert gradient(rule, given) == pytest.approx(by_differences(rule, given), abs=1e-6)


def test_a_metric_without_a_closed_form_has_a_slope_by_differences():
    metric = Graded(mean_credit, np.eye(2))
    totals = np.array([0.4, 0.3, 0.5, 0.5, 0.6, 0.4])
    assert gradient(metric, totals).tolist() == plainly(metric, totals).tolist()


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_score_rises_above_one(name):
    """Of right answers only, or of more right answers than rows, as inverted noise leaves them."""
    totals = np.array([0.5, 0.6, 0.5, 0.5, 0.5, 0.5])
    assert gradient(ALL[name], totals).tolist() == plainly(ALL[name], totals).tolist()
    assert gradient(ALL[name], np.array([0.5] * 6)).tolist() == plainly(ALL[name], np.array([0.5] * 6)).tolist()


@pytest.mark.parametrize("name", sorted(ALL))
def test_inverted_noise_may_leave_totals_below_zero(name):
    totals = np.array([0.5, -0.01, 0.1, 0.9, -0.02, 0.2, 0.6, 0.3, 0.2])
    assert gradient(ALL[name], totals) == pytest.approx(plainly(ALL[name], totals), abs=1e-6)


def test_the_slope_of_accuracy_is_one_over_all_rows():
    assert gradient(accuracy, np.array([0.7, 0.8, 0.9])) == pytest.approx([1.25, -0.7 / 0.64, 0.0], abs=1e-8)


def test_a_class_that_never_occurs_does_not_count_in_macro_f1():
    right, true, predicted = np.array([3.0, 0.0, 1.0]), np.array([4.0, 0.0, 2.0]), np.array([4.0, 0.0, 2.0])
    assert macro_f1(right, true, predicted) == pytest.approx((0.75 + 0.5) / 2)


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy, mean_f1])
def test_a_class_of_which_weights_leave_a_trace_has_no_slope(metric):
    totals = np.array([0.3, 0.2, 1e-9, 0.6, 0.4, 1e-9, 0.5, 0.5, 1e-9])
    found, plain = gradient(metric, totals), plainly(metric, totals)
    assert found[[0, 1, 3, 4, 6, 7]] == pytest.approx(plain[[0, 1, 3, 4, 6, 7]])
    assert np.abs(found[[2, 5, 8]]).tolist() == [0.0, 0.0, 0.0]
    assert np.abs(plain[[2, 5, 8]]).max() > 1000


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy, mean_f1])
def test_a_class_that_is_not_there_has_no_slope(metric):
    """It would enter the mean at once: of 1 of 3 classes found, 1 of 4."""
    totals = np.array([0.3, 0.2, 0.0, 0.6, 0.4, 0.0, 0.5, 0.5, 0.0])
    plain = gradient(metric, totals[[0, 1, 3, 4, 6, 7]])
    found = gradient(metric, totals)
    assert found[[0, 1, 3, 4, 6, 7]] == pytest.approx(plain)
    assert found[[5, 8]].tolist() == [0.0, 0.0]
    assert np.abs(plainly(metric, totals)).max() > 1000  # what it was
