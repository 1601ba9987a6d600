"""Shapley values of games whose answer is known."""

import numpy as np
import pytest

from veridical.ledger.game import Value, combine, shapley


def game(worth):
    """A game from a function of the coalition to a score."""
    return lambda coalition: Value(worth(coalition), np.zeros(1), np.zeros(1), np.zeros(1))


def drops(players, worth):
    return {name: share.drop.score for name, share in shapley(players, game(worth)).items()}


def test_an_additive_game_gives_everyone_their_own():
    own = {"a": 0.1, "b": -0.03, "c": 0.0}
    found = drops(tuple(own), lambda s: 0.9 - sum(own[p] for p in s))
    assert found == pytest.approx(own)


def test_unanimity_is_shared_evenly():
    found = drops(("a", "b", "c"), lambda s: 1.0 - (0.3 if {"a", "b"} <= s else 0.0))
    assert found == pytest.approx({"a": 0.15, "b": 0.15, "c": 0.0})


def test_the_glove_game():
    # Two left gloves, one right: the right one is worth 2/3 (Shapley 1953).
    found = drops(("l1", "l2", "r"), lambda s: -float("r" in s and bool({"l1", "l2"} & s)))
    assert found == pytest.approx({"l1": 1 / 6, "l2": 1 / 6, "r": 4 / 6})


def test_drops_sum_to_the_whole_gap_for_random_games():
    rng = np.random.default_rng(0)
    for k in range(1, 6):
        players = tuple("abcde"[:k])
        worth = {}
        found = drops(players, lambda s, worth=worth: worth.setdefault(s, rng.random()))
        gap = worth[frozenset()] - worth[frozenset(players)]
        assert sum(found.values()) == pytest.approx(gap, abs=1e-12)


def test_the_envelope_spans_all_orders():
    shares = shapley(("a", "b"), game(lambda s: {0: 1.0, 1: 0.9 if "a" in s else 0.7, 2: 0.65}[len(s)]))
    assert (shares["a"].order_low, shares["a"].order_high) == pytest.approx((0.05, 0.1))
    assert (shares["b"].order_low, shares["b"].order_high) == pytest.approx((0.25, 0.3))
    assert shares["a"].order_low <= shares["a"].drop.score <= shares["a"].order_high


def test_influences_are_combined_like_scores():
    one = Value(1.0, np.array([1.0, 0.0]), np.array([2.0]), np.array([3.0]))
    two = Value(0.5, np.array([0.0, 1.0]), np.array([4.0]), np.array([5.0]))
    both = combine([one, two], [1.0, -2.0])
    assert both.score == 0.0
    assert both.influence.tolist() == [1.0, -2.0]
    assert both.slope.tolist() == [-6.0]
    assert both.review.tolist() == [-7.0]
