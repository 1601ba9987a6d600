"""Choosing the best of several looks flatters; by how much is known where nothing but luck differs."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made, points
from tests.unit.ledger.test_accounting import adds_up

from veridical.ledger.reuse import chosen_among
from veridical.tasks._confusion_metrics import accuracy


def guessers(k, n, seed):
    """k models that are right on three rows in four, each on its own; labels all 0 or 1."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(2, size=n)
    return codes, np.where(rng.random((k, n)) < 0.75, codes, 1 - codes)


@pytest.mark.parametrize("k", [2, 10])
def test_the_expected_luck_of_the_best_of_equal_models(k):
    """Best minus truth averages sigma times the expected maximum of k normals: 0.56 for 2, 1.54 for 10."""
    n, sigma = 400, np.sqrt(0.75 * 0.25 / 400)
    found, luck = [], []
    for seed in range(60):
        codes, models = guessers(k, n, seed)
        right = (models == codes).mean(axis=1)
        best = int(right.argmax())
        others = np.delete(models, best, axis=0)
        told = chosen_among(models[best], others, codes=codes, cluster=np.arange(n), metric=accuracy, n_classes=2, seed=seed)
        assert told.is_best
        assert 0 <= told.optimism <= told.bound
        found.append(told.optimism / 100)
        luck.append(right[best] - 0.75)
    expected = {2: 0.56, 10: 1.54}[k] * sigma
    assert np.mean(luck) == pytest.approx(expected, rel=0.35)
    # A known weakness of the bootstrap: it halves the luck where all models are equal. Never more than the truth, never none.
    assert 0.35 * expected < np.mean(found) < 1.1 * expected


def test_one_clear_winner_was_not_lucky():
    codes, models = guessers(5, 400, 0)
    told = chosen_among(codes, models, codes=codes, cluster=np.arange(400), metric=accuracy, n_classes=2, seed=0)
    assert told.is_best
    assert told.optimism == 0.0


def test_the_account_subtracts_it_and_says_how_many_looks():
    world = made(seed=3)
    tables = world.tables()
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random((6, len(tables.codes))) < 0.08, 1 - tables.predicted, tables.predicted)
    looked = replace(tables, looks=noisy)
    before, after = account(world, tables=tables), account(world, tables=looked)
    component = next(c for c in after.components if c.name == "reuse")
    assert "6 other models were scored" in component.why
    assert component.details["looks"] == 7
    assert adds_up(after)
    if component.status == "bounded":
        assert after.honest.value == pytest.approx(before.honest.value - component.points.value / 100)
    assert points(after)["reuse"].high > 0


def test_a_look_that_predicted_the_same_chose_nothing():
    world = made(seed=3)
    tables = world.tables()
    again = account(world, tables=replace(tables, looks=np.stack([tables.predicted, tables.predicted])))
    component = next(c for c in again.components if c.name == "reuse")
    assert component.status == "measured"
    assert (component.points.value, component.points.low, component.points.high) == (0.0, 0.0, 0.0)
    assert "predicted the same" in component.why
    other = np.where(np.arange(len(tables.codes)) < 5, 1 - tables.predicted, tables.predicted)
    twice = account(world, tables=replace(tables, looks=np.stack([other, other, tables.predicted])))
    assert next(c for c in twice.components if c.name == "reuse").details["looks"] == 2
