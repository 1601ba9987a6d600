"""Intervals of reweighted means: as wide as the means truly scatter, also where a small cell counts for much."""

import numpy as np
import pytest

from veridical.ledger.bookkeeping import Books
from veridical.ledger.game import Share, Value, combine
from veridical.ledger.inference import Uncertainty
from veridical.ledger.reweighting import Margin, _two_of_skewness, group_margin, independent_margin, raked, residuals
from veridical.ledger.wording import Said

ACCURACY = np.array([1.6, 0.6, -0.1])


def drawn(rng, *, n=1200, more=3000):
    """(group, cue, label, basis, projection, start, score, covariance): n test rows, calibrated to themselves and `more`."""
    group = rng.choice(3, size=n, p=[0.85, 0.12, 0.03])
    basis = np.column_stack([np.ones(n), rng.normal(size=(n, 4))])
    others = np.column_stack([np.ones(more), rng.normal(size=(more, 4))])
    whole = np.concatenate([basis, others])
    projection = basis @ np.linalg.inv(basis.T @ basis)
    label = (rng.random(n) < 0.4).astype(np.int64)
    cue = (rng.random(n) < np.where(label == 1, 0.9, 0.1)).astype(np.int64)
    chance = 1 / (1 + np.exp(-(ACCURACY[group] + basis[:, 1] + np.where(cue == label, 0.8, -0.8))))
    score = (rng.random(n) < chance).astype(float)
    return group, cue, label, basis, projection, projection @ whole.mean(axis=0), score, np.cov(whole.T) / len(whole)


def scatter(margins_of, *, draws=500):
    """(standard deviation of the raked mean over draws, root of the mean of what the influences say its variance is)."""
    rng, means, variances = np.random.default_rng(7), [], []
    for _ in range(draws):
        group, cue, label, basis, projection, start, score, covariance = drawn(rng)
        margins = margins_of(group, cue, label, start)
        weights = raked(start, margins)
        influence, slope, cells = residuals(
            score, weights, start, basis=basis, projection=projection, margins=margins, shifted=False
        )
        means.append(weights @ score)
        variances.append(influence @ influence + slope @ covariance @ slope + cells @ cells)
    return float(np.std(means)), float(np.sqrt(np.mean(variances)))


@pytest.mark.parametrize(
    "margins_of",
    [
        lambda _group, _cue, _label, _start: [],
        lambda group, _cue, _label, _start: [group_margin(group, [0.2, 0.4, 0.4])],
        lambda _group, cue, label, start: [independent_margin(cue, label, start, n_classes=2, rate=None)],
        lambda _group, cue, label, start: [independent_margin(cue, label, start, n_classes=2, rate=0.2)],
        lambda group, cue, label, start: [
            independent_margin(cue, label, start, n_classes=2, rate=None), group_margin(group, [0.5, 0.3, 0.2])
        ],
        lambda _group, cue, label, start: [
            independent_margin(cue, 10 * label + np.arange(len(label)) % 10, start, n_classes=20, rate=None)
        ],
    ],
    ids=["as they are", "three rows in a hundred count for forty", "cue as often as it is", "cue at a rate", "both", "20 labels"],
)  # fmt: skip
def test_a_reweighted_mean_scatters_as_its_influences_say(margins_of):
    """The standard deviation of 500 draws is known to 3 %; what is said of it is 0.94 to 1.01 of that. Fitted with the columns of
    the calibration it was 0.85 to 0.88 for small groups."""
    scattered, said = scatter(margins_of)
    assert 0.92 * scattered < said < 1.08 * scattered


def test_a_group_of_few_that_are_all_right_is_not_certain():
    """Five of five right, at two fifths of the weight: as much doubt as four more rows as varied as the whole would leave."""
    rng, n = np.random.default_rng(0), 405
    score = np.concatenate([(rng.random(400) < 0.8).astype(float), np.ones(5)])
    group = np.concatenate([np.zeros(400, np.int64), np.ones(5, np.int64)])
    basis = np.ones((n, 1))
    projection, start, margins = basis / n, np.full(n, 1 / n), [group_margin(group, [0.6, 0.4])]
    influence, _, cells = residuals(
        score, raked(start, margins), start, basis=basis, projection=projection, margins=margins, shifted=False
    )
    few = np.concatenate([influence[400:], cells])
    assert 0.04 < float(np.sqrt(few @ few)) < 0.4 * np.sqrt(0.25 / 5)
    assert (few**3).sum() < -0.5 * (few @ few) ** 1.5  # a row more can hardly be better


