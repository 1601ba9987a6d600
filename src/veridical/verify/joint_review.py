"""Answers that people read, as they count for several runs at once: the right answer belongs to the row, whoever's sheet drew it.

Letters: n rows, K runs, 3W statistics a row, H strata.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.bootstrap import FloatArray, IntArray
from veridical.dataset.rows import BoolArray
from veridical.ledger.answer_review import AnswerReview, AnswerReviewParams, changes
from veridical.ledger.ballots import Ballots
from veridical.ledger.noise_shapes import per_cluster
from veridical.ledger.review import Frame
from veridical.tasks._contract import Measure


@dataclass(frozen=True, eq=False)
class ReadAnswers:
    """What was read of the n rows. frame: strata in which the rows were drawn, those of several reviews crossed. right: the right
    answer, None where nobody gave one. unsure: rows that a person could not judge, or two persons judged otherwise, (n,)."""

    frame: Frame
    right: Sequence[str | None]
    unsure: BoolArray


@dataclass(frozen=True, eq=False)
class JointReview:
    """The same answers read, beside what each run said. reviews: one a run, over the same strata. carried: weight of each row in
    honest terms, (n,)."""

    reviews: tuple[AnswerReview, ...]
    said: tuple[tuple[str, ...], ...]
    carried: FloatArray

    def rows(self, run: int) -> FloatArray:
        """Statistics of a run as they stand after the review, (n, 3W)."""
        return self.reviews[run].corrected(self.carried, protocol=True).stacked()

    def doubt(self, slopes: FloatArray) -> FloatArray:
        """What reading these rows instead of others adds to the errors of the scores, standard deviations with sign, (K, HK); a
        row whose change is the same for two runs leaves their difference alone. slopes: of the metric for each run, (K, 3W)."""
        first, effects = self.reviews[0], np.stack([review.declared.effect for review in self.reviews])
        left = np.stack([r.left(self.carried, slope, protocol=True) for r, slope in zip(self.reviews, slopes, strict=True)])
        ratios = np.sqrt([r.foreseen_ratio(one, protocol=True) for r, one in zip(self.reviews, left, strict=True)])
        alike = max(first.ballots.alike(one, first.seen, first.cell) for one in left)
        k = len(left)
        covariance = np.zeros((first.n_strata, k, k))
        for a in range(k):
            for b in range(k):
                same = np.array([x == y for x, y in zip(self.said[a], self.said[b], strict=True)], np.float64)
                assumed = first.frame.wrong * effects[a] * effects[b] * same
                foreseen = ratios[a] * ratios[b] * first.mean_of(assumed)
                covariance[:, a, b] = first.shrunk(first.seen_mean(left[a] * left[b]), foreseen, alike=alike)
        parts = [_root(one * reach) for one, reach in zip(covariance, first.reach(self.carried, alike=alike), strict=True)]
        return np.concatenate(parts, axis=1)


def joint_review(
    measure: Measure, read: ReadAnswers, *, gold: Sequence[str], said: tuple[tuple[str, ...], ...], names: tuple[str, ...],
    carried: FloatArray, clusters: IntArray,
) -> JointReview:  # fmt: skip
    """gold: answers as labelled (n,). said: what each run answered, (n,) each. names: what answers are made of in any run and in
    what was read. clusters: rows that hang together, (n,)."""
    seen = np.array([answer is not None for answer in read.right], bool)
    changed = np.array([answer is not None and answer != given for answer, given in zip(read.right, gold, strict=True)], bool)
    ballots = Ballots(per_cluster(clusters), clusters)
    reviews = []
    for one in said:
        found = changes(measure, gold=gold, said=one, right=read.right, names=names)
        reviews.append(AnswerReview(read.frame, seen, read.unsure & ~seen, changed, found, found, AnswerReviewParams(), ballots))
    return JointReview(tuple(reviews), said, carried)


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
