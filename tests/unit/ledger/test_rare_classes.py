"""Intervals of averages over classes of which one has few rows."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import Made, account, made, texts

from veridical.audit._made_up import dataset
from veridical.ledger import coalitions, rare_classes
from veridical.ledger.game import Lopsided
from veridical.ledger.rare_classes import NORMAL, counts_truths_alone, expected_f1, lean_of_f1, lopsided
from veridical.models.linear import train_linear
from veridical.tasks._class_metrics import Pooled
from veridical.tasks._confusion_metrics import accuracy, balanced_accuracy, macro_f1, mcc, mean_f1, weighted_f1
from veridical.tasks._totals import gradient, value
from veridical.train.trained import Trained

N = 600
CONFUSION = np.array([[0.93, 0.02], [0.03, 0.02]])
"""Share of rows by truth and prediction: of a class of 5 % two in five are found."""


def drawn(metric, rng, confusion=CONFUSION, n=N):
    """(score, plain standard error, how its interval differs) of n rows."""
    counts = rng.multinomial(n, confusion.ravel()).reshape(confusion.shape) / n
    totals = np.concatenate([np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)])
    slopes = gradient(metric, totals)
    c = len(confusion)
    cell = np.zeros((c, c))
    for truth in range(c):
        for said in range(c):
            cell[truth, said] = slopes[c + truth] + slopes[2 * c + said] + (slopes[truth] if truth == said else 0.0)
    error = np.sqrt((counts * (cell - (counts * cell).sum()) ** 2).sum() / n)
    return value(metric, totals), error, lopsided(metric, totals, n_votes=n)


def covered(metric, confusion, n, draws=1000):
    """Shares of draws whose plain and whose lopsided interval hold the score of endless rows, and the mean width ratio."""
    rng, confusion = np.random.default_rng(0), np.asarray(confusion)
    truth = value(metric, np.concatenate([np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)]))
    plain, held, wider = [], [], []
    for _ in range(draws):
        found, error, one = drawn(metric, rng, confusion=confusion, n=n)
        one = one or Lopsided(1.0, 1.0, 0.0)
        low, high = found - NORMAL * error * one.below + min(one.lean, 0), found + NORMAL * error * one.above + max(one.lean, 0)
        plain.append(abs(found - truth) <= NORMAL * error)
        held.append(low <= truth <= high)
        wider.append((high - low) / (2 * NORMAL * error))
    return np.mean(plain), np.mean(held), np.mean(wider)


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy, mcc])
def test_a_rare_class_is_covered_where_the_plain_interval_is_too_short(metric):
    plain, held, wider = covered(metric, CONFUSION, N)
    assert plain < 0.935
    assert 0.935 <= held <= 0.975
    assert wider == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy, mcc])
def test_a_rare_class_that_is_found_well_is_covered(metric):
    plain, held, _ = covered(metric, [[0.965, 0.005], [0.006, 0.024]], 400)
    assert plain < 0.92
    assert 0.935 <= held <= 0.985


@pytest.mark.parametrize(("metric", "at_most"), [(macro_f1, 0.8), (balanced_accuracy, 0.9)])
def test_many_classes_of_four_rows_are_covered_where_the_plain_interval_lies_low_or_is_too_short(metric, at_most):
    rng, c = np.random.default_rng(3), 30
    right = rng.uniform(0.6, 0.95, c)
    confusion = rng.dirichlet(np.full(c, 0.1), c) * (1 - np.eye(c))
    confusion = confusion / confusion.sum(axis=1, keepdims=True) * (1 - right)[:, None] + np.diag(right)
    plain, held, wider = covered(metric, confusion / c, 4 * c, draws=400)
    assert plain < at_most
    assert 0.93 <= held <= 0.98
    assert wider < 1.6


def test_the_mean_f1_of_poisson_counts_is_that_of_draws():
    rng = np.random.default_rng(0)
    for right, wrong in ((0.5, 0.0), (3.0, 1.5), (4.0, 6.0), (40.0, 9.0), (900.0, 300.0)):
        x, y = rng.poisson(right, 200_000), rng.poisson(wrong, 200_000)
        made_up = np.where(x + y > 0, 2 * x / np.maximum(2 * x + y, 1), 0.0)
        found = expected_f1(np.array([right]), np.array([wrong]))[0]
        assert found == pytest.approx(made_up.mean(), abs=5 * made_up.std() / np.sqrt(200_000) + 1e-6)
    assert expected_f1(np.zeros(2), np.array([0.0, 3.0])).tolist() == [0.0, 0.0]


def test_macro_f1_of_few_rows_lies_low_and_of_many_does_not():
    right, wrong = np.full(77, 3.2), np.full(77, 1.6)
    second_order = 0.8 * 0.2 / 8  # F1 (1 - F1) over the rows as labelled and as predicted
    assert lean_of_f1(20 * right, 20 * wrong) == pytest.approx(second_order / 20, rel=0.05)
    assert second_order < lean_of_f1(right, wrong) < 2 * second_order  # now and then none is right
    assert lean_of_f1(1000 * right, 1000 * wrong) == pytest.approx(0.0, abs=1e-4)
    assert lean_of_f1(right, 0 * wrong) == pytest.approx(0.0, abs=1e-9)


def test_many_rows_of_every_class_stretch_nothing():
    even = np.array([[0.3, 0.1], [0.1, 0.5]])
    for metric in (macro_f1, balanced_accuracy, mcc):
        found = drawn(metric, np.random.default_rng(1), confusion=even, n=100_000)[2]
        assert (found.below, found.above) == pytest.approx((1.0, 1.0), abs=0.01)
        assert found.lean == pytest.approx(0.0, abs=1e-4)


def test_of_a_class_of_which_none_was_found_the_upper_end_is_open():
    totals = np.array([0.95, 0.0, 0.95, 0.05, 1.0, 0.0])
    found = lopsided(macro_f1, totals, n_votes=200)
    assert found.above > 3 * found.below


def test_which_metrics_count_classes_by_their_truths_alone():
    told = {m.__name__: counts_truths_alone(m, 4) for m in (accuracy, macro_f1, mean_f1, weighted_f1, balanced_accuracy, mcc)}
    assert [name for name, alone in told.items() if not alone] == ["macro_f1", "mcc"]
    assert not counts_truths_alone(Pooled(macro_f1, np.eye(4)), 4)
    assert counts_truths_alone(Pooled(mean_f1, np.eye(4)[1:]), 4)
    assert not counts_truths_alone(mcc, 2)


def test_other_metrics_do_not_hang_on_each_class():
    totals = np.array([0.5, 0.3, 0.6, 0.4, 0.6, 0.4])
    assert lopsided(accuracy, totals, n_votes=200) is None
    assert lopsided(weighted_f1, totals, n_votes=200) is None


def test_the_account_of_a_rare_class_leans_to_where_luck_may_have_hidden_it(monkeypatch):
    """Few of the rarer label, of which few are found: the honest interval of macro-F1 is longer than a plain one, and no shorter
    on either side; that of accuracy is the same."""
    world = made(seed=2, n_train=1500, n_test=600)
    rows = world.data.table.to_pylist()
    rng = np.random.default_rng(0)
    kept = [i for i, row in enumerate(rows) if row["label"] == "neg" or rng.random() < 0.06]
    said = np.where(world.trained.probabilities[:, 1:] > 0.97, [[0.1, 0.9]], [[0.9, 0.1]])
    rare = replace(
        world,
        data=world.data.take(np.array(kept)),
        trained=replace(world.trained, ids=tuple(world.data.ids[i] for i in kept), probabilities=said[kept]),
    )
    tables = rare.tables()
    found, share = (account(rare, tables=tables, answers=rare.right, metric=m).honest for m in ("macro_f1", "accuracy"))
    monkeypatch.setattr(coalitions, "lopsided", lambda *_, **__: None)
    plain, same = (account(rare, tables=tables, answers=rare.right, metric=m).honest for m in ("macro_f1", "accuracy"))
    assert (share.low, share.high) == (same.low, same.high)
    assert found.low <= plain.low
    assert found.high > plain.high + 0.01


@pytest.mark.parametrize("metric", [macro_f1, balanced_accuracy])
def test_many_easy_classes_are_no_less_covered_than_by_the_plain_interval(metric):
    """What Wilson's interval pulls each class to the middle adds up plainly over 40 classes of 20 rows, and is no luck."""
    rng, c, right = np.random.default_rng(1), 40, 0.97
    confusion = (np.full((c, c), (1 - right) / (c - 1)) + (right - (1 - right) / (c - 1)) * np.eye(c)) / c
    held = []
    for _ in range(200):
        found, error, one = drawn(metric, rng, confusion=confusion, n=20 * c)
        held.append(found - NORMAL * error * one.below <= right <= found + NORMAL * error * one.above)
        assert max(one.below, one.above) < 1.3
    assert np.mean(held) > 0.91


