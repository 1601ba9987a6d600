"""Planted leaks and wrong labels: the right rows, with the right points."""

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made, points

from veridical.audit._evidence import Evidence
from veridical.explain.counted import leakage_rows, noise_rows
from veridical.ledger.accounting import game_of
from veridical.ledger.review import Review


def game(world, *, answers=None, metric="accuracy", tables=None):
    review = Review(answers) if answers else None
    return game_of(
        tables or world.tables(), task="classification", labels=world.data.labels, contract=None, review=review, metric=metric
    )


def leaked(world, *, metric="accuracy"):
    data, bought = world.data, points(account(world, metric=metric))["leakage"].value
    clusters = Evidence(data, seed=0).clusters
    return leakage_rows(game(world, metric=metric), clusters, is_train=data.splits == "train", component=bought), bought


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
def test_leaked_rows_are_named_and_their_points_add_up(metric):
    world = made(seed=3, leaked=60)
    found, bought = leaked(world, metric=metric)
    assert {world.data.ids[row] for row in found.rows} == {f"a{k}" for k in range(60)}
    assert found.points.sum() == pytest.approx(bought, abs=1e-9)
    assert found.exact.all()
    assert abs(found.spread) < max(0.5 * abs(bought), 1.0)


def test_what_a_leaked_row_buys_is_what_it_has_over_a_fresh_row_like_it():
    world = made(seed=3, leaked=60)
    found, _ = leaked(world)
    right = world.trained.probabilities.argmax(axis=1) == world.data.codes
    # A row learned by heart buys something, one that was not learned buys less than nothing: a fresh one would score more.
    assert found.points[right[found.rows]].min() > found.points[~right[found.rows]].max() if (~right[found.rows]).any() else True
    assert found.points[right[found.rows]].mean() > 0
    # Hard rows are bought dearer: the fold models of the population know which these are.
    folds = Evidence(world.data, seed=0).folds.probabilities[found.rows, world.data.codes[found.rows]]
    learned = right[found.rows]
    assert np.corrcoef(found.points[learned], folds[learned])[0, 1] < 0


def test_twins_share_what_they_buy():
    from veridical.audit._made_up import dataset

    world = made(seed=3, leaked=60)
    rows = world.data.table.to_pylist()
    listed = [(r["id"], r["split"], r["text"], r["label"]) for r in rows]
    twice = dataset([*listed, ("twin", "train", rows[0]["text"], rows[0]["label"])])
    clusters = Evidence(twice, seed=0).clusters
    # The game is that of the world without the twin: only who shares differs.
    bought = points(account(world))["leakage"].value
    found = leakage_rows(game(world), clusters, is_train=twice.splits == "train", component=bought)
    points_of = {twice.ids[row]: value for row, value in zip(found.rows, found.points, strict=True)}
    alone, _ = leaked(world)
    before = {world.data.ids[row]: value for row, value in zip(alone.rows, alone.points, strict=True)}
    assert points_of["twin"] == points_of["a0"] == pytest.approx(before["a0"] / 2, abs=1e-12)
    assert points_of["a1"] == pytest.approx(before["a1"], abs=1e-12)


def test_nothing_leaked_names_no_row():
    found, bought = leaked(made(seed=0))
    assert (len(found.rows), bought, found.spread) == (0, 0.0, 0.0)


def test_a_full_review_names_exactly_the_wrong_labels():
    world = made(seed=1, flipped=0.1)
    answers = {row: world.right[row] for row in world.data.ids if row.startswith("b")}
    found = noise_rows(game(world, answers=answers), component=points(account(world, answers=answers))["noise"].value)
    wrong = {row for row, label in zip(world.data.ids, world.data.table.column("label").to_pylist(), strict=True)
             if row in answers and label != answers[row]}  # fmt: skip
    assert {world.data.ids[row] for row in found.rows} == wrong
    assert found.exact.all()
    assert found.spread == pytest.approx(0.0, abs=1e-9)
    predicted = world.trained.probabilities.argmax(axis=1)[found.rows]
    # A wrong label that the model repeats lifted the score; one that it contradicts pressed it down.
    assert np.all((found.points > 0) == (predicted == world.data.codes[found.rows]))


def test_before_a_review_suspect_rows_are_modelled():
    world = made(seed=2, n_train=1500, n_test=800, flipped=0.15)
    tables = world.tables()
    assert tables.noise.rate > 0.03, "the world has too little visible noise for this test"
    found = noise_rows(game(world, tables=tables), component=points(account(world, tables=tables))["noise"].value)
    assert not found.exact.any()
    wrong = np.array([world.right[world.data.ids[row]] != world.data.labels[world.data.codes[row]] for row in found.rows])
    size = np.abs(found.points)
    assert wrong[np.argsort(-size)[:80]].mean() > 2 * wrong.mean()
