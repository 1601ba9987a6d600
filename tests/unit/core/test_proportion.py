"""What nothing seen in n units leaves possible: resamples of units that are all alike have no width, their interval has."""

import numpy as np
import pytest
from scipy.stats import binomtest

from veridical.core.proportion import effective_number, exact, none_seen, opened_difference, opened_share


@pytest.mark.parametrize("n", [1, 5, 30, 400])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_none_of_n_reaches_as_far_as_the_exact_interval(n, level):
    exact = binomtest(0, n).proportion_ci(level, method="exact")
    assert none_seen(n, level) == pytest.approx(exact.high)
    assert none_seen(n) == pytest.approx(1 - 0.025 ** (1 / n))
    assert opened_share((0.0, 0.0), 0.0, n=n, level=level) == pytest.approx((exact.low, exact.high))
    assert opened_share((1.0, 1.0), 1.0, n=n, level=level) == pytest.approx((1 - exact.high, 1.0))


def test_nothing_at_all_says_nothing():
    assert none_seen(0) == 1.0
    assert opened_share((0.0, 0.0), 0.0, n=0) == (0.0, 1.0)


def test_an_interval_that_has_a_width_stays_as_it_is():
    assert opened_share((0.9, 1.0), 1.0, n=30) == (0.9, 1.0)
    assert opened_share((0.5, 0.5), 0.5, n=30) == (0.5, 0.5)  # one answer to all: balanced accuracy is 1/2 whatever the rows
    assert opened_difference((-1.0, 2.0), 0.0, n=30) == (-1.0, 2.0)


def test_a_difference_of_none_and_a_correlation_of_one():
    assert opened_difference((0.0, 0.0), 0.0, n=100, unit=100.0) == pytest.approx((-100 * none_seen(100), 100 * none_seen(100)))
    assert opened_share((1.0, 1.0), 1.0, n=100, lowest=-1.0) == pytest.approx((1 - 2 * none_seen(100), 1.0))


def test_units_of_unequal_weight_are_worth_fewer():
    assert effective_number(np.ones(50)) == pytest.approx(50)
    assert effective_number(np.array([1.0, 1.0, 8.0])) == pytest.approx(100 / 66)
    assert effective_number(np.zeros(3)) == 0.0


@pytest.mark.parametrize(("k", "n"), [(0, 5), (3, 10), (10, 10)])
def test_the_exact_interval_is_that_of_the_binomial_test_and_takes_fractions(k, n):
    told = binomtest(k, n).proportion_ci(0.99, method="exact")
    assert exact(k, n, 0.99) == pytest.approx((told.low, told.high))
    assert exact(k, n, 0.95)[1] <= exact(min(k + 0.5, n), n, 0.95)[1] <= exact(min(k + 1, n), n, 0.95)[1]
