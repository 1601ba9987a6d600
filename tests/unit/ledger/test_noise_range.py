"""Ends of the range of wrong labels while none was reviewed."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made

from veridical.ledger.label_noise import FEWEST_READ, LabelNoise
from veridical.ledger.noise_range import held_possible, renamed_classes
from veridical.ledger.noise_shapes import NoiseParams, undone, uniform_transition

ONE_CLASS = np.array([[1.0, 0.0], [0.45, 0.55]])
"""Of the second class as many labels are wrong as is considered of two."""


def beyond_the_ends(noise, codes, predicted):
    """What is held possible besides the ends of even noise and of the fitted one."""
    return list(held_possible(noise, codes, predicted))[len(noise.extremes(codes)) :]


def test_of_rows_whose_labels_may_tell_nothing_the_model_may_be_right_or_the_texts_alone_may_tell():
    expected = np.repeat([[0.9, 0.1], [0.3, 0.7]], FEWEST_READ, axis=0)
    codes, predicted = np.zeros(len(expected), np.int64), np.repeat([1, 0], FEWEST_READ)
    noise = LabelNoise(ONE_CLASS, "one_pair", 0.2, 0.3, expected)
    chance, inverted = expected[:, 1:], noise.inverted(codes)
    right, texts, beside = beyond_the_ends(noise, codes, predicted)
    np.testing.assert_allclose(right, (1 - chance) * inverted + chance * np.eye(2)[predicted], atol=1e-9)
    np.testing.assert_allclose(texts, (1 - chance) * inverted + chance * [[0.0, 1.0]], atol=1e-9)
    np.testing.assert_allclose(beside - inverted, np.repeat([[-0.1, 0.1], [0.7, -0.7]], FEWEST_READ, axis=0), atol=1e-9)
    assert not beyond_the_ends(LabelNoise(np.eye(2), "none", 0.0, 0.3, expected), codes, predicted)
    rare = LabelNoise(ONE_CLASS, "one_pair", 0.2, 0.3, expected[: FEWEST_READ + 1])  # one row reads like the second class
    assert not beyond_the_ends(rare, codes[: FEWEST_READ + 1], predicted[: FEWEST_READ + 1])


def test_in_groups_with_noise_of_their_own_only_rows_of_groups_at_the_limit_are_open():
    n = FEWEST_READ
    expected, codes = np.tile([[0.4, 0.6]], (3 * n, 1)), np.zeros(3 * n, np.int64)
    noise = LabelNoise(
        np.eye(2), "none", 0.0, 0.3, expected, number=np.repeat([0, 1, 2], n), range_of=np.zeros((3, 2)),
        of_group=np.stack([ONE_CLASS, np.eye(2), np.eye(2)]), names=np.array(["a", "b"]), apart=True,
    )  # fmt: skip
    assert noise.beyond == pytest.approx(np.repeat([0.6, 0.0, 0.0], n))
    right, texts = beyond_the_ends(noise, codes, np.zeros(3 * n, np.int64))
    np.testing.assert_allclose(right[n:], noise.inverted(codes)[n:])
    np.testing.assert_allclose(right[0], 0.4 * noise.inverted(codes)[0] + [0.6, 0.0])
    np.testing.assert_allclose(texts[0], 0.4 * noise.inverted(codes)[0] + [0.0, 0.6])


@pytest.mark.parametrize("rates", [(0.3, 0.1, 0.2), (0.2, 0.2, 0.05)])
def test_each_third_has_the_least_or_the_most_on_its_own_even_at_the_same_rate(rates):
    """Every corner is tried, since curved metrics are no sums over thirds."""
    expected, codes = np.full((3, 2), 0.5), np.array([0, 1, 0])
    noise = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected, hard=np.array(rates), third=np.array([0, 1, 2]))
    most = [undone(uniform_transition(2, rate), codes)[row] for row, rate in enumerate(rates)]
    wanted = [
        [most[row] if chosen else np.eye(2)[codes[row]] for row, chosen in enumerate(corner)]
        for corner in product((False, True), repeat=3)
    ]
    np.testing.assert_allclose(beyond_the_ends(noise, codes, codes), wanted, atol=1e-12)


def test_of_a_third_at_the_limit_the_texts_tell_if_they_tell_anything():
    codes, predicted = np.array([0, 0]), np.array([1, 0])
    limit = NoiseParams().largest(2)
    for read, ends in (([0.7, 0.3], [(0.7, 0.3), (1.0, 0.0)]), ([0.55, 0.45], [(1.0, 0.0)])):
        expected = np.array([read, [0.9, 0.1]])
        noise = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected, hard=np.array([limit, 0.0]), third=np.array([0, 2]))
        found = np.array(beyond_the_ends(noise, codes, predicted))
        assert sorted({tuple(row) for row in found[:, 0].tolist()}) == ends
        np.testing.assert_allclose(found[:, 1], np.tile([[1.0, 0.0]], (len(found), 1)), atol=1e-12)
    older = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected, hard=np.array([limit, 0.0]))
    assert not beyond_the_ends(older, codes, predicted)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
@pytest.mark.parametrize("cut", [0.5, 0.95])
def test_a_model_that_is_bad_on_a_class_whose_labels_are_lost_is_in_the_range(metric, cut):
    """85 % of the positive test rows are called negative; the model says positive only above a cut."""
    world = made(seed=0, n_train=1500, n_test=800)
    said = np.where(world.trained.probabilities[:, 1:] > cut, [[0.1, 0.9]], [[0.9, 0.1]])
    world = replace(world, trained=replace(world.trained, probabilities=said))
    right = account(world, answers=world.right, metric=metric).honest.value
    rng, rows = np.random.default_rng(0), world.data.table.to_pylist()
    lost = ["neg" if r["split"] == "test" and rng.random() < 0.85 else r["label"] for r in rows]
    found = account(replace(world, data=world.data.with_column("label", lost)), metric=metric).honest
    assert found.low <= right <= found.high


@pytest.mark.parametrize("named", [False, True])
def test_random_labels_of_the_hardest_third_are_in_the_range_beside_a_noisy_group_too(named):
    for seed in (0, 3):
        world = made(seed=seed, n_train=2000, n_test=1200)
        tables = world.tables()
        right = account(world, tables=tables, answers=world.right).honest.value
        sure = dict(zip(tables.ids.tolist(), tables.noise.expected.max(axis=1).tolist(), strict=True))
        hard, rng, rows = np.quantile(list(sure.values()), 1 / 3), np.random.default_rng(seed), world.data.table.to_pylist()
        group = ["east" if rng.random() < 0.85 else "west" for _ in rows]
        given = []
        for row, name in zip(rows, group, strict=True):
            hit = (rng.random() < 0.5 * (sure.get(row["id"], 1.0) <= hard)) != (rng.random() < 0.35 * (name == "west"))
            wrong = hit and row["split"] == "test"
            given.append({"pos": "neg", "neg": "pos"}[row["label"]] if wrong else row["label"])
        data = world.data.with_column("label", given)
        found = account(replace(world, data=data.with_column("group", group) if named else data)).honest
        assert found.low <= right <= found.high


def test_classes_that_test_names_otherwise_than_train_are_said_and_the_value_goes_by_the_texts():
    """All labels of the test rows are swapped; a tenth of them wrong says nothing of the kind."""
    world = made(seed=1, n_train=1500, n_test=600)
    right, rng = account(world, answers=world.right).honest.value, np.random.default_rng(0)
    for share, swapped in ((1.0, True), (0.1, False)):
        rows = world.data.table.to_pylist()
        given = [
            {"pos": "neg", "neg": "pos"}[r["label"]] if r["split"] == "test" and rng.random() < share else r["label"]
            for r in rows
        ]
        ledger = account(replace(world, data=world.data.with_column("label", given)))
        assert sum("name their labels alike" in note for note in ledger.notes) == 2 * swapped
        assert ledger.honest.low <= right <= ledger.honest.high
        assert ledger.honest.value == pytest.approx(right, abs=0.06)


def test_labels_that_tell_nothing_are_not_undone():
    expected = np.repeat([[0.7, 0.3], [0.2, 0.8]], FEWEST_READ, axis=0)
    codes = np.repeat([1, 0], FEWEST_READ)
    for rate, can in ((0.42, True), (NoiseParams().largest(2), False)):
        noise = LabelNoise(uniform_transition(2, rate), "uniform", rate, rate, expected)
        wanted = undone(noise.transition, codes) if can else noise.posterior(codes, noise.transition)
        np.testing.assert_allclose(noise.inverted(codes), wanted)


def test_neither_coin_flips_nor_an_annotator_who_always_says_the_same_name_a_class_otherwise():
    rng, expected = np.random.default_rng(0), np.repeat([[0.9, 0.1], [0.1, 0.9]], 200, axis=0)
    lost = LabelNoise(uniform_transition(2, NoiseParams().largest(2)), "uniform", 0.45, 0.45, expected)
    right = np.repeat([0, 1], 200)
    assert [(read, given) for read, given, _ in renamed_classes(lost, 1 - right)] == [(0, 1), (1, 0)]
    for codes in (rng.integers(2, size=400), np.zeros(400, np.int64)):
        assert renamed_classes(lost, codes) == []


def test_a_third_of_a_noisy_group_has_no_less_than_is_fitted_there():
    """Two groups with 30 % and no noise; the sureness of their rows allows 5 %."""
    codes = np.array([0, 0])
    noise = LabelNoise(
        np.eye(2), "none", 0.15, 0.1, np.array([[0.8, 0.2], [0.8, 0.2]]), number=np.array([0, 1]), range_of=np.zeros((2, 2)),
        of_group=np.stack([uniform_transition(2, 0.3), np.eye(2)]), names=np.array(["a"]), apart=True,
        hard=np.array([0.05, 0.05]), third=np.array([0, 0]),
    )  # fmt: skip
    most = beyond_the_ends(noise, codes, codes)[-1]
    wanted = [undone(uniform_transition(2, rate), codes)[0] for rate in (0.3, 0.05)]
    np.testing.assert_allclose(most, wanted, atol=1e-12)


@pytest.mark.parametrize("n", [FEWEST_READ - 2, FEWEST_READ + 2])
def test_a_class_that_few_rows_read_like_is_not_said_to_be_named_otherwise(n):
    """All labels are as wrong as is considered; the rows that read like the third class are called the first."""
    limit = NoiseParams().largest(3)
    read = np.concatenate([np.repeat([0, 1], 200), np.full(n, 2)])
    expected, codes = np.eye(3)[read], np.where(read == 2, 0, read)
    noise = LabelNoise(uniform_transition(3, limit), "uniform", limit, limit, expected)
    # Of a hundred rows that read like the first, eighty carry its name.
    codes = np.where((read == 0) & (np.arange(len(read)) % 5 == 0), 1, codes)
    assert [found[:2] for found in renamed_classes(noise, codes)] == ([(2, 0)] if n >= FEWEST_READ else [])
