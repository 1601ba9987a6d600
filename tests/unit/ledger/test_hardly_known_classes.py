"""Classes that are rarer in train than in test: none of their labels need be wrong."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import Made, account

from veridical.audit._made_up import dataset
from veridical.ledger.label_noise import hardly_known
from veridical.models.linear import train_linear
from veridical.train.trained import Trained

CLASSES = ("a", "b", "c", "d")


def made_of_four(seed: int, *, kept: float = 1.0, turned: float = 0.0) -> Made:
    """Twelve words of 400 lean towards each of four classes; train keeps a share of the rows of class c. turned: share of the
    test rows of class a that are labelled c; all other labels are right."""
    rng, lean = np.random.default_rng(seed), 1.5 * np.random.default_rng(99).normal(size=(400, 4))
    words = rng.integers(400, size=(2300, 12))
    truth = (lean[words].sum(axis=1) + rng.gumbel(size=(2300, 4))).argmax(axis=1)
    given = np.where((np.arange(2300) >= 1500) & (truth == 0) & (np.random.default_rng(seed + 9).random(2300) < turned), 2, truth)
    rows = [
        (f"r{i}", "train" if i < 1500 else "test", " ".join(f"word{w}" for w in words[i]), CLASSES[given[i]])
        for i in range(len(words))
        if i >= 1500 or truth[i] != 2 or rng.random() < kept
    ]
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    return Made(data, model, trained, {f"r{i}": CLASSES[truth[i]] for i in range(len(words))}, 0.0)


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("seed", [0, 3])
def test_a_class_that_is_rarer_in_train_is_not_wrongly_labelled(kept: float, seed: int) -> None:
    world = made_of_four(seed, kept=kept)
    tables = world.tables()
    right = account(world, tables=tables, answers=world.right).honest.value
    found = account(world, tables=tables).honest
    assert tables.noise.shape == "none"
    assert found.low <= right <= found.high
    assert found.value == pytest.approx(right, abs=0.02)


@pytest.mark.parametrize(
    ("known", "given", "unjudged"),
    [
        ((19, 981), (100, 900), True),
        ((20, 980), (100, 900), False),  # train holds enough of it
        ((19, 981), (76, 924), False),  # not four times as common in test
        ((19, 981), (77, 923), True),
        ((0, 1000), (5, 995), True),
        ((0, 1000), (4, 996), False),  # so few that it does not matter
        ((0, 1000), (50, 0), False),  # all test labels are of such
    ],
)
def test_a_class_is_hardly_known_by_its_rows_in_train_and_test(known, given, unjudged) -> None:
    assert hardly_known(np.array(known, float), np.array(given)).tolist() == [unjudged, False]


def test_it_is_said_whose_labels_were_taken_as_given() -> None:
    found = [account(world) for world in (made_of_four(3, kept=0.0), made_of_four(3))]
    said = [[note for note in ledger.notes if "hardly any row" in note] for ledger in found]
    assert [len(one) for one in said] == [1, 0]
    assert said[0][0].startswith("Train holds hardly any row of c, so whether its 303 test labels are right was not looked at")


def test_rows_without_a_group_may_have_noise_of_their_own_as_a_group_may() -> None:
    """Labels of all rows but those of one group are drawn at random; whether these rows have a name changes nothing."""
    world, rng = made_of_four(0), np.random.default_rng(3)
    rows = world.data.table.to_pylist()
    west = rng.random(len(rows)) < 0.35
    given = [
        str(rng.choice(CLASSES)) if row["split"] == "test" and not w else row["label"] for row, w in zip(rows, west, strict=True)
    ]
    found = []
    for name in ("", "east"):
        data = world.data.with_column("label", given).with_column("group", ["west" if w else name for w in west])
        tables = replace(world, data=data).tables()
        assert tables.noise.apart
        found.append((account(world, tables=tables).honest, tables.noise.held.tolist()))
    (blank, unnamed), (named, held) = found
    right = account(world, answers=world.right).honest.value
    assert (unnamed, held) == ([""], ["east"])
    assert blank.low <= right <= blank.high
    assert blank.value == pytest.approx(named.value, abs=0.02)


def test_where_other_shares_explain_labels_nearly_as_well_no_noise_is_needed() -> None:
    """Texts tell nothing of labels. That two classes of four stand 40 to 10 in test, even in train, may be either."""
    rng = np.random.default_rng(0)
    words, truth = rng.integers(400, size=(2300, 12)), rng.integers(4, size=2300)
    truth[1500:] = rng.choice(4, size=800, p=[0.4, 0.1, 0.25, 0.25])
    rows = [
        (f"r{i}", "train" if i < 1500 else "test", " ".join(f"word{w}" for w in words[i]), CLASSES[truth[i]]) for i in range(2300)
    ]
    data = dataset(rows)
    train = data.rows("train")
    model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    noise = Made(data, model, trained, {}, 0.0).tables().noise
    assert noise.shape == "one_pair"
    assert noise.rate > 0.1
    assert noise.least == 0.0


@pytest.mark.parametrize("turned", [0.5, 0.7])
def test_labels_that_are_taken_as_given_may_be_wrong(turned: float) -> None:
    """Train holds some 15 rows of class c; in test the name stands on rows of class a."""
    world = made_of_four(0, kept=0.02, turned=turned)
    tables = world.tables()
    right = account(world, tables=tables, answers=world.right).honest.value
    found = account(world, tables=tables).honest
    assert tables.noise.unjudged.tolist() == [False, False, True, False]
    assert found.value < right - 0.03
    assert found.low <= right <= found.high


def test_groups_take_them_as_given_too() -> None:
    world, rng = made_of_four(3, kept=0.0), np.random.default_rng(3)
    west = [rng.random() < (0.9 if row["label"] == "c" else 0.35) for row in world.data.table.to_pylist()]
    data = world.data.with_column("group", ["west" if w else "east" for w in west])
    right = account(world, answers=world.right).honest.value
    found = account(replace(world, data=data)).honest
    assert found.low <= right <= found.high
    assert found.value == pytest.approx(right, abs=0.02)


@pytest.mark.parametrize("seed", [2, 4])
def test_harder_rows_without_a_group_are_no_noisier(seed: int) -> None:
    """Half of the labels of all rows but one group's follow nothing that is seen, alike in train and test."""
    world, rng = made_of_four(seed), np.random.default_rng(seed + 50)
    rows = world.data.table.to_pylist()
    west = rng.random(len(rows)) < 0.6
    given = [row["label"] if w or rng.random() > 0.5 else str(rng.choice(CLASSES)) for row, w in zip(rows, west, strict=True)]
    data = world.data.with_column("label", given).with_column("group", ["west" if w else "" for w in west])
    assert not replace(world, data=data).tables().noise.apart


