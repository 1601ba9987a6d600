"""Answers that people read, in a comparison: the ledger's own scores, runs that change alike, and the true difference."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.answer_world import STRUCTURE, TYPES, World, f1, world

from veridical.ledger.structured import StructuredGame
from veridical.verify.answered_rows import AnsweredRows, answered_rows
from veridical.verify.comparison import compare
from veridical.verify.joint_review import ReadAnswers
from veridical.verify.paired_terms import honest_terms

ROWS = 120


def read_of(made: World, rows: np.ndarray) -> ReadAnswers:
    right = [answer if yes else None for answer, yes in zip(made.right, rows, strict=True)]
    return ReadAnswers(made.review(np.zeros(len(rows), bool)).frame, right, np.zeros(len(rows), bool))


def compared(made: World, *others: list[str], read: ReadAnswers | None) -> AnsweredRows:
    return answered_rows(
        STRUCTURE, gold=tuple(made.gold), said=tuple(tuple(said) for said in (made.said, *others)), names=TYPES,
        metric=made.metric, clusters=made.people.cluster, people=made.people, read=read,
    )  # fmt: skip


def spoilt(made: World, share: float) -> list[str]:
    """A worse model: the same answers, and nothing found in a share of the rows."""
    rng = np.random.default_rng(made.seed)
    return [" ".join("O" for _ in said.split(" ")) if rng.random() < share else said for said in made.said]


@pytest.mark.parametrize("metric", ["entity_f1", "entity_macro_f1", "token_accuracy"])
@pytest.mark.parametrize("leaked", [0.0, 0.3])
def test_the_score_and_what_the_review_leaves_open_are_the_ledger_s_own(metric: str, leaked: float) -> None:
    made = world(1, metric=metric, leaked=leaked)
    rows = made.drawn(ROWS)
    game = made.game()
    full = StructuredGame(game.people, game.reported, game.declared, made.review(rows))
    value = full(frozenset(full.players))
    terms = honest_terms(compared(made, spoilt(made, 0.2), read=read_of(made, rows)), None)
    assert terms is not None
    assert terms.scores[0] == pytest.approx(value.score, abs=1e-12)
    assert (terms.review[0] ** 2).sum() == pytest.approx((value.review**2).sum(), rel=1e-6)
    without = honest_terms(compared(made, spoilt(made, 0.2), read=None), None)
    assert without is not None
    assert abs(without.scores[0] - terms.scores[0]) > 0.01  # what wrong tags made of it
    assert without.review.shape == (2, 0)


@pytest.mark.parametrize("families", [True, False])
def test_rows_of_one_cluster_count_as_in_the_ledger(families: bool) -> None:
    """Ten rows a cluster, edits of one row or rows that only stand in one document."""
    made = world(1, families=10 if families else 1)
    if not families:
        made = replace(made, people=replace(made.people, cluster=np.arange(500) // 10))
    rows = made.drawn(ROWS)
    game = made.game()
    value = StructuredGame(game.people, game.reported, game.declared, made.review(rows))(
        frozenset({"sample", "leakage", "noise"})
    )
    terms = honest_terms(compared(made, made.said, read=read_of(made, rows)), None)
    assert terms is not None
    assert (terms.review[0] ** 2).sum() == pytest.approx((value.review**2).sum(), rel=1e-6)
    alone = replace(made, people=replace(made.people, cluster=np.arange(500)))
    apart = honest_terms(compared(alone, made.said, read=read_of(made, rows)), None)
    assert apart is not None
    ratio = np.linalg.norm(terms.review[0]) / np.linalg.norm(apart.review[0])
    assert ratio > 1.25 if families else ratio < 1.15


def test_runs_that_change_alike_are_as_far_apart_as_before() -> None:
    """The same answers twice: the review moves both, and leaves their difference without any doubt."""
    made = world(2)
    found = compare(compared(made, made.said, read=read_of(made, made.drawn(ROWS))))
    (pair,) = found.pairs
    assert pair.honest is not None
    assert (pair.honest.points.value, pair.honest.p, pair.honest.told) == (0.0, 1.0, False)
    terms = honest_terms(compared(made, made.said, read=read_of(made, made.drawn(ROWS))), None)
    assert terms is not None
    assert np.abs(terms.review[0] - terms.review[1]).max() < 1e-9


def test_a_review_of_every_row_turns_the_lead_that_wrong_tags_gave() -> None:
    """The other run says what wrong tags say: it leads as labelled, and trails by right ones."""
    made = world(3, wrong=0.3)
    other = [given if given != right else said for given, right, said in zip(made.gold, made.right, made.said, strict=True)]
    before = compare(compared(made, other, read=None)).pairs[0].honest
    after = compare(compared(made, other, read=read_of(made, np.ones(len(made.gold), bool)))).pairs[0].honest
    assert before is not None
    assert after is not None
    assert (before.told, before.points.value > 2) == (True, True)
    assert (after.told, after.points.value < -2) == (True, True)


def test_the_difference_after_a_review_holds_the_true_one() -> None:
    """Two runs, wrong tags that help one of them: 40 test sets of which 120 of 300 rows are read."""
    inside, moved = 0, []
    for seed in range(40):
        made = world(100 + seed, n=300, wrong=0.2, shared=0.5)
        people = replace(made.people, basis=made.people.basis[:, :1], target=np.ones(1), target_covariance=np.zeros((1, 1)))
        made = replace(made, people=people)
        other = [g if g != r else s for g, r, s in zip(made.gold, made.right, spoilt(made, 0.1), strict=True)]
        true = f1(made.right, other) - f1(made.right, made.said)
        rows = compared(made, other, read=read_of(made, made.drawn(ROWS)))
        terms = honest_terms(rows, None)
        assert terms is not None
        doubt = terms.review[1] - terms.review[0]
        off = float(terms.scores[1] - terms.scores[0]) - true
        inside += abs(off) <= 1.96 * float(np.sqrt(doubt @ doubt)) + 1e-12
        moved.append(f1(made.gold, other) - f1(made.gold, made.said) - true)
    assert inside >= 34  # of 40, were it 95 %: fewer come once in 70 times
    assert abs(np.mean(moved)) > 0.005  # and there was something to be corrected
