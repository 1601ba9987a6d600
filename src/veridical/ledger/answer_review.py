"""A person reviews some answers of a task with more than one label a row: which rows to show, and what they say of the others.

Rows are stratified by whether the model's answer differs from the one given and by how much the score would change; random inside
a stratum, so that every row has a known chance to be read. A row that was read counts with its right answer, each other row with
the mean change of the read rows of its stratum: a difference estimator (Saerndal, Swensson and Wretman 1992, Model Assisted
Survey Sampling). Rows of one cluster are as many answers as their changes are unlike (`ballots`). Nothing is assumed of who is
wrong, and no label is guessed. To follow in part what would change were the model's answer right (a regression estimator) made
intervals 4 to 12 % and errors 0 to 4 % smaller on made-up tags; left out.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from veridical.core.estimate import Estimate
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.ballots import Ballots
from veridical.ledger.review import AGREEING, STRATA, Frame, agreeing
from veridical.ledger.wrong_share import read_cells, wrong_share
from veridical.models.model import FloatArray
from veridical.tasks._contract import Margins, Measure
from veridical.tasks._totals import gradient


@dataclass(frozen=True)
class AnswerReviewParams:
    """Settings of the review."""

    prior_rate: float = 0.05
    """Share of rows with a wrong answer assumed when choosing rows, 0..1. Ours; no source."""
    agreed_rate: float = 0.01
    """Share of wrong items, one more than the row holds, assumed where the model says what is given, 0..1. Ours; no source."""
    most: float = 0.5
    """Largest such chance of a row, 0..1. Ours; no source."""
    leaked_share: float = 0.02
    """Share of leaked test rows from which they have strata of their own. As for one label a row."""
    trusted_disagree: float = 4.0
    """Rows that the foreseen spread counts for in a stratum where the model differs. Ours, by
    tests/unit/ledger/test_answer_review.py."""
    trusted_agree: float = 12.0
    """The same where it says what is given: few rows change there, and none seen is not none. Ours, by the same test."""


@dataclass(frozen=True, eq=False)
class Changes:
    """What other right answers change in the statistics of the n test rows under one measure.

    given: statistics as labelled. shown: (n, 3W), the change were the model's own answer right. found: (n, 3W), the change by the
    reviewer's answer; 0 where none was given. slopes: of the metric at the totals as given, (3W,).
    """

    given: Margins
    shown: FloatArray
    found: FloatArray
    slopes: FloatArray

    @cached_property
    def stacked(self) -> FloatArray:
        return self.given.stacked()

    @cached_property
    def differs(self) -> BoolArray:
        """Rows to which the model says otherwise than is given, (n,)."""
        return np.asarray((np.abs(self.shown) > 1e-9).any(axis=1))

    @cached_property
    def items(self) -> FloatArray:
        """What there is to be found in each row, (n,)."""
        return np.asarray(self.given.true.sum(axis=1))

    @cached_property
    def effect(self) -> FloatArray:
        """How much the mean score would change by one wrong answer, times n, (n,): by the model's answer where it differs, by one
        item found wrongly where it does not."""
        worth = np.abs(self.slopes[: self.given.true.shape[1]])
        total = self.given.true.sum(axis=0)
        item = float(worth @ total / max(float(total.sum()), 1e-12))
        return np.where(self.differs, np.maximum(np.abs(self.shown @ self.slopes), item / 2), item)

    def mixed(self, edited: "Changes", share: float) -> "Changes":
        """Of rows of which a share arrives as in `edited`."""

        def both(one: FloatArray, other: FloatArray) -> FloatArray:
            return (1 - share) * one + share * other

        given = Margins(*np.split(both(self.stacked, edited.stacked), 3, axis=1))
        return replace(self, given=given, shown=both(self.shown, edited.shown), found=both(self.found, edited.found))


def changes(
    measure: Measure, *, gold: Sequence[str], said: Sequence[str], right: Sequence[str | None], names: tuple[str, ...]
) -> Changes:
    """gold: answers given, said: those of the model, right: those of a reviewer, None where there is none; n each."""
    corrected = [label if answer is None else answer for label, answer in zip(gold, right, strict=True)]
    counted = measure.margins([*gold, *said, *corrected], [*said, *said, *said], names).stacked()
    given, own, found = np.split(counted, 3)
    margins = Margins(*np.split(given, 3, axis=1))
    absent = (margins.true + margins.predicted).sum(axis=0) == 0
    # Where nothing of a name is given or said, a mean over names jumps with the first: there is no slope to speak of.
    slopes = np.where(np.tile(absent, 3), 0.0, gradient(measure.metric, given.mean(axis=0)))
    return Changes(margins, own - given, found - given, slopes)


def answer_frame(changes: Changes, *, ids: list[str], leaked: BoolArray, params: AnswerReviewParams) -> Frame:
    """Strata of the test rows, named as those of rows with one label."""
    differs, effect = changes.differs, changes.effect
    by_luck = np.clip(params.prior_rate / max(float(differs.mean()), 1e-12), params.prior_rate, params.most)
    agreed = np.clip(params.agreed_rate * (changes.items + 1), 0.0, params.most)
    wrong = np.where(differs, by_luck, agreed)
    apart = leaked if leaked.mean() >= params.leaked_share else np.zeros(len(leaked), bool)
    stratum = np.where(differs, STRATA.index("leaked, disagree"), STRATA.index("leaked, agree")).astype(np.int64)
    # Rounded, so that rows alike but for the last digit stay in their order whatever names other answers bring.
    worth = np.round(effect * np.sqrt(wrong) / max(float(effect.max()), 1e-12), 9)
    for first, side in ((0, differs), (AGREEING[0], ~differs)):
        rows = np.flatnonzero(side & ~apart)
        order = rows[np.argsort(-worth[rows], kind="stable")]
        for tercile, part in enumerate(np.array_split(order, 3)):
            stratum[part] = first + tercile
    digest = hashlib.sha256("\n".join(f"{i}\t{s}" for i, s in zip(ids, stratum, strict=True)).encode()).hexdigest()
    return Frame(stratum, wrong, STRATA, digest)


@dataclass(frozen=True, eq=False)
class AnswerReview:
    """What was read of the n test rows. seen: rows with a right answer, unsure: those that a person could not judge,
    changed: those whose answer is not the one given, (n,). ballots: what rows count for."""

    frame: Frame
    seen: BoolArray
    unsure: BoolArray
    changed: BoolArray
    reported: Changes
    declared: Changes
    params: AnswerReviewParams
    ballots: Ballots
    edited: tuple[Changes, Changes] | None = None
    """The same of texts edited as a contract says, mean over the draws: as reported, as declared."""

    @property
    def n_seen(self) -> int:
        return int(self.seen.sum())

    @property
    def wrong_seen(self) -> int:
        return int((self.changed & self.seen).sum())

    @property
    def wrong_share(self) -> Estimate:
        """Share of the test rows with a wrong answer, by the chance of each reviewed row to be read."""
        return wrong_share(
            self.frame.stratum, seen=self.seen, unsure=self.unsure, wrong=self.changed, cluster=self.ballots.cluster,
            n_strata=self.n_strata,
        )  # fmt: skip

    def imagined(self, chosen: IntArray, hit: BoolArray) -> "AnswerReview":
        """The review with more rows read: those of `hit` (n,) with another right answer, the model's own or, where that is given,
        one of which nothing is right."""
        seen = self.seen.copy()
        seen[chosen] = True

        def further(changes: Changes) -> Changes:
            width = changes.given.right.shape[1]
            missed = np.concatenate([-changes.given.right, np.zeros((len(seen), 2 * width))], axis=1)
            other = np.where(changes.differs[:, None], changes.shown, missed)
            return replace(changes, found=np.where((hit & ~self.seen)[:, None], other, changes.found))

        reported = further(self.reported)
        declared = reported if self.declared is self.reported else further(self.declared)
        return replace(self, seen=seen, changed=self.changed | hit, reported=reported, declared=declared)

    @cached_property
    def cell(self) -> IntArray:
        """Each row's stratum, (n,); one in which nothing was read counts with the nearest of its kind that was."""
        return read_cells(self.frame.stratum, self.seen, n_strata=len(self.frame.names))

    def _changes(self, *, protocol: bool, edits: float) -> Changes:
        plain = self.declared if protocol else self.reported
        return plain.mixed(self.edited[protocol], edits) if edits and self.edited else plain

    def corrected(self, carried: FloatArray, *, protocol: bool, edits: float = 0.0) -> Margins:
        """Statistics as they stand after the review. carried: weight with which each row enters the totals, (n,). edits: share of
        rows that arrives edited."""
        changes = self._changes(protocol=protocol, edits=edits)
        rows = changes.stacked + np.where(self.seen[:, None], changes.found, self._means(changes, carried)[self.cell])
        return Margins(*np.split(rows, 3, axis=1))

    def spread(self, carried: FloatArray, slopes: FloatArray, *, protocol: bool, edits: float = 0.0) -> FloatArray:
        """What drawing these rows instead of others adds to a score's error, a standard deviation for each stratum, (H,).

        carried, edits: as in `corrected`. slopes: of the metric at the corrected totals, (3W,)."""
        left = self.left(carried, slopes, protocol=protocol, edits=edits)
        alike = self.ballots.alike(left, self.seen, self.cell)
        assumed = self.frame.wrong * self._changes(protocol=protocol, edits=edits).effect ** 2
        foreseen = self.foreseen_ratio(left, protocol=protocol, edits=edits) * self.mean_of(assumed)
        variance = self.shrunk(self.seen_mean(left**2), foreseen, alike=alike)
        return np.asarray(np.sqrt(variance * self.reach(carried, alike=alike)))

    def shrunk(self, seen: FloatArray, foreseen: FloatArray, *, alike: float) -> FloatArray:
        """Variance of a row's change in each stratum, (H,): that of the read rows, pulled towards the foreseen one."""
        asked = self.ballots.answers(self.seen, self.cell, self.n_strata, alike=alike)
        return np.asarray((asked * seen + self.strength * foreseen) / (np.maximum(asked - 1, 0) + self.strength))

    def seen_mean(self, values: FloatArray) -> FloatArray:
        """Mean of values (n,) over the votes of the read rows of each stratum, (H,); 0 where none was read."""
        voted = np.maximum(self.ballots.total(self.seen, self.cell, self.n_strata), 1e-300)
        return np.asarray(np.bincount(self.cell, np.where(self.seen, self.ballots.vote * values, 0.0), self.n_strata) / voted)

    @property
    def n_strata(self) -> int:
        return len(self.frame.names)

    @cached_property
    def asked(self) -> IntArray:
        """Rows read of each stratum, (H,)."""
        return np.bincount(self.cell[self.seen], minlength=self.n_strata)

    @cached_property
    def strength(self) -> FloatArray:
        """Rows that the foreseen spread counts for in each stratum, (H,)."""
        return np.where(agreeing(self.n_strata), self.params.trusted_agree, self.params.trusted_disagree)

    def left(self, carried: FloatArray, slopes: FloatArray, *, protocol: bool, edits: float = 0.0) -> FloatArray:
        """How far each read row's change lies from its stratum's mean, in the metric, (n,); 0 for the others."""
        changes = self._changes(protocol=protocol, edits=edits)
        means = self._means(changes, carried)
        return np.where(self.seen, (changes.found - means[self.cell]) @ slopes, 0.0)

    def mean_of(self, values: FloatArray) -> FloatArray:
        """Mean of values (n,) over the rows of each stratum, (H,)."""
        size = np.bincount(self.cell, minlength=self.n_strata)
        return np.asarray(np.bincount(self.cell, values, minlength=self.n_strata) / np.maximum(size, 1))

    def foreseen_ratio(self, left: FloatArray, *, protocol: bool, edits: float = 0.0) -> float:
        """What all reviewed rows showed over what was assumed of them when the rows were chosen, as if one more had changed."""
        effect, seen = self._changes(protocol=protocol, edits=edits).effect, self.seen
        one = float((effect[seen] ** 2).mean())  # so that none seen is not none
        weight = self.ballots.evidence(seen, alike=self.ballots.alike(left, seen, self.cell))[seen]
        return (float(weight @ left[seen] ** 2) + one) / (float(weight @ (self.frame.wrong * effect**2)[seen]) + one)

    def reach(self, carried: FloatArray, *, alike: float) -> FloatArray:
        """What the variance of a row of each stratum is multiplied by in a score's, (H,)."""
        seen, cell, n_strata = self.seen, self.cell, self.n_strata
        # A read row carries its own weight, which its cluster varies with, and that of the unread rows it stands for.
        unread = np.bincount(cell[~seen], carried[~seen], minlength=n_strata)
        stands = np.where(seen, carried + unread[cell] * self._votes(carried), 0.0)
        own, whole = (self.ballots.squared(weight, seen, cell, n_strata, alike=alike) for weight in (carried, stands))
        undecided = np.bincount(cell[self.unsure], minlength=n_strata)
        together = undecided / np.maximum(self.asked + undecided, 1) * np.bincount(cell, carried, minlength=n_strata)
        return np.asarray(np.maximum(whole - own, 0.0) + together**2)

    def _votes(self, carried: FloatArray) -> FloatArray:
        """Share of each reviewed row in its stratum's mean, (n,): as it counts in the totals, evenly where none there counts."""
        weight = np.where(self.seen, np.maximum(carried, 0.0), 0.0)
        whole = np.bincount(self.cell, weight, minlength=len(self.frame.names))
        asked = np.bincount(self.cell[self.seen], minlength=len(self.frame.names))
        even = (whole <= 1e-12)[self.cell]
        return np.where(
            self.seen, np.where(even, 1.0, weight) / np.where(whole <= 1e-12, np.maximum(asked, 1), whole)[self.cell], 0.0
        )

    def _means(self, changes: Changes, carried: FloatArray) -> FloatArray:
        """Mean change of the reviewed rows of each stratum, (H, 3W)."""
        means = np.zeros((len(self.frame.names), changes.shown.shape[1]))
        np.add.at(means, self.cell[self.seen], (self._votes(carried)[:, None] * changes.found)[self.seen])
        return means
