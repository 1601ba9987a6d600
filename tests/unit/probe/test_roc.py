"""Area and the share reached at a small false alarm rate, against hand counts, scipy and simulation."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from veridical.probe import _roc


def test_area_counts_pairs_with_ties_half():
    high, low = np.array([0.9, 0.8, 0.5]), np.array([0.5, 0.6])
    pairs = [(h > x) + 0.5 * (h == x) for h in high for x in low]
    assert _roc.area(high, low).value == pytest.approx(np.mean(pairs))


def test_area_equals_scipy_and_its_interval_covers():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        high, low = rng.normal(0.5, 1, 80).round(1), rng.normal(0, 1, 60).round(1)
        spread = _roc.area(high, low)
        assert spread.value == pytest.approx(mannwhitneyu(high, low).statistic / (80 * 60))
        e = spread.estimate(level=0.95)
        covered += e.low <= 0.6382 <= e.high
    assert covered >= 183


def test_reached_never_exceeds_the_rate_on_the_low_side():
    high, low = np.array([5.0, 3.0, 1.0]), np.arange(100.0) / 25
    assert _roc.reached(high, low, rate=0.01) == pytest.approx(1 / 3)
    assert _roc.reached(low, low, rate=0.01) <= 0.01
    assert _roc.reached(np.ones(10), np.ones(10), rate=0.5) == 0.0


def test_dealt_at_random_the_share_is_just_under_the_rate():
    rng = np.random.default_rng(0)
    drawn = _roc.permuted_reached(rng.normal(size=400), rng.normal(size=400), rng, rate=0.01, replicates=400)
    assert drawn.mean() == pytest.approx(0.01, abs=0.002)