@pytest.mark.parametrize("metric", ["macro_f1", "balanced_accuracy"])
def test_a_class_of_which_less_than_half_a_row_is_left_is_none_of_those_averaged(metric):
    """All test rows of one of three classes are copies of train rows; what is read leaves a trace of it as others' mistakes."""
    rng = np.random.default_rng(4)
    words = {"a": "apple", "b": "brick", "c": "cloud"}
    rows = []
    for i in range(900):
        label = "abc"[i % 3]
        text = " ".join(
            [words[label] if rng.random() < 0.9 else words["abc"[rng.integers(3)]], *(f"w{rng.integers(900)}" for _ in range(9))]
        )
        rows.append((f"r{i}", "train" if i < 600 else "test", text, label))
    for i in range(600, 900):
        if rows[i][3] == "c":
            rows[i] = (rows[i][0], "test", rows[i - 600][2], "c")
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    world = Made(data, model, trained, {row[0]: row[3] for row in rows}, 0.0)
    read = {row[0]: row[3] for row in rows[600::2] if row[1] == "test"}
    found = account(world, answers=read, metric=metric)
    assert found.honest.width < 0.5  # what that class may hide; it was [0, 100] while the trace counted
    assert all(abs(component.points.low) <= 100 for component in found.components if component.points)


