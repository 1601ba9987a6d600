"""Means, ratios and their differences over clusters against simulation and hand-computed answers."""

import numpy as np
import pytest

from veridical.core.power import minimum_detectable_effect
from veridical.probe import _clustered
from veridical.probe._clustered import Spread


def test_a_mean_over_single_rows_is_the_textbook_one():
    values = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
    found = _clustered.mean(values, np.arange(6))
    assert found.value == pytest.approx(4 / 6)
    assert found.error == pytest.approx(values.std(ddof=1) / np.sqrt(6))


def test_every_cluster_has_one_vote():
    found = _clustered.mean(np.array([1.0, 1.0, 1.0, 0.0]), np.array([7, 7, 7, 2]))
    assert found.value == pytest.approx(0.5)
    assert found.n_clusters == 2


def test_intervals_of_a_ratio_difference_cover_the_truth():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(300):
        clusters = np.repeat(np.arange(60), 2)
        shared = np.repeat(rng.normal(0, 1, 60), 2)
        below = (rng.random((2, 120)) < 0.6).astype(float)
        first = below[0] * (rng.random(120) < 1 / (1 + np.exp(-shared)))
        second = below[1] * (rng.random(120) < 1 / (1 + np.exp(-shared)))
        e = _clustered.ratio_difference((first, below[0]), (second, below[1]), clusters).estimate(level=0.95)
        covered += e.low <= 0 <= e.high
    assert 0.91 <= covered / 300 <= 0.985


def test_a_difference_without_spread_still_says_what_could_be_seen():
    rng = np.random.default_rng(0)
    still = _clustered.paired_measure("x", np.zeros(50), np.arange(50), rng, unit="points", about="")
    assert (still.estimate.value, still.p) == (0.0, 1.0)
    assert still.mde is not None
    assert still.mde > 100 / 50
    moved = _clustered.paired_measure("x", np.ones(50), np.arange(50), rng, unit="points", about="")
    assert moved.estimate.value == pytest.approx(100.0)
    assert moved.p is not None
    assert moved.p < 0.001


@pytest.mark.parametrize("n", [5, 60, 600])
def test_a_share_of_none_or_all_has_an_interval(n):
    reach = 1 - 0.025 ** (1 / n)
    for value in (0.0, 1.0):
        spread = _clustered.mean(np.full(n, value), np.arange(n))
        for estimate in (
            _clustered.measure("share", spread, unit="share", about="A share.", bounded=True).estimate,
            spread.estimate(level=0.95, bounded=True),
        ):
            assert estimate.value == value
            assert estimate.width == pytest.approx(reach)
            assert 0.0 <= estimate.low <= estimate.high <= 1.0
    none = _clustered.measure("lost", _clustered.mean(np.zeros(n), np.arange(n)), unit="points", about="Points.", null=0.0)
    assert (none.estimate.low, none.estimate.high) == pytest.approx((-100 * reach, 100 * reach))
    assert none.p == 1.0


def test_rows_of_one_cluster_that_are_all_right_are_one_unit():
    found = _clustered.mean(np.ones(60), np.repeat(np.arange(6), 10)).estimate(level=0.95, bounded=True)
    assert found.low == pytest.approx(0.025 ** (1 / 6))


def test_all_alike_is_as_unlikely_as_the_binomial_says():
    assert _clustered.mean(np.ones(4), np.arange(4)).p(0.5) == pytest.approx(2 * 0.5**4)
    assert _clustered.mean(np.ones(40), np.arange(40)).p(0.5) < 1e-9
    assert _clustered.mean(np.zeros(20), np.arange(20)).p(0.05) == pytest.approx(2 * 0.95**20)


@pytest.mark.parametrize("discordant", [0.0, 0.05])
def test_an_effect_of_the_smallest_visible_size_is_seen_in_about_four_of_five_draws(discordant):
    """Of 200 rows a share changes both ways as it is, and a share of the size in question one way. Where nothing changed, 1.4
    points were said to be visible: under three rows, which no test sees."""
    k, rng = 200, np.random.default_rng(0)
    size = Spread(0.0, float(np.sqrt(discordant / k)), k, k).mde(level=0.95)
    chances = [discordant / 2, discordant / 2 + size, 1 - discordant - size]
    seen = 0
    for _ in range(400):
        changed = rng.choice([-1.0, 1.0, 0.0], size=k, p=chances)
        found = _clustered.paired_measure("x", changed, np.arange(k), rng, unit="points", about="")
        seen += found.p < 0.05 and found.estimate.low > 0
    assert 0.7 < seen / 400 < 0.9
    z = minimum_detectable_effect(1.0)
    assert size >= z * z / (k + z * z) - 1e-12
