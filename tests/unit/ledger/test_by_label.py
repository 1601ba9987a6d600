"""Weights that hang on labels, where some labels are wrong: what a review says of the labels is what the weights go by."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made, points

from veridical.ledger.accounting import game_of
from veridical.ledger.by_label import Entries
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.noise_shapes import undone, uniform_transition
from veridical.ledger.reweighting import independent_margin, raked, residuals
from veridical.models.linear import train_linear

INDEPENDENT = Contract("w", "clusters", (Shortcut("zorblat", "reweight", None),), "4" * 64)


def _noisy(seed: int, *, n_test: int = 1000, cue: float = 0.85):
    """(a world whose cue goes with a label, the same with wrong test labels, five times as many where the cue is)."""
    world, rng = made(seed=seed, cue=cue, n_train=800, n_test=n_test), np.random.default_rng(seed)
    given = []
    for row in world.data.table.to_pylist():
        wrong = row["split"] == "test" and rng.random() < (0.25 if "zorblat" in row["text"] else 0.05)
        given.append(row["label"] if not wrong else {"neg": "pos", "pos": "neg"}[row["label"]])
    return world, replace(world, data=world.data.with_column("label", given))


def _shortcut(ledger):
    return next(one for one in ledger.components if one.name == "shortcut")


def test_a_review_of_all_labels_gives_the_account_of_right_labels():
    world, noisy = _noisy(0)
    right, read = (account(one, contract=INDEPENDENT, answers=world.right) for one in (world, noisy))
    assert read.contract.honest.value == pytest.approx(right.contract.honest.value, abs=0.01)
    assert points(read)["shortcut"].value == pytest.approx(points(right)["shortcut"].value, abs=0.5)
    assert read.contract.honest.width == pytest.approx(right.contract.honest.width, abs=0.015)


def test_a_review_of_some_labels_holds_it_and_is_less_sure():
    for seed in range(3):
        world, noisy = _noisy(seed)
        tests = [row["id"] for row in world.data.table.to_pylist() if row["split"] == "test"]
        chosen = np.random.default_rng(seed).choice(tests, 200, replace=False)
        some = account(noisy, contract=INDEPENDENT, answers={row: world.right[row] for row in chosen}).contract.honest
        whole = account(noisy, contract=INDEPENDENT, answers=world.right).contract.honest
        assert some.low <= whole.value <= some.high
        assert some.width > whole.width


def test_without_a_review_of_labels_that_seem_wrong_nothing_is_reweighted():
    world, noisy = _noisy(1)
    found = _shortcut(account(noisy, contract=INDEPENDENT))
    assert found.status == "skipped"
    assert "enter a review" in found.why
    assert _shortcut(account(world, contract=INDEPENDENT)).status == "measured"


def _noisy_in_both(seed, *, rate, cue, n_test=700):
    """A world whose labels are wrong in train and test alike, evenly, and the model that learned them."""
    world, rng = made(seed=seed, cue=cue, n_train=1000, n_test=n_test), np.random.default_rng(seed)
    given = world.data.table["label"].to_pylist()
    given = [{"neg": "pos", "pos": "neg"}[label] if rng.random() < rate else label for label in given]
    data = world.data.with_column("label", given)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = replace(world.trained, model=model, probabilities=model.predict(data.inputs()))
    return replace(world, data=data, model=model, trained=trained)


@pytest.mark.parametrize(("rate", "n_read"), [(0.1, 0), (0.2, 0), (0.2, 150)])
def test_labels_as_wrong_in_train_as_in_test_are_held_under_a_reweighted_cue(rate, n_read):
    """Rows whose label and cue disagree count for more, and more of theirs are wrong: the part looks smaller than it is."""
    held = []
    for seed in range(3):
        world, rng = _noisy_in_both(seed, rate=rate, cue=0.9), np.random.default_rng(seed)
        tests = sorted(row for row in world.right if row.startswith("b"))
        some = account(
            world,
            contract=INDEPENDENT,
            answers={row: world.right[row] for row in rng.choice(tests, n_read, replace=False)} or None,
        )
        whole = account(world, contract=INDEPENDENT, answers=world.right)
        part, true = _shortcut(some), points(whole)["shortcut"].value
        said = "hide how much a cue goes with them" if n_read else "holds even noise of up to"
        assert said in part.why
        assert said not in _shortcut(whole).why
        under, score = some.contract.honest, whole.contract.honest.value
        if not n_read:  # what is too much for the weights is held as in the honest score
            assert under.high - under.value > 0.85 * (some.honest.high - some.honest.value)
        held.append((part.points.low <= true <= part.points.high, under.low <= score <= under.high))
        assert part.points.value < true + 2
    assert (np.sum(held, axis=0) == 3).all()


def test_what_a_reweighted_score_were_under_the_noise_that_is_there():
    """Known answer: with the rate that was planted undone, also in the weights, the score under the contract is that of the right
    labels; as it stands it is 2 to 4 points off, and with the weights as given as well."""
    off = []
    for seed in range(3):
        world = _noisy_in_both(seed, rate=0.1, cue=0.8, n_test=3000)
        game = game_of(
            world.tables(INDEPENDENT), task="classification", labels=world.data.labels, contract=INDEPENDENT, review=None,
            metric=None,
        )  # fmt: skip
        whole, codes = frozenset((*game.active, "shortcut")), game.tables.codes
        right = np.array([world.data.labels.index(world.right[str(row)]) for row in game.tables.ids])
        known = replace(game, tables=replace(game.tables, codes=right), labels=np.eye(2)[right])(whole).score
        honest = replace(game, labels=np.eye(2)[right])(frozenset(game.active)).score
        labels = undone(uniform_transition(2, 0.1), codes)
        found = game.score_if(labels, whole), replace(game, labels=labels)(whole).score, game(whole).score
        off.append([score - known for score in found])
        told, true = _shortcut(account(world, contract=INDEPENDENT)), 100 * (honest - known)
        assert told.points.low <= true <= told.points.high
        # The rows alone reach 1.2 points to either side.
        assert min(told.points.value - told.points.low, told.points.high - told.points.value) > 1.5
        assert game.score_if(np.eye(2)[codes], whole) == pytest.approx(found[2], abs=1e-9)
    supposed, by_labels_alone, as_it_is = np.mean(off, axis=0)
    assert abs(supposed) < 0.01
    assert min(abs(by_labels_alone), abs(as_it_is)) > 0.02


def test_a_group_that_may_have_more_wrong_labels_widens_a_reweighted_cue():
    world = made(seed=2, cue=0.8, n_train=800, n_test=1000)
    tables = world.tables(INDEPENDENT)
    inside, n = np.arange(tables.people.n) % 2, tables.people.n
    same = np.repeat(np.eye(2)[None], 2, axis=0)

    def told(worst):
        reach = np.stack([np.stack([np.eye(2), worst] * 2), np.stack([np.eye(2)] * 4)])
        noise = replace(
            tables.noise, number=inside.astype(np.int64), of_group=same, range_of=np.zeros((2, 2)), reach_of=reach,
            names=np.array(["one"]), upper_rate=0.0, hard=np.zeros(n),
        )  # fmt: skip
        return _shortcut(account(world, tables=replace(tables, noise=noise), contract=INDEPENDENT)).points

    right, doubted = told(np.eye(2)), told(uniform_transition(2, 0.2))
    assert doubted.width > right.width + 2


def test_noise_that_would_leave_no_row_of_a_cue_and_a_label_is_not_supposed():
    """A cue with 95 % of one label: 8 % wrong labels would be more than all rows of the cue with the other."""
    world = made(seed=3, cue=0.95, n_train=800, n_test=1000)
    found = account(world, contract=INDEPENDENT)
    assert _shortcut(found).points.width < 25
    under, honest = found.contract.honest, found.honest
    assert under.high - under.value > 0.9 * (honest.high - honest.value)
    assert found.contract.honest.low <= account(world, contract=INDEPENDENT, answers=world.right).contract.honest.value


def test_a_cue_that_goes_with_one_label_alone_once_they_are_read_is_not_reweighted():
    world, noisy = _noisy(2, cue=1.0)
    found = _shortcut(account(noisy, contract=INDEPENDENT, answers=world.right))
    assert found.status == "skipped"
    assert "occurs only with" in found.why


def test_entries_of_sure_labels_are_rows():
    rng, n = np.random.default_rng(0), 300
    cue, codes, score = rng.integers(2, size=n), rng.integers(3, size=n), rng.random(n)
    basis = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    start = rng.dirichlet(np.full(n, 20.0))
    projection = basis * (start[:, None]) @ np.linalg.inv((basis * start[:, None]).T @ basis)
    labels = np.eye(3)[codes]
    among = Entries.of(labels, np.zeros_like(labels))
    margins = [independent_margin(cue[among.row], among.code, start[among.row] * among.share, n_classes=3, rate=None)]
    weights, held = among.weigh(start, margins, n_classes=3)
    plain = [independent_margin(cue, codes, start, n_classes=3, rate=None)]
    np.testing.assert_allclose(weights, raked(start, plain), atol=1e-14)
    np.testing.assert_array_equal(held, labels)
    expected = residuals(score, raked(start, plain), start, basis=basis, projection=projection, margins=plain, shifted=False)
    found = among.residuals(score[among.row], start, margins, basis=basis, projection=projection, shifted=False)
    for one, other in zip(found[:3], expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_half_a_label_counts_as_half_a_row_of_each():
    """Of four rows one may be either: cue and label are independent of the halves too."""
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.0, 1.0]])
    cue, start = np.array([1, 1, 0, 0]), np.full(4, 0.25)
    among = Entries.of(labels, np.zeros_like(labels))
    margins = [independent_margin(cue[among.row], among.code, start[among.row] * among.share, n_classes=2, rate=None)]
    weights, held = among.weigh(start, margins, n_classes=2)
    joint = np.array([[(weights[cue == z, None] * held[cue == z])[:, k].sum() for k in range(2)] for z in range(2)])
    np.testing.assert_allclose(joint, np.outer([0.5, 0.5], [0.375, 0.625]), atol=1e-12)
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(held.sum(axis=1), 1.0)


def test_it_is_said_which_labels_the_weights_go_by_and_nothing_of_flips():
    world, noisy = _noisy(0)
    given, read = (_shortcut(account(w, contract=INDEPENDENT, answers=a)) for w, a in ((world, None), (noisy, world.right)))
    assert "made independent of the labels as given by weights" in given.why
    assert "made independent of the labels that the review leaves by weights" in read.why
    assert not any("flips" in found.why or "flips" in found.details for found in (given, read))
