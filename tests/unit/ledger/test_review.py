"""Which rows are shown, and what answers say about the others."""

from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS, account, made

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.ledger.accounting import game_of, tables_of
from veridical.ledger.ballots import Ballots
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.review import (
    FIRST_LEAKED,
    Review,
    ReviewParams,
    _foreseen,
    _weighing,
    allocation,
    apply_answers,
    draw,
    frame,
)

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


DRAWS, ROWS = 150, 300


def of_rows(tables, rows, *, codes, target):
    """The tables of some rows alone, under other labels."""
    people, n = tables.people, len(rows)
    some = {name: getattr(people, name)[rows] for name in ("rows", "cluster", "leaked", "basis")}
    moved = {name: getattr(tables.transfer, name)[rows] for name in ("group", "edited")}
    kept = {name: getattr(tables, name)[rows] for name in ("ids", "predicted", "elsewhere", "cue_present", "cue_predictions")}
    return replace(
        tables, **kept, codes=codes, looks=np.zeros((0, n), np.int64), transfer=replace(tables.transfer, **moved),
        noise=replace(tables.noise, expected=tables.noise.expected[rows]),
        people=replace(people, **some, vote=np.full(n, 1 / n), target=target),
    )  # fmt: skip


def honest_after(tables, right, labels, *, read, seed):
    """(honest score, its standard error) once so many rows were read."""
    ids, people = [str(row) for row in tables.ids], tables.people
    strata = frame(
        tables.noise, ids=ids, codes=tables.codes, predicted=tables.predicted, leaked=people.leaked, params=ReviewParams()
    )
    weights = people.projection(~people.leaked) @ people.target
    given = allocation(strata, weights, rows=read, done=NONE, params=ReviewParams())
    answers = {ids[row]: labels[right[row]] for row in draw(strata, given, done=NONE, seed=seed)}
    game = game_of(tables, task="classification", labels=labels, contract=None, review=Review(answers), metric=None)
    value = game(frozenset(game.active))
    return value.score, game.uncertainty().standard_error(value)


@pytest.mark.parametrize(("wrong", "read"), [(0.15, 150), (0.3, 100)])
def test_a_score_after_a_review_is_as_uncertain_as_it_says(wrong, read):
    """Test sets of 300 rows drawn from one population, some labels wrong. Without what a read row tells of itself and of those it
    stands for at once, the claimed variance was 0.6 to 0.75 of the true one, and intervals covered 87 to 92 %."""
    world = pool()
    tables = world.tables()
    fresh = np.flatnonzero(~tables.people.leaked)
    truth = float((tables.predicted == tables.codes)[fresh].mean())
    off, errors = [], []
    for seed in range(DRAWS):
        rng = np.random.default_rng([seed, int(100 * wrong)])
        rows = rng.choice(fresh, ROWS, replace=False)
        right = tables.codes[rows]
        codes = np.where(rng.random(ROWS) < wrong, 1 - right, right)
        some = of_rows(tables, rows, codes=codes, target=tables.people.basis[fresh].mean(axis=0))
        score, error = honest_after(some, right, world.data.labels, read=read, seed=seed)
        off.append(score - truth)
        errors.append(error)
    covered = np.mean(np.abs(off) <= 1.96 * np.array(errors))
    assert abs(np.mean(off)) < 0.012
    assert 0.8 < np.mean(np.square(errors)) / np.var(off) < 1.5  # of 1; a standard error of 150 draws is 0.12
    assert covered >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / DRAWS)


@cache
def pool():
    return made(seed=1, n_test=6000, n_truth=10)


def test_a_stratum_almost_all_wrong_keeps_its_share():
    """Chances of 0.2 to 0.9 times a factor would be cut at 1 and their mean fall short of what the answers say."""
    noise, strata, codes, predicted = setting(n=2000)
    rows = np.flatnonzero(strata.stratum == 1)
    truth = np.full(2000, -1)
    truth[rows[::2]] = predicted[rows[::2]]
    read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=ReviewParams())
    unread, n = rows[1::2], len(rows[::2])
    assert n > 50
    assert np.ptp(read.labels[unread, predicted[unread]]) > 0.005
    assert read.labels[unread, predicted[unread]].mean() > n / (n + ReviewParams().strength_disagree) - 0.005
    step = 1e-4
    moved = (read.labels[unread] + step * read.change[unread])[np.arange(len(unread)), predicted[unread]]
    assert moved.mean() - read.labels[unread, predicted[unread]].mean() == pytest.approx(step, rel=0.1)


