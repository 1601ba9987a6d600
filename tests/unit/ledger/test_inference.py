"""Intervals: textbook answers, and coverage where rows come in families."""

import numpy as np
import pytest
from scipy.stats import norm

from veridical.ledger.game import Value
from veridical.ledger.inference import Uncertainty, partially_identified, share_interval


def of(influence, *, cluster=None, slope=(0.0,), review=(0.0,)):
    influence = np.asarray(influence, float)
    cluster = np.arange(len(influence)) if cluster is None else np.asarray(cluster)
    return Value(0.5, influence, np.asarray(slope, float), np.asarray(review, float)), Uncertainty(cluster, np.zeros((1, 1)), 1)


def test_standard_error_of_a_mean():
    z = np.array([1.0, 0, 0, 1, 1, 1, 0, 1])
    value, uncertainty = of((z - z.mean()) / len(z))
    assert uncertainty.standard_error(value) == pytest.approx(z.std(ddof=1) / np.sqrt(len(z)))


def test_rows_of_a_cluster_are_summed_first():
    z = np.repeat([1.0, 0, 0, 1, 1], 4)
    value, uncertainty = of((z - z.mean()) / len(z), cluster=np.repeat(np.arange(5), 4))
    assert uncertainty.standard_error(value) == pytest.approx(np.array([1.0, 0, 0, 1, 1]).std(ddof=1) / np.sqrt(5))


def test_target_and_review_add_their_variance():
    value, _ = of([0.0, 0.0], slope=(2.0,), review=(0.03,))
    uncertainty = Uncertainty(np.arange(2), np.array([[0.01**2]]), 1)
    assert uncertainty.standard_error(value) == pytest.approx(np.sqrt(0.02**2 + 0.03**2))


def test_simultaneous_is_wider_than_pointwise():
    rng = np.random.default_rng(0)
    values = [of(rng.normal(size=400) / 400)[0] for _ in range(5)]
    uncertainty = Uncertainty(np.arange(400), np.zeros((1, 1)), 1)
    critical = uncertainty.simultaneous_critical(values, rng=rng)
    assert uncertainty.critical() < critical
    assert critical == pytest.approx(2.57, abs=0.15)  # the 5 % point of the largest of five independent |t|


def test_families_need_clusters():
    """i.i.d. intervals of rows in families of five cover far less than they claim; clustered ones do not."""
    rng = np.random.default_rng(1)
    hits = {"rows": 0, "clusters": 0}
    for _ in range(300):
        z = np.repeat(rng.random(60) < 0.7, 5).astype(float)
        for how, cluster in (("rows", np.arange(300)), ("clusters", np.repeat(np.arange(60), 5))):
            value, uncertainty = of((z - z.mean()) / len(z), cluster=cluster)
            half = uncertainty.critical() * uncertainty.standard_error(value)
            hits[how] += abs(z.mean() - 0.7) <= half
    assert hits["clusters"] / 300 >= 0.90
    assert hits["rows"] / 300 <= 0.75


@pytest.mark.parametrize(("value", "error"), [(0.5, 0.02), (0.97, 0.02), (0.03, 0.02), (1.0, 0.0), (0.0, 0.0), (0.999, 0.1)])
def test_share_intervals_hold_the_value_and_stay_inside(value, error):
    low, high = share_interval(value, error, critical=1.96, n=200)
    assert 0.0 <= low <= value <= high <= 1.0


def test_share_interval_in_the_middle_is_the_plain_one():
    low, high = share_interval(0.5, 0.01, critical=1.96, n=10_000)
    assert (low, high) == pytest.approx((0.5 - 0.0196, 0.5 + 0.0196), abs=2e-4)


@pytest.mark.parametrize(("truth", "n"), [(0.99, 300), (0.97, 200), (0.95, 100), (0.7, 200)])
def test_near_perfect_shares_are_covered_on_both_sides(truth, n):
    hit = np.random.default_rng(0).binomial(n, truth, 4000) / n
    ends = np.array([share_interval(at, float(np.sqrt(at * (1 - at) / n)), critical=1.96, n=n) for at in hit])
    assert np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])) >= 0.93
    assert max(np.mean(ends[:, 1] < truth), np.mean(ends[:, 0] > truth)) <= 0.045


def test_the_interval_of_even_votes_is_that_of_wilson():
    from statsmodels.stats.proportion import proportion_confint

    ends = share_interval(0.99, float(np.sqrt(0.99 * 0.01 / 300)), critical=float(norm.ppf(0.975)), n=300)
    assert ends == pytest.approx(proportion_confint(297, 300, method="wilson"), abs=1e-12)


def test_a_perfect_score_keeps_the_exact_bound():
    low, high = share_interval(1.0, 0.0, critical=1.96, n=100)
    assert high == 1.0
    assert low == pytest.approx(0.025 ** (1 / 100))


def test_imbens_manski_runs_from_two_sided_to_one_sided():
    assert partially_identified(0.8, 0.8, standard_error=0.01) == pytest.approx(1.96, abs=0.01)
    assert partially_identified(0.7, 0.9, standard_error=0.01) == pytest.approx(1.645, abs=0.01)
    assert partially_identified(0.7, 0.9, standard_error=0.0) == 0.0


def test_the_interval_of_a_correlation_covers_around_zero_and_below():
    from veridical.ledger.inference import score_interval
    from veridical.ledger.score_table import worst
    from veridical.tasks._confusion_metrics import METRICS

    assert [worst(METRICS[name], 2) for name in ("accuracy", "macro_f1", "balanced_accuracy", "mcc")] == [0.0, 0.0, 0.0, -1.0]
    for truth in (0.0, -0.3):
        rng = np.random.default_rng(1)
        covered = 0
        for _ in range(400):
            codes = rng.integers(2, size=500)
            predicted = np.where(rng.random(500) < (1 + truth) / 2, codes, 1 - codes)
            value = float(np.corrcoef(codes, predicted)[0, 1])
            low, high = score_interval(value, float(np.sqrt((1 - value**2) / 500)), worst=-1.0, critical=1.96, n=500)
            assert low < value < high
            covered += low <= truth <= high
        assert covered / 400 > 0.92
