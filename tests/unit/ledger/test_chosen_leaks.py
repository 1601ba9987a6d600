"""Leaked rows that were chosen by their labels: said, and within the interval; leaks at random are neither."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from tests.unit.ledger.made_up_world import Made, account, made, texts

from veridical.audit._made_up import dataset
from veridical.ledger.accounting import game_of
from veridical.ledger.chosen_leaks import ChosenLeaks
from veridical.ledger.contract import Contract, Shortcut
from veridical.models.linear import train_linear
from veridical.train.trained import Trained

ALL = frozenset({"leakage", "sample", "noise"})
WORDS = {"a": "apple", "b": "brick", "c": "cloud"}
SCORES = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "macro_f1": lambda y, said: f1_score(y, said, average="macro"),
}


def _drawn(rng, n, *, told=0.9):
    """(texts, codes): a word of the class in a share `told` of the texts, in the others of any."""
    codes = np.arange(n) % 3
    told = np.where(rng.random(n) < told, codes, rng.integers(3, size=n))
    return [" ".join([WORDS["abc"[k]], *(f"w{w}" for w in rng.integers(900, size=9))]) for k in told], codes


def _world(seed, *, chosen, n_train=600, n_test=300, told=0.9):
    """A third of the test rows are copies of train rows: all of class c, or as many at random; `told`: share of texts with a word
    of their class. Also texts and labels of the population."""
    rng = np.random.default_rng(seed)
    texts, codes = _drawn(rng, n_train + n_test, told=told)
    copied = np.flatnonzero(codes[n_train:] == 2) if chosen else rng.choice(n_test, n_test // 3, replace=False)
    for i in copied + n_train:
        texts[i], codes[i] = texts[i - n_train], codes[i - n_train]
    data = dataset([(f"r{i}", "train" if i < n_train else "test", texts[i], "abc"[codes[i]]) for i in range(n_train + n_test)])
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    read = {f"r{i}": "abc"[codes[i]] for i in range(n_train, n_train + n_test, 2)}
    every, truths = _drawn(rng, 6000, told=told)
    return Made(data, model, trained, read, 0.0), (truths, model.predict(every).argmax(axis=1))


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_where_all_rows_of_a_class_leaked_the_interval_holds_what_they_may_hide(seed):
    world, population = _world(seed, chosen=True)
    for metric, score in SCORES.items():
        for answers in (None, world.right):
            found = account(world, metric=metric, answers=answers)
            (note,) = [note for note in found.notes if "easier than their texts say" in note]
            assert "Of the test rows of" in note
            assert "anywhere in its interval" in note
            assert found.honest.low <= score(*population) <= found.honest.high, (metric, answers is None)
            leakage = next(part for part in found.components if part.name == "leakage")
            assert leakage.status == "bounded"
            assert leakage.details["chosen_by_label"]
            assert found.unreviewed > 0.2
            assert leakage.points.low <= 100 * (found.reported.value - score(*population)) <= leakage.points.high


def _mostly(seed, share):
    """Two classes that are hard to tell, and of one of them a share of the test rows put into train."""
    world, rng = made(seed=seed, n_train=900, n_test=800), np.random.default_rng(seed)
    rows = world.data.table.to_pylist()
    leaks = [row for row in rows if row["split"] == "test" and row["label"] == "pos" and rng.random() < share]
    listed = [(row["id"], row["split"], row["text"], row["label"]) for row in rows]
    data = dataset([*listed[:900], *((f"copy {row['id']}", "train", row["text"], "pos") for row in leaks), *listed[900:]])
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    every, codes = texts(6000, np.random.default_rng(7))
    return replace(world, data=data, model=model, trained=trained), f1_score(
        codes, model.predict(every).argmax(axis=1), average="macro"
    )


def test_where_most_rows_of_a_class_leaked_macro_f1_holds_what_the_rest_hides(monkeypatch):
    """The rows that are left count for their predicted class, and most that are called so are of the other; also where models of
    other rows are right on as many leaked ones as their texts say."""
    monkeypatch.setattr(ChosenLeaks, "by_texts", lambda self: None)
    held = []
    for seed in range(4):
        world, true = _mostly(seed, 0.9)
        found = account(world, metric="macro_f1")
        (note,) = [note for note in found.notes if "hangs on their labels" in note]
        assert note.startswith("Of the test rows of pos ")
        held.append(found.honest.low <= true <= found.honest.high)
    assert sum(held) >= 3


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_a_class_that_leaked_more_than_its_texts_say_is_told(share):
    world, _ = _mostly(0, share) if share else _world(3, chosen=False, told=0.6)
    game = game_of(world.tables(), task="classification", labels=world.data.labels, contract=None, review=None, metric=None)
    found = game.leaks.leaked_class
    assert (found is not None) == bool(share)
    if found:
        assert world.data.labels[found[0]] == "pos"
        assert found[1] == pytest.approx(0.9, abs=0.05)
        assert found[2] < 0.05


def test_a_class_without_test_rows_did_not_leak():
    """Easy rows leaked, and no test row is of a class that train has and texts may be called."""
    world, _ = _mostly(0, 0.9)
    tables = world.tables()
    held = np.concatenate([0.9 * tables.elsewhere, np.full((len(tables.codes), 1), 0.1)], axis=1)
    held[tables.people.leaked, 2] = 0.001
    more = replace(tables, elsewhere=held / held.sum(axis=1, keepdims=True))
    names = (*world.data.labels, "absent")
    game = game_of(more, task="classification", labels=names, contract=None, review=None, metric=None)
    assert game.leaks.leaked_class is not None
    assert names[game.leaks.leaked_class[0]] == "pos"


def test_wrong_labels_are_no_part_of_what_leaks_hide(monkeypatch):
    """A fifth of the labels of rows that did not leak is wrong: the class that leaked still moves the score up."""
    monkeypatch.setattr(ChosenLeaks, "by_texts", lambda self: None)
    world, _ = _mostly(1, 0.8)
    rng, leaked = np.random.default_rng(0), world.tables().people.leaked
    labels, test = world.data.table["label"].to_pylist(), world.data.rows("test")
    for row, hit in zip(test, leaked, strict=True):
        if not hit and rng.random() < 0.2:
            labels[row] = {"neg": "pos", "pos": "neg"}[labels[row]]
    noisy = replace(world, data=world.data.with_column("label", labels))
    game = game_of(noisy.tables(), task="classification", labels=world.data.labels, contract=None, review=None, metric="macro_f1")
    low, high = game.leaks.reach(ALL)
    assert low == 0.0 < high  # with the noise taken out of one side alone, 4 points down


def test_the_score_under_a_contract_holds_it_too():
    """Halves of every class, of which the leaked one counts for more under the contract."""
    world, _ = _world(4, chosen=True)
    leaked = ["c" if label == "c" else "ab" for label in world.data.table["label"].to_pylist()]
    data = replace(world.data.with_column("group", leaked), roles={"text": "text", "label": "label", "group": "group"})
    contract = Contract("much c", "clusters", (Shortcut("apple", "remove", None),), "0" * 64)
    found = account(replace(world, data=data), contract=contract).contract.honest
    assert "leaks chosen by their labels bounded; under the contract" in found.method
    assert found.high - found.value > 0.2


def test_what_was_read_tells_which_leaks_are_easy():
    """Labels of leaked rows are turned in the file, and read."""
    world, population = _world(5, chosen=True)
    rows, given = world.data.rows("test"), world.data.table["label"].to_pylist()
    turned = [("a" if label == "c" and k in set(rows[::2].tolist()) else label) for k, label in enumerate(given)]
    noisy = replace(world, data=world.data.with_column("label", turned))
    every = {str(world.data.ids[k]): given[k] for k in rows}
    read, right = (account(one, answers=every, metric="macro_f1").honest for one in (noisy, world))
    assert read.high - read.value == pytest.approx(right.high - right.value, abs=0.02)
    assert read.low <= SCORES["macro_f1"](*population) <= read.high


def test_leaks_at_random_leave_the_interval_as_it_is():
    for seed in range(4):
        world, _ = _world(seed, chosen=False)
        assert game_of(
            world.tables(), task="classification", labels=world.data.labels, contract=None, review=None, metric=None
        ).leaks.reach(ALL) == (0.0, 0.0)
        assert not [note for note in account(world).notes if "than their texts say" in note]


def test_leaks_of_rows_that_the_model_would_get_wrong_widen_it_downwards():
    """The test rows that the model gets wrong are put into train and it is trained again: what is left is easier."""
    covered, (every, codes) = [], texts(6000, np.random.default_rng(7))
    for seed in range(4):
        world = made(seed=seed, n_train=500, n_test=500)
        test = world.data.rows("test")
        wrong = test[world.trained.probabilities[test].argmax(axis=1) != world.data.codes[test]]
        rows = [(str(row), str(split), str(text), str(label)) for row, split, text, label in zip(
            world.data.ids, world.data.table.column("split").to_pylist(), world.data.inputs(),
            (world.data.labels[k] for k in world.data.codes), strict=True,
        )]  # fmt: skip
        leaks = [(f"copy{k}", "train", *rows[k][2:]) for k in wrong]
        data = dataset([*rows[:500], *leaks, *rows[500:]])
        train = data.rows("train")
        model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
        trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
        again = replace(world, data=data, model=model, trained=trained)
        found = account(again)
        assert [note for note in found.notes if "harder than their texts say" in note]
        truth = float((model.predict(every).argmax(axis=1) == codes).mean())
        covered.append(found.honest.low <= truth <= found.honest.high)
        assert truth < found.honest.value - 0.1
    assert sum(covered) >= 3