def of_other_shares(seed: int, *, turned: float = 0.0) -> Made:
    """Train holds four classes alike, test one in ten of three of them. turned: share of test labels moved on to the next."""
    world, rng = made_of_four(seed), np.random.default_rng(seed + 20)
    rows = world.data.table.to_pylist()
    kept = [i for i, r in enumerate(rows) if r["split"] == "train" or world.right[r["id"]] == "a" or rng.random() < 0.1]
    wrong = [rows[i]["split"] == "test" and rng.random() < turned for i in kept]
    given = [
        CLASSES[(CLASSES.index(rows[i]["label"]) + 1) % 4] if w else rows[i]["label"] for i, w in zip(kept, wrong, strict=True)
    ]
    trained = replace(world.trained, ids=tuple(rows[i]["id"] for i in kept), probabilities=world.trained.probabilities[kept])
    return replace(world, data=world.data.take(np.array(kept)).with_column("label", given), trained=trained)


def _read(world: Made, seed: int) -> dict[str, str]:
    """Right labels of 120 test rows at random."""
    tests = [row["id"] for row in world.data.table.to_pylist() if row["split"] == "test"]
    return {row: world.right[row] for row in np.random.default_rng(seed).choice(tests, 120, replace=False)}


@pytest.mark.parametrize("metric", ["balanced_accuracy", "macro_f1"])
@pytest.mark.parametrize("seed", [0, 1])
def test_labels_that_a_review_finds_right_take_nothing_from_rare_classes(seed: int, metric: str) -> None:
    """What train says of classes that are rarer in test would make a few of the common one theirs, a third of all of these."""
    world = of_other_shares(seed)
    found = account(world, answers=_read(world, seed), metric=metric)
    whole = account(world, answers=world.right, metric=metric).honest.value
    assert found.honest.value == pytest.approx(whole, abs=0.02)
    assert found.honest.low <= whole <= found.honest.high


@pytest.mark.parametrize("seed", [0, 1])
def test_labels_that_a_review_finds_wrong_are_counted_under_other_shares(seed: int) -> None:
    world = of_other_shares(seed, turned=0.15)
    found, whole = (account(world, answers=a, metric="balanced_accuracy").honest for a in (_read(world, seed), world.right))
    assert found.low <= whole.value <= found.high
    assert found.value > account(world, metric="balanced_accuracy").reported.value + 0.03
