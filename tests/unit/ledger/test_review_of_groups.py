"""What a review says of groups whose labels are wrong more often than those of others, and which rows it asks about."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from tests.unit.ledger.test_interactions import CONTRACT, led_world

from veridical.ledger.accounting import counted_rows
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.review import STRATA, ReviewParams, allocation, apply_answers, draw, frame
from veridical.pipeline.label_reviewing import LabelRun

NONE, N, P = np.zeros(0, np.int64), 800, ReviewParams()


def world(seed, *, rates, told=True):
    """(noise, strata, labels as given, right ones, what a model says, group of each row): as many rows of each group, of which a
    share of labels is wrong that no row shows. told: whether the noise model tells groups."""
    rng, n_groups = np.random.default_rng([seed, 7]), len(rates)
    expected = rng.dirichlet([0.4, 0.4], size=N) * 0.98 + 0.01
    right = (rng.random(N) < expected[:, 1]).astype(np.int64)
    group = np.arange(N) % n_groups
    codes = np.where(rng.random(N) < np.array(rates)[group], 1 - right, right)
    predicted = expected.argmax(axis=1).astype(np.int64)
    noise = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected)
    if told:
        stack = np.repeat(np.eye(2)[None], n_groups + 1, axis=0)
        noise = replace(noise, number=group, of_group=stack, names=np.array([f"g{k}" for k in range(n_groups)]))
    ids = [str(row) for row in range(N)]
    strata = frame(noise, ids=ids, codes=codes, predicted=predicted, leaked=np.zeros(N, bool), params=P)
    return noise, strata, codes, right, predicted, group


def score_of(group, wanted, read, predicted):
    """Accuracy on one group as the review has its labels."""
    rows = np.flatnonzero(group == wanted)
    return read.labels[rows, predicted[rows]].mean()


def reviewed(seed, *, rates, weights=None, told=True, rows=150):
    noise, strata, codes, right, predicted, group = world(seed, rates=rates, told=told)
    weights = np.full(N, 1 / N) if weights is None else weights(group)
    asked = draw(strata, allocation(strata, weights, rows=rows, done=NONE, params=P), done=NONE, seed=seed)
    truth = np.full(N, -1)
    truth[asked] = right[asked]
    read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=P)
    off = [score_of(group, k, read, predicted) - (predicted == right)[group == k].mean() for k in range(len(rates))]
    return np.array(off), read, asked, group


def test_each_group_has_its_own_share_of_wrong_labels():
    """Told by one share for both groups, that of one came out 5 points too small and that of the other as much too large."""

    def off(seed, *, told):
        _, _, codes, right, _, group = world(seed, rates=(0.3, 0.0), told=told)
        _, read, _, _ = reviewed(seed, rates=(0.3, 0.0), told=told)
        wrong = 1 - read.labels[np.arange(N), codes]
        return [wrong[group == k].mean() - (codes != right)[group == k].mean() for k in (0, 1)]

    apart, together = (np.mean([off(seed, told=told) for seed in range(15)], axis=0) for told in (True, False))
    assert np.abs(apart).max() < 0.025
    assert (together * [-1, 1] > 0.04).all()


def test_groups_alike_are_told_alike():
    off = np.array([reviewed(seed, rates=(0.15, 0.15))[0] for seed in range(25)])
    blind = np.array([reviewed(seed, rates=(0.15, 0.15), told=False)[0] for seed in range(25)])
    assert np.abs(off.mean(axis=0)).max() < 0.012
    # Each is told less surely than both together; the mean of both is told as surely.
    assert off.mean(axis=1).std() < 1.15 * blind.mean(axis=1).std()


def test_a_score_of_one_group_is_as_uncertain_as_it_says():
    """A contract that counts 80 % of the group with wrong labels."""
    shares, off, errors = np.array([0.8, 0.2]), [], []
    for seed in range(40):
        gone, read, _, group = reviewed(seed, rates=(0.25, 0.0))
        weight = shares[group] / (N / 2)
        *_, predicted, _ = world(seed, rates=(0.25, 0.0))
        moved = weight * read.change[np.arange(N), predicted] * ~read.seen
        by_cell = np.bincount(read.stratum, moved, minlength=len(read.spread)) * read.spread
        errors.append(np.sqrt((by_cell**2).sum() + ((moved * read.own) ** 2).sum()))
        off.append(gone @ shares)
    assert np.mean(np.abs(off) <= 1.96 * np.array(errors)) >= 0.9
    assert 0.7 < np.mean(np.square(errors)) / np.mean(np.square(off)) < 2.0


def test_rows_are_asked_about_by_what_they_count_for_in_every_score():
    def half_and_mostly_first(group):
        return np.stack([np.full(N, 1 / N), np.where(group == 0, 0.9, 0.1) / (N / 2)])

    _, _, even, group = reviewed(0, rates=(0.1, 0.1))
    _, _, asked, _ = reviewed(0, rates=(0.1, 0.1), weights=half_and_mostly_first)
    assert abs((group[even] == 0).sum() - 75) < 12
    assert (group[asked] == 0).sum() > 85
    assert (group[asked] == 1).sum() > 35


@pytest.mark.parametrize("n_groups", [1, 2, 5, 20])
def test_every_kind_of_row_is_asked_about_however_many_groups_share_it(n_groups):
    _, strata, _, _, _, _ = world(3, rates=(0.1,) * n_groups)
    given = allocation(strata, np.full(N, 1 / N), rows=150, done=NONE, params=P)
    size, kind = np.bincount(strata.stratum, minlength=len(strata.names)), np.arange(len(given)) % len(STRATA)
    assert given.sum() == 150
    assert (given <= size).all()
    assert (np.bincount(kind, given)[:6] >= P.min_rows).all()


def test_strata_are_named_by_their_group():
    _, strata, _, _, _, group = world(0, rates=(0.1, 0.1))
    names = {(strata.names[h].split("; ")[1], int(k)) for h, k in zip(strata.stratum, group, strict=True)}
    assert names == {("g0", 0), ("g1", 1)}
    assert {strata.names[h].split("; ")[0] for h in strata.stratum} == set(STRATA[:6])


def test_what_rows_count_for_is_what_the_contract_says():
    """95 % of one of two groups, in a world where half of the test rows are of each; and no contract."""
    world, _ = led_world(0, everywhere=False)
    mix = replace(CONTRACT, shortcuts=())
    counted = partial(counted_rows, task="classification", labels=world.data.labels, metric=None)
    tables = world.tables(mix)
    honest, under = counted(tables, contract=mix)
    loud = np.array(world.data.table.column("group").to_pylist())[tables.people.rows] == "loud"
    assert honest.sum() == pytest.approx(1)
    assert honest[loud].sum() == pytest.approx(loud.mean(), abs=0.1)
    assert under[loud].sum() == pytest.approx(0.95)
    assert len(counted(world.tables(), contract=None)) == 1


def test_what_is_foreseen_counts_for_as_many_rows_however_many_groups_share_it():
    """Of the same answers, the shares of all groups of a kind together are known as well as the share of the kind."""

    def spread(told):
        noise, strata, codes, right, predicted, _ = world(5, rates=(0.1,) * 8, told=told)
        truth = np.where(np.random.default_rng(0).random(N) < 0.2, right, -1)
        read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=P)
        size = np.bincount(read.stratum, minlength=len(read.spread))
        kind = np.arange(len(size)) % len(STRATA)
        return np.sqrt(np.bincount(kind, (size * read.spread) ** 2))[:6] / np.bincount(kind, size)[:6]

    assert spread(True) == pytest.approx(spread(False), rel=0.25)


def test_groups_alike_leave_each_kind_of_row_its_share_of_the_sheet():
    given = {}
    for n_groups in (1, 8):
        _, strata, _, _, _, _ = world(3, rates=(0.1,) * n_groups)
        asked = allocation(strata, np.full(N, 1 / N), rows=150, done=NONE, params=P)
        given[n_groups] = np.bincount(np.arange(len(asked)) % len(STRATA), asked)
    assert np.abs(given[8] - given[1]).max() <= 6
    assert given[1].max() > 30


def test_a_sheet_of_a_run_with_a_contract_is_drawn_for_both_scores(tmp_path):
    made_up, _ = led_world(0, everywhere=False)
    (tmp_path / "contract.yaml").write_text("name: loud\ngroups: {loud: 0.95, calm: 0.05}\n", encoding="utf-8")
    record = SimpleNamespace(task="classification", labels=made_up.data.labels, metric="accuracy")
    tables = made_up.tables(replace(CONTRACT, shortcuts=()))
    assert len(LabelRun(tmp_path, record, tables).side("test").weights) == 2
    assert len(LabelRun(tmp_path / "none", record, tables).side("test").weights) == 1