def test_what_is_seen_of_leaked_rows_is_said_of_leaked_rows():
    """A model contradicts the labels of rows it has read because these are wrong, those of others because it errs."""
    noise, strata, codes, predicted = setting(n=2000, leaked=600)
    against, rng = predicted != codes, np.random.default_rng(1)
    leaked, truth = np.arange(2000) < 600, np.full(2000, -1)
    for part, said in ((leaked & against, predicted), (~leaked & against, codes)):
        some = rng.permutation(np.flatnonzero(part))[:10]
        truth[some] = said[some]
    read = apply_answers(noise, strata, truth=truth, codes=codes, predicted=predicted, params=ReviewParams())
    wrong = 1 - read.labels[np.arange(2000), codes]
    assert wrong[leaked & against].mean() > 0.85
    assert wrong[~leaked & against].mean() < 0.1


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "mcc"])
@pytest.mark.parametrize("players", [("noise",), ("noise", "leakage"), ("noise", "sample", "leakage")])
def test_what_unread_labels_bring_is_how_the_score_moves_with_them(metric, players):
    """The deviation of each stratum is the change of the score per unit of its share of wrong labels, times what the share may be
    off by; found here by moving the labels a little. What the model said does not move with them, in any metric."""
    world = made(seed=6, flipped=0.1, leaked=60)
    test = [row for row, split in zip(world.data.ids, world.data.splits, strict=True) if split == "test"]
    game = game_of(
        world.tables(), task="classification", labels=world.data.labels, contract=None, metric=metric,
        review=Review({row: world.right[row] for row in test[::3]}),
    )  # fmt: skip
    reviewed, coalition, step = game.reviewed, frozenset(players), 1e-5
    found = game(coalition).review[: len(reviewed.spread)]
    for stratum in np.unique(reviewed.stratum):
        rows = ((reviewed.stratum == stratum) & ~reviewed.seen)[:, None]
        moved = [replace(game, labels=game.labels + sign * step * reviewed.change * rows)(coalition).score for sign in (1, -1)]
        slope = (moved[0] - moved[1]) / (2 * step)
        filled_in = "leakage" in players and "sample" not in players and stratum >= FIRST_LEAKED  # their own label hardly counts
        assert found[stratum] == pytest.approx(slope * reviewed.spread[stratum], abs=2e-4 if filled_in else 1e-6)
    assert np.abs(found).max() > 1e-3


@pytest.mark.parametrize("seed", [0, 3])
def test_a_family_of_hard_rows_does_not_decide_what_a_review_says_of_the_others(seed):
    """Eighty edits of one rightly labelled row that the model gets wrong beside 300 rows of which a fifth are mislabelled: they
    fill the stratum in which model and label disagree, and are one cluster of 301. Counted by rows the score fell by 4 to 6
    points of what all labels give."""
    world = made(seed=seed, n_train=900, n_test=300, flipped=0.2, n_truth=10)
    data, right = world.data, dict(world.right)
    rows = [(row["id"], row["split"], row["text"], row["label"]) for row in data.table.to_pylist()]
    said = world.model.predict(data.inputs()).argmax(axis=1)
    hard = next(r for r in data.rows("test") if right[data.ids[r]] == LABELS[data.codes[r]] and said[r] != data.codes[r])
    rows += [(f"edit{k}", "test", f"{rows[hard][2]} x{k}", rows[hard][3]) for k in range(80)]
    right |= {f"edit{k}": rows[hard][3] for k in range(80)}
    more = dataset(rows)
    trained = replace(world.trained, ids=tuple(more.ids), probabilities=world.model.predict(more.inputs()))
    tables = tables_of(trained, evidence=Evidence(more, seed=0), contract=None, seed=0)
    ids = [str(row) for row in tables.ids]
    strata = frame(
        tables.noise, ids=ids, codes=tables.codes, predicted=tables.predicted, leaked=tables.people.leaked, params=ReviewParams()
    )
    given = allocation(strata, tables.people.vote, rows=100, done=NONE, params=ReviewParams())
    samples = [{ids[at]: right[ids[at]] for at in draw(strata, given, done=NONE, seed=k)} for k in range(4)]
    told = [account(replace(world, data=more), tables=tables, answers=answers).honest.value for answers in samples]
    whole = account(replace(world, data=more), tables=tables, answers={row: right[row] for row in ids}).honest.value
    assert np.mean(told) == pytest.approx(whole, abs=0.025)


