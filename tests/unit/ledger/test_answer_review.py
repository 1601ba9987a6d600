"""What a review of answers with more than one label a row says of their noise, against planted wrong tags."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.unit.ledger.answer_world import World, f1, truth, world

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, Ledger
from veridical.ledger.ballots import Ballots
from veridical.ledger.noise_shapes import per_cluster
from veridical.ledger.review import inclusion

ROWS = 120


def component(ledger: Ledger, name: str) -> Component:
    return next(found for found in ledger.components if found.name == name)


def points(ledger: Ledger, name: str = "noise") -> tuple[float, float, float]:
    found = component(ledger, name).points
    assert found is not None
    return found.value, found.low, found.high


def everything(made: World) -> np.ndarray:
    return np.ones(len(made.gold), bool)


def as_given(made: World) -> World:
    """The same rows, rightly labelled."""
    return World(made.people, made.right, made.right, made.said, made.seed, made.metric)


@pytest.mark.parametrize("metric", ["entity_f1", "entity_macro_f1", "token_accuracy"])
@pytest.mark.parametrize("leaked", [0.0, 0.3])
def test_components_sum_to_the_gap_to_the_last_digit(metric: str, leaked: float) -> None:
    made = world(1, metric=metric, leaked=leaked)
    ledger = made.account(made.review(made.drawn(ROWS)))
    assert ledger.reported.value - sum(c.points.value for c in ledger.components if c.points) / 100 == ledger.honest.value
    assert component(ledger, "noise").status in ("measured", "not_detected")
    assert ledger.honest.low < ledger.honest.value < ledger.honest.high
    assert sum(ledger.variance.values()) == pytest.approx(1.0)
    assert ledger.variance["review"] > 0


@pytest.mark.parametrize("leaked", [0.0, 0.3])
def test_every_row_reviewed_leaves_the_account_of_right_answers(leaked: float) -> None:
    made = world(2, leaked=leaked)
    game, right = made.game(), as_given(made).game()
    reviewed = type(game)(game.people, game.reported, game.declared, made.review(everything(made)))
    for coalition in (set(), {"sample"}, {"leakage"}, {"leakage", "sample", "protocol"}):
        without, after = right(frozenset(coalition)), reviewed(frozenset({*coalition, "noise"}))
        assert after.score == pytest.approx(without.score, abs=1e-12)
        assert after.influence == pytest.approx(without.influence, abs=1e-9)
        assert not after.review.any()
    if not leaked:
        exact = 100 * (f1(made.gold, made.said) - f1(made.right, made.said))
        alone = game(frozenset()).score - reviewed(frozenset({"noise"})).score
        assert 100 * alone == pytest.approx(exact, abs=1e-9)
        # Weights to the population move the share a little; the play of two players is shown beside it.
        assert points(made.account(made.review(everything(made))))[0] == pytest.approx(exact, abs=0.5)


def test_no_wrong_answer_is_nothing_and_certain_only_where_all_were_read() -> None:
    made = as_given(world(3))
    part = made.account(made.review(made.drawn(ROWS)))
    value, low, high = points(part)
    assert (value, component(part, "noise").status) == (0.0, "not_detected")
    assert low < -0.2
    assert high > 0.2
    assert points(made.account(made.review(everything(made)))) == (0.0, 0.0, 0.0)
    plain = made.account(None)
    assert part.honest.value == pytest.approx(plain.honest.value, abs=1e-12)
    assert part.honest.width > plain.honest.width


def test_nothing_reviewed_leaves_today_s_account() -> None:
    made = world(4)
    ledger = made.account(None)
    assert component(ledger, "noise").status == "skipped"
    assert "review" not in {name for name, share in ledger.variance.items() if share}
    assert any("labels as they are given" in note for note in ledger.notes)


def test_unsure_widens_and_moves_nothing() -> None:
    made = world(5)
    read = made.drawn(ROWS)
    unsure = read & (np.cumsum(read) % 3 == 0)
    fewer = made.account(made.review(read & ~unsure))
    asked = made.account(made.review(read & ~unsure, unsure))
    assert points(asked)[0] == points(fewer)[0]
    assert asked.honest.value == fewer.honest.value
    assert asked.honest.width > fewer.honest.width


def test_every_row_has_a_known_chance_to_be_read() -> None:
    made = world(6, leaked=0.3)
    nothing = made.review(np.zeros(len(made.gold), bool))
    for rows in (8, 60, 150):
        read = made.drawn(rows)
        assert read.sum() == rows
        given = np.bincount(nothing.frame.stratum[read], minlength=len(nothing.frame.names))
        chance = inclusion(nothing.frame, given, done=np.zeros(0, np.int64))[nothing.frame.stratum]
        assert (chance > 0).all()
        # One over the chance counts each reviewed row for the rows that it stands for.
        review = made.review(read)
        by_chance = (review.changed[read] / chance[read]).sum() / len(made.gold)
        assert review.wrong_share.value == pytest.approx(by_chance)
    differs = nothing.declared.differs
    assert made.drawn(150)[differs].mean() > 1.5 * made.drawn(150)[~differs].mean()


def test_a_stratum_of_which_nothing_was_read_counts_with_its_neighbour() -> None:
    made = world(7)
    read = made.drawn(ROWS)
    frame = made.review(read).frame
    for left_out in ([1], [3, 4, 5], [0, 1, 2]):
        ledger = made.account(made.review(read & ~np.isin(frame.stratum, left_out)))
        assert np.isfinite(ledger.honest.width)
        assert component(ledger, "noise").status in ("measured", "not_detected")


def spread_of(made: World, cluster: np.ndarray) -> float:
    """What drawing these rows adds to the score's error, rows counting by these clusters."""
    game, review = made.game(), made.review(made.drawn(ROWS))
    review = replace(review, ballots=Ballots(per_cluster(cluster), cluster))
    full = type(game)(game.people, game.reported, game.declared, review)(frozenset({"sample", "leakage", "noise"}))
    return float(np.linalg.norm(full.review))