@pytest.mark.parametrize(
    ("sizes", "accuracies", "shares"),
    [
        ((680, 96, 24), (0.92, 0.85, 0.78), (0.2, 0.4, 0.4)),
        ((680, 105, 15), (0.9, 0.8, 0.6), (0.2, 0.4, 0.4)),
        ((700, 95, 5), (0.92, 0.85, 0.78), (0.2, 0.4, 0.4)),
        ((700, 80, 20), (0.97, 0.95, 0.97), (0.2, 0.4, 0.4)),
        ((400, 400), (0.9, 0.8), (0.5, 0.5)),
        ((10,) * 20, (0.9,) * 20, (0.05,) * 20),
    ],
    ids=["a few", "fifteen", "five", "hardly any wrong", "halves", "twenty of ten"],
)
def test_scores_of_small_groups_are_covered(sizes, accuracies, shares):
    """In 0.92 to 0.99 of 1,500 draws. Symmetric around the point, the component's interval held the truth in 0.85 where five rows
    count for much, and in 0.88 where hardly any is wrong."""
    rng, group = np.random.default_rng(5), np.repeat(np.arange(len(sizes)), sizes)
    n, truth, held = len(group), float(np.dot(accuracies, shares)), [0, 0]
    basis, margins, start = np.ones((n, 1)), [group_margin(group, list(shares))], np.full(n, 1 / n)
    weights = raked(start, margins)
    books = Books(n, Uncertainty(np.arange(n), np.zeros((1, 1)), 1), 0.0, 0)
    for _ in range(1500):
        score = (rng.random(n) < np.array(accuracies)[group]).astype(float)
        influence, slope, cells = residuals(
            score, weights, start, basis=basis, projection=basis / n, margins=margins, shifted=False
        )
        value = Value(float(weights @ score), influence, slope, np.zeros(2), cells)
        scored = books.score(value, value.score, (0.0, 0.0), "")
        zero = 0 * slope
        drop = combine([Value(float(start @ score), start * (score - start @ score), zero, np.zeros(2)), value], [1.0, -1.0])
        share = Share(drop, value, drop.score, drop.score)
        component = books.component("groups", "transfer", share, 1.96, Said(why="", rows=0, method=""))
        gap = 100 * (float(np.dot(accuracies, np.array(sizes) / n)) - truth)
        held[0] += scored.low <= truth <= scored.high
        held[1] += component.points.low <= gap <= component.points.high
    assert min(held) >= 0.9 * 1500


def test_two_entries_have_the_skewness_asked_for():
    for skewness in (-3.0, -1.0, -0.4, 0.0, 0.7, 1.0):
        one, other = _two_of_skewness(skewness)
        assert one**2 + other**2 == pytest.approx(1.0)
        assert one**3 + other**3 == pytest.approx(np.clip(skewness, -1, 1), abs=1e-9)


def test_shares_read_off_the_rows_are_those_of_the_rows():
    cue, label = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    margin = independent_margin(cue, label, np.full(5, 0.2), n_classes=2, rate=None)
    np.testing.assert_allclose(margin.wanted.reshape(2, 2), np.outer([0.4, 0.6], [0.4, 0.6]))
    at = margin.moved_by(np.array([1.0, 2.0, 3.0, 5.0]))
    np.testing.assert_allclose(at, np.array([1.6, 1.6, 4.2, 4.2, 4.2]) + np.array([2.2, 3.8, 3.8, 3.8, 2.2]))
    given = independent_margin(cue, label, np.full(5, 0.2), n_classes=2, rate=0.5)
    assert given.read == (1,)
    np.testing.assert_allclose(given.wanted.reshape(2, 2).sum(axis=1), [0.5, 0.5])
    assert (Margin(cue, np.array([0.5, 0.5])).moved_by(np.array([1.0, 2.0])) == 0).all()
