"""Which rows are shown, and what answers say about the others."""

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made

from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.review import ReviewParams, allocation, apply_answers, draw, frame

NONE = np.zeros(0, np.int64)


def setting(n=600, *, seed=0, leaked=0):
    rng = np.random.default_rng(seed)
    expected = rng.dirichlet([0.4, 0.4], size=n) * 0.98 + 0.01
    codes = (rng.random(n) < expected[:, 1]).astype(np.int64)
    predicted = expected.argmax(axis=1).astype(np.int64)
    noise = LabelNoise(np.eye(2), "none", 0.0, 0.1, expected)
    lost = np.arange(n) < leaked
    strata = frame(noise, ids=[str(i) for i in range(n)], codes=codes, predicted=predicted, leaked=lost, params=ReviewParams())
    return noise, strata, codes, predicted


@pytest.mark.parametrize("rows", [10, 48, 150, 400])
def test_as_many_rows_as_asked_and_no_stratum_beyond_its_size(rows):
    _, strata, _, _ = setting()
    given = allocation(strata, np.full(600, 1 / 600), rows=rows, done=NONE, params=ReviewParams())
    size = np.bincount(strata.stratum, minlength=len(given))
    assert given.sum() == rows
    assert (given <= size).all()
    if rows >= 150:
        assert (given[size >= 8][:6] >= 8).all()
    drawn = draw(strata, given, done=NONE, seed=0)
    assert len(set(drawn.tolist())) == rows


def test_leaked_rows_get_their_share():
    _, strata, _, _ = setting(leaked=200)
    given = allocation(strata, np.full(600, 1 / 600), rows=150, done=NONE, params=ReviewParams())
    assert given[6:].sum() >= 15
    assert given.sum() == 150


def test_a_later_round_shows_other_rows():
    _, strata, _, _ = setting()
    weights = np.full(600, 1 / 600)
    first = draw(strata, allocation(strata, weights, rows=100, done=NONE, params=ReviewParams()), done=NONE, seed=0)
    second = draw(strata, allocation(strata, weights, rows=100, done=first, params=ReviewParams()), done=first, seed=0)
    assert not set(first.tolist()) & set(second.tolist())


def test_everything_reviewed_leaves_no_doubt():
    noise, strata, codes, predicted = setting()
    truth = 1 - codes
    read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=ReviewParams())
    assert np.array_equal(read.labels, np.eye(2)[truth])
    assert not read.change.any()
    assert read.wrong_seen == 600


def test_no_error_seen_is_not_no_variance():
    noise, strata, codes, predicted = setting()
    truth = np.full(600, -1)
    drawn = draw(strata, allocation(strata, np.full(600, 1 / 600), rows=150, done=NONE, params=ReviewParams()), done=NONE, seed=0)
    truth[drawn] = codes[drawn]
    read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=ReviewParams())
    assert 1 - read.labels[np.arange(600), codes].mean() < 0.01
    assert (read.spread[np.unique(strata.stratum)] > 0).all()


def test_more_answers_narrow_and_unsure_ones_widen():
    world = made(seed=1, flipped=0.15)
    rows = [row for row in world.right if row.startswith("b")]
    some = {row: world.right[row] for row in rows[:80]}
    more = {row: world.right[row] for row in rows[:200]}
    unsure = {**some, **dict.fromkeys(rows[40:80], "unsure")}
    widths = {
        name: account(world, answers=answers).honest.width
        for name, answers in (("some", some), ("more", more), ("unsure", unsure))
    }
    assert widths["more"] < widths["some"] < widths["unsure"]


def test_leaked_rows_fill_up_when_nothing_else_is_left():
    _, strata, _, _ = setting(leaked=600)
    given = allocation(strata, np.full(600, 1 / 600), rows=150, done=NONE, params=ReviewParams())
    assert given.sum() == 150


def test_unsure_answers_move_no_value():
    world = made(seed=5, flipped=0.1)
    rows = [row for row in world.right if row.startswith("b")][:120]
    some = {row: world.right[row] for row in rows[:60]}
    sure = account(world, answers=some)
    mixed = account(world, answers={**some, **dict.fromkeys(rows[60:], "unsure")})
    assert mixed.honest.value == pytest.approx(sure.honest.value, abs=1e-12)
    assert mixed.honest.width > 1.2 * sure.honest.width
    without, undecided = account(world), account(world, answers=dict.fromkeys(rows, "unsure"))
    assert undecided.honest == without.honest
    assert any("No answer of the review decides a label" in note for note in undecided.notes)