def test_a_document_is_as_many_answers_as_its_rows_are_unlike():
    """Wrong labels fall evenly on ten documents of sixty rows, each with one vote or by families that share their answer. Counted
    as one answer a document, 120 rows read said hardly more than the noise model had assumed before."""
    noise, strata, codes, predicted = setting()
    given = allocation(strata, np.full(600, 1 / 600), rows=120, done=NONE, params=ReviewParams())
    document, ratios = np.arange(600) % 10, {"even": [], "by document": []}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        read = np.isin(np.arange(600), draw(strata, given, done=NONE, seed=seed))
        for kind, wrong in (("even", rng.random(600) < 0.3), ("by document", (rng.random(10) < 0.3)[document])):
            truth = np.where(read, np.where(wrong, 1 - codes, codes), -1)
            asked = partial(apply_answers, noise, strata, truth=truth, codes=codes, predicted=predicted, params=ReviewParams())
            one, alone = asked(ballots=Ballots(np.full(600, 1 / 60), document)), asked()
            ratios[kind].append(np.linalg.norm(one.spread) / np.linalg.norm(alone.spread))
            if kind == "even":
                assert one.labels[:, 0].mean() == pytest.approx(alone.labels[:, 0].mean(), abs=0.015)
    even, by_document = (np.mean(ratios[kind]) for kind in ("even", "by document"))
    assert even < 1.02
    assert by_document > even + 0.05


@pytest.mark.parametrize("worth", [0.0, 2.0])
def test_answers_tell_how_much_the_models_word_is_worth(worth):
    """Truths drawn with the model's answer likelier by known log odds than text and label say; where few rows were read, less is
    made of it, and of leaked rows nothing is said by the others."""
    rng = np.random.default_rng(0)
    blind = rng.dirichlet([1.0, 1.0, 1.0], size=4000)
    predicted = rng.integers(0, 3, 4000)
    drawn = blind * np.exp(worth * np.eye(3)[predicted])
    drawn /= drawn.sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in drawn])
    unleaked = np.arange(4000) >= 500
    weighed = {
        read: _weighing(
            blind, truth=truth, predicted=predicted, seen=np.arange(4000) >= 4000 - read, of=unleaked, vote=np.ones(4000)
        )
        for read in (3000, 5, 0)
    }
    assert weighed[3000][unleaked] == pytest.approx(drawn[unleaked], abs=0.05)
    assert weighed[0] == pytest.approx(blind)
    assert weighed[3000][~unleaked] == pytest.approx(blind[~unleaked])
    moved = [np.abs(weighed[read] - blind)[unleaked].mean() for read in (3000, 5)]
    assert worth == 0 or moved[1] < moved[0]


def test_no_hit_at_all_does_not_mean_none_anywhere():
    """Half of what the model agrees with was read and every label was right; among read and leaked rows `of_leaked` counts."""
    noise, strata, codes, predicted = setting(leaked=200)
    rng = np.random.default_rng(0)
    agree, leaked = predicted == codes, np.arange(600) < 200
    read = np.where(agree, rng.random(600) < 0.5, True)
    truth = np.where(read, np.where(agree | (rng.random(600) < 0.5), codes, predicted), -1)
    hit = read & ~agree & (truth == predicted)

    def foreseen(rows):
        return _foreseen(
            noise, strata.stratum, truth=truth, codes=codes, predicted=predicted, hit=hit, vote=np.ones(600), graded=False,
            params=replace(ReviewParams(), foreseen_rows=rows),
        )[3]  # fmt: skip

    modelled = foreseen(1e12)  # nothing that was read scales it
    for of, share in ((agree & ~leaked, 1.0), (agree & leaked, ReviewParams().of_leaked)):
        rows = share * ReviewParams().foreseen_rows
        expected = modelled[of & read].sum()
        shrunk = foreseen(ReviewParams().foreseen_rows)[of] / modelled[of]
        assert expected > 0.1
        np.testing.assert_allclose(shrunk[modelled[of] > 1e-5], rows / (expected + rows), rtol=1e-6)
