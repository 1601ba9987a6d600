"""Ordinal scores against scikit-learn and hand formulas; soft labels on a toy of what they are for."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from veridical.core.errors import InputError
from veridical.dataset.label_names import graded
from veridical.tasks._class_metrics import among, collapses, credit_of, earned, scored
from veridical.tasks.ordinal import soft_labels, task


def names(c):
    return tuple(str(k) for k in range(c))


@pytest.mark.parametrize("seed", range(25))
def test_scores_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    c, n = int(rng.integers(2, 8)), int(rng.integers(12, 80))
    true = rng.integers(c, size=n)
    said = np.clip(true + rng.integers(-2, 3, size=n), 0, c - 1)
    error = np.abs(true - said)

    def score(name):
        return scored(true, said, n_classes=c, metric=task.metric(name, names(c)))

    kappa = cohen_kappa_score(true, said, labels=range(c), weights="quadratic")
    assert score("quadratic_kappa") == pytest.approx(kappa, abs=1e-12)
    assert score("closeness") == pytest.approx(1 - mean_absolute_error(true, said) / (c - 1), abs=1e-12)
    macro = np.mean([error[true == k].mean() for k in np.unique(true)])
    assert score("macro_closeness") == pytest.approx(1 - macro / (c - 1), abs=1e-12)
    assert score("within_one") == pytest.approx((error <= 1).mean(), abs=1e-12)
    assert score("accuracy") == pytest.approx((error == 0).mean(), abs=1e-12)


def test_kappa_by_hand():
    # Three grades, answers off by one in one of four rows: agreement 1 - (1/4)(1/4); expected 1 - mean squared distance / 4.
    true, said = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1])
    squares = np.array([[(t - s) ** 2 for s in said] for t in true])
    expected = 1 - squares.mean() / 4
    assert scored(true, said, n_classes=3, metric=task.metric("quadratic_kappa", names(3))) == pytest.approx(
        (1 - 1 / 16 - expected) / (1 - expected)
    )


def test_one_grade_said_of_all_has_no_kappa():
    true, said = np.array([0, 1, 2, 2]), np.array([1, 1, 1, 1])
    assert scored(true, said, n_classes=3, metric=task.metric("quadratic_kappa", names(3))) == pytest.approx(0.0)
    assert scored(said, said, n_classes=3, metric=task.metric("quadratic_kappa", names(3))) == 0.0


def test_what_rows_earn():
    kappa, near = task.metric("quadratic_kappa", names(5)), task.metric("closeness", names(5))
    assert earned(np.array([0, 0, 0]), np.array([0, 2, 4]), kappa).tolist() == [1.0, 0.75, 0.0]
    assert earned(np.array([0, 0, 0]), np.array([0, 2, 4]), near).tolist() == [1.0, 0.5, 0.0]
    assert credit_of(task.metric("accuracy", names(5))) is None
    assert collapses(near)
    assert collapses(task.metric("within_one", names(5)))
    assert not collapses(kappa)
    assert not collapses(task.metric("macro_closeness", names(5)))


def test_grades_that_do_not_occur_may_be_left_out():
    rng = np.random.default_rng(0)
    true, said = rng.choice([0, 2, 3], 40), rng.choice([0, 2, 3], 40)
    kept = np.isin(np.arange(5), [0, 2, 3])
    for name in ("quadratic_kappa", "macro_closeness", "closeness"):
        metric = task.metric(name, names(5))
        part = np.searchsorted([0, 2, 3], true), np.searchsorted([0, 2, 3], said)
        assert scored(*part, n_classes=3, metric=among(metric, kept)) == pytest.approx(
            scored(true, said, n_classes=5, metric=metric), abs=1e-12
        )


def test_grades_are_numbers_or_declared():
    assert graded(("-1", "0", "0.5", "10"), ()) == ("-1", "0", "0.5", "10")
    assert graded(("bad", "fair", "good"), ("bad", "fair", "good")) == ("bad", "fair", "good")
    assert graded(("a", "b"), ("b", "a")) == ("b", "a")
    with pytest.raises(InputError, match=r"'bad', 'good'\) are no numbers.*--order bad,good"):
        graded(("bad", "good"), ())
    with pytest.raises(InputError, match="also hold 'good'"):
        graded(("bad", "fair", "good"), ("bad", "fair"))
    with pytest.raises(InputError, match="no training row holds 'best'"):
        graded(("bad", "good"), ("bad", "good", "best"))
    with pytest.raises(InputError, match="names 'bad' twice"):
        graded(("bad", "good"), ("bad", "good", "bad"))


def test_soft_labels_fall_with_the_distance():
    soft = soft_labels(5)
    assert np.allclose(soft.sum(axis=1), 1.0)
    assert (soft.argmax(axis=1) == np.arange(5)).all()
    assert (np.diff(soft[0]) < 0).all()
    assert np.allclose(soft, soft[::-1, ::-1])
