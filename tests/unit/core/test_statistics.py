"""Known answers and outside oracles for the statistics every stage leans on."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from veridical.core.bootstrap import cluster_bootstrap_means, cluster_totals, percentile_interval
from veridical.core.multiplicity import benjamini_hochberg, holm
from veridical.core.paired_test import sign_flip_p, swap_p
from veridical.core.power import minimum_detectable_effect, paired_mde
from veridical.core.proportion import wilson


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (912, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_equals_statsmodels(k, n, level):
    assert wilson(k, n, level) == pytest.approx(proportion_confint(k, n, 1 - level, "wilson"), abs=1e-12)


def test_wilson_known_answer_and_edges():
    assert wilson(912, 1000) == pytest.approx((0.893, 0.928), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError):
        wilson(3, 2)


@pytest.mark.parametrize(("ours", "theirs"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_adjusted_p_values_equal_statsmodels(ours, theirs):
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 50):
        p = np.round(rng.random(size) ** 3, 2)  # rounding makes ties
        assert ours(p) == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-12)


def test_adjusted_p_values_of_nothing_and_of_nonsense():
    assert len(holm([])) == 0
    assert len(benjamini_hochberg([])) == 0
    with pytest.raises(ValueError):
        holm([0.5, float("nan")])


def test_paired_mde_known_answers():
    assert round(100 * paired_mde(400, 0.10), 1) == 4.4
    assert round(100 * paired_mde(800, 0.10), 1) == 3.1
    assert minimum_detectable_effect(1.0) == pytest.approx(2.8016, abs=1e-4)


def test_paired_mde_is_seen_four_times_in_five():
    n, discordance = 400, 0.10
    effect = paired_mde(n, discordance)
    rng = np.random.default_rng(1)
    up, down = (discordance + effect) / 2, (discordance - effect) / 2
    drawn = rng.multinomial(n, [up, down, 1 - up - down], size=20_000)
    gain, spread = (drawn[:, 0] - drawn[:, 1]) / n, (drawn[:, 0] + drawn[:, 1]) / n
    z = gain / np.sqrt((spread - gain**2) / n)
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.02)


def test_cluster_totals():
    assert cluster_totals(np.array([[1.0], [2.0], [4.0]]), np.array([7, 3, 7])).tolist() == [[2.0], [5.0]]


def test_bootstrap_of_singletons_has_the_spread_of_a_mean():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(400, 2))
    drawn = cluster_bootstrap_means(values, np.arange(400), 4000, rng)
    assert drawn.shape == (4000, 2)
    assert drawn.mean(0) == pytest.approx(values.mean(0), abs=0.005)
    assert drawn.std(0) == pytest.approx(values.std(0) / 20, rel=0.05)


def test_bootstrap_of_families_is_wider_and_covers():
    rng = np.random.default_rng(3)
    families = np.repeat(np.arange(60), 5)
    covered = 0
    for _ in range(200):
        values = np.repeat(rng.normal(size=60), 5)[:, None]
        drawn = cluster_bootstrap_means(values, families, 300, rng)[:, 0]
        low, high = percentile_interval(drawn, float(values.mean()))
        covered += low <= 0 <= high
    assert covered / 200 > 0.9  # rows resampled one by one would cover about 62 %
    row = cluster_bootstrap_means(values, np.arange(300), 300, rng)[:, 0]
    assert drawn.std() > 1.7 * row.std()


def test_bootstrap_weights_give_each_cluster_one_vote():
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    clusters = np.array([0, 0, 0, 1])
    drawn = cluster_bootstrap_means(values, clusters, 4000, np.random.default_rng(4), weights=np.array([1 / 3, 1 / 3, 1 / 3, 1]))
    assert set(np.round(drawn[:, 0], 9)) == {0.0, 0.5, 1.0}
    assert drawn.mean() == pytest.approx(0.5, abs=0.02)


def test_bootstrap_is_the_same_in_blocks(monkeypatch):
    values = np.random.default_rng(5).random((30, 3))
    whole = cluster_bootstrap_means(values, np.arange(30) // 2, 50, np.random.default_rng(6))
    monkeypatch.setattr("veridical.core.bootstrap.BLOCK_CELLS", 31)
    parts = cluster_bootstrap_means(values, np.arange(30) // 2, 50, np.random.default_rng(6))
    assert parts == pytest.approx(whole)


def test_sign_flip_is_exact_for_few_clusters():
    differences = np.array([1.0, 2.0, 0.5, -0.5, 3.0])
    clusters = np.array([0, 1, 2, 3, 4])
    flips = [sum(s * d for s, d in zip(signs, differences, strict=True)) for signs in product((-1, 1), repeat=5)]
    expected = np.mean([f >= 6 for f in flips])
    assert sign_flip_p(differences, clusters, np.random.default_rng(0)) == expected


def test_sign_flip_of_single_rows_is_the_sign_test():
    """With differences of -1 and 1 the sign-flip test is McNemar's exact test."""
    differences = np.array([1.0] * 30 + [-1.0] * 16 + [0.0] * 200)
    exact = stats.binomtest(30, 46, alternative="greater").pvalue
    ours = sign_flip_p(differences, np.arange(len(differences)), np.random.default_rng(0), replicates=40_000)
    assert ours == pytest.approx(exact, abs=0.004)
    both = sign_flip_p(differences, np.arange(len(differences)), np.random.default_rng(0), replicates=40_000, side="two-sided")
    assert both == pytest.approx(2 * exact, abs=0.006)


def test_sign_flip_equals_scipy_permutation_test():
    rng = np.random.default_rng(7)
    a, b = rng.normal(0.4, 1, 9), rng.normal(0, 1, 9)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", alternative="greater", n_resamples=np.inf
    ).pvalue
    assert sign_flip_p(a - b, np.arange(9), rng) == pytest.approx(theirs, abs=1e-12)


def test_sign_flip_does_not_count_copies_as_evidence():
    """Ten rows of one cluster are one coin, whatever the rows say."""
    assert sign_flip_p(np.ones(10), np.zeros(10, dtype=np.int64), np.random.default_rng(0)) == 0.5
    assert sign_flip_p(np.zeros(10), np.arange(10), np.random.default_rng(0)) == 1.0


def test_sign_flip_is_level_under_the_null():
    rng = np.random.default_rng(8)
    p = [sign_flip_p(np.repeat(rng.normal(size=30), 3), np.arange(90) // 3, rng, replicates=199) for _ in range(600)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert np.mean(np.array(p) <= 0.5) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("n", [9, 60])
def test_swapping_places_is_flipping_signs_where_the_metric_is_a_mean(n):
    rng = np.random.default_rng(10)
    a, b = rng.normal(0.2, 1, n), rng.normal(0, 1, n)
    swapped, worse = swap_p(a[:, None], b[:, None], lambda x, y: float(x[0] - y[0]), rng, replicates=4000)
    assert worse == pytest.approx(sign_flip_p(b - a, np.arange(n), rng), abs=1e-12 if n == 9 else 0.03)
    assert swapped == pytest.approx(sign_flip_p(a - b, np.arange(n), rng), abs=1e-12 if n == 9 else 0.03)


def test_swapping_equal_tables_says_nothing():
    table = np.random.default_rng(11).random((40, 3))
    assert swap_p(table, table, lambda x, y: float((x - y).sum()), np.random.default_rng(0)) == (1.0, 1.0)