def test_families_of_edits_are_one_answer_and_documents_as_many_as_their_rows() -> None:
    """Ten rows a cluster: edits of one row, rightly or wrongly labelled alike, or rows that only stand in one document."""
    edits, documents = [], []
    for seed in range(8):
        alone, together = np.arange(500), np.arange(500) // 10
        for ratios, made in ((edits, world(seed, families=10)), (documents, world(seed))):
            ratios.append(spread_of(made, together) / spread_of(made, alone))
    assert min(edits) > 1.25
    assert np.mean(documents) == pytest.approx(1.0, abs=0.1)


@dataclass
class Read:
    """A made-up test set with 15 % wrong rows, and what was said of it. rows: those of the sheet, (n,). oracle: the same estimate
    by someone who reads every row."""

    made: World
    rows: np.ndarray
    honest: Estimate
    noise: Component
    oracle: Estimate

    @property
    def did(self) -> float:
        """Points that wrong tags added to the score of these rows."""
        return 100 * (f1(self.made.gold, self.made.said) - f1(self.made.right, self.made.said))


@pytest.fixture(scope="module")
def reads() -> list[Read]:
    found = []
    for seed in range(60):
        made = world(100 + seed)
        rows = made.drawn(ROWS)
        found.append(Read(made, rows, *made.quick(made.review(rows)), made.quick(made.review(everything(made)))[0]))
    return found


def test_the_honest_score_covers_the_truth(reads: list[Read]) -> None:
    goal = truth(0.15, 0.1)
    ours = np.array([read.honest.value - goal for read in reads])
    oracle = np.array([read.oracle.value - goal for read in reads])
    # 60 draws at 95 %: fewer than 52 would be a chance of 1 in 150.
    assert sum(read.honest.low <= goal <= read.honest.high for read in reads) >= 52
    assert abs((ours - oracle).mean()) < 3 * (ours - oracle).std() / np.sqrt(len(reads))
    assert np.abs(ours).mean() < 2 * np.abs(oracle).mean()
    assert np.mean([read.honest.width for read in reads]) < 2 * np.mean([read.oracle.width for read in reads])


def test_noise_covers_what_wrong_tags_did(reads: list[Read]) -> None:
    points = [read.noise.points for read in reads]
    assert sum(p.low <= read.did <= p.high for p, read in zip(points, reads, strict=True) if p) >= 52
    off = np.array([p.value - read.did for p, read in zip(points, reads, strict=True) if p])
    assert abs(off.mean()) < 3 * off.std() / np.sqrt(len(reads))
    assert np.mean([read.did for read in reads]) < -4
    assert np.mean([read.noise.status == "measured" for read in reads]) > 0.7


def test_naive_habits_miss_by_more(reads: list[Read]) -> None:
    """The score as given, that of the reviewed rows alone, and that of all rows but those that turned out wrong."""
    goal, missed = truth(0.15, 0.1), []
    for read in reads:
        made, rows = read.made, np.flatnonzero(read.rows)
        kept = [at for at in range(len(made.gold)) if not (read.rows[at] and made.gold[at] != made.right[at])]
        given = f1(made.gold, made.said)
        only = f1([made.right[at] for at in rows], [made.said[at] for at in rows])
        dropped = f1([made.gold[at] for at in kept], [made.said[at] for at in kept])
        missed.append([read.honest.value - goal, given - goal, only - goal, dropped - goal])
    ours, *habits = np.abs(missed).mean(axis=0)
    assert (1.2 * ours < np.array(habits)).all(), (ours, habits)


def test_silent_on_the_clean_twin() -> None:
    for seed in range(20):
        made = as_given(world(300 + seed))
        _, noise = made.quick(made.review(made.drawn(ROWS)))
        assert noise.points is not None
        assert (noise.status, noise.points.value) == ("not_detected", 0.0)
        assert noise.points.low < 0 < noise.points.high


@pytest.mark.parametrize("metric", ["entity_f1", "entity_macro_f1", "padded_accuracy"])
def test_a_type_that_only_reviewers_know_leaves_the_strata_and_counts_as_missed(metric: str) -> None:
    made = world(8, metric=metric)
    rows = made.drawn(ROWS)
    new = [right.replace("-LOC", "-NEW") if yes else right for right, yes in zip(made.right, rows, strict=True)]
    told = World(made.people, new, made.gold, made.said, made.seed, metric)
    review = told.review(rows)
    assert review.frame.sha256 == made.review(np.zeros(len(rows), bool)).frame.sha256
    honest, noise = told.quick(review)
    assert np.isfinite([honest.low, honest.high, noise.mde or np.nan]).all()
    assert honest.value < made.quick(made.review(rows))[0].value