def test_a_mean_that_lies_low_is_said_and_the_interval_reaches_up_as_far(monkeypatch):
    world = made(seed=0, n_train=200, n_test=14)
    said = {m: [n for n in account(world, metric=m).notes if "few test rows each" in n] for m in ("macro_f1", "accuracy")}
    assert [len(said[m]) for m in ("macro_f1", "accuracy")] == [1, 0]
    assert not [n for n in account(made(seed=0, n_test=100), metric="macro_f1").notes if "few test rows each" in n]
    found = account(world, answers=world.right, metric="macro_f1").honest
    monkeypatch.setattr(rare_classes, "lean_of_f1", lambda *_: 0.0)
    without = account(world, answers=world.right, metric="macro_f1").honest
    assert (found.low, found.value) == (without.low, without.value)
    assert 0.0 < found.high - without.high < 0.05


def test_noise_that_would_leave_a_class_fewer_rows_than_none_leaves_a_mean_over_classes_open():
    """A fifth of two large classes' labels change places; of the third there are three rows, and no even noise made these."""
    rng = np.random.default_rng(0)
    every, codes = texts(1200, rng)
    truth = np.where(rng.random(1200) < 0.02, 2, codes)
    swapped = (np.arange(1200) >= 900) & (truth < 2) & (rng.random(1200) < 0.2)
    given = np.where(swapped, 1 - truth, truth)
    shown = [f"{text} unheard" if k == 2 else text for text, k in zip(every, truth, strict=True)]
    names = ("neg", "pos", "rare")
    rows = [(f"r{i}", "train" if i < 900 else "test", shown[i], names[given[i]]) for i in range(1200)]
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    world = Made(data, model, trained, {f"r{i}": names[truth[i]] for i in range(1200)}, 0.0)
    tables = world.tables()
    assert tables.noise.inverted(tables.codes)[:, 2].sum() < 0
    found = account(world, tables=tables, metric="macro_f1").honest
    assert (found.low, found.high) == (0.0, 1.0)
    assert account(world, tables=tables).honest.width < 0.3  # of accuracy nothing is open
    assert account(world, tables=tables, answers=world.right, metric="macro_f1").honest.width < 0.3
