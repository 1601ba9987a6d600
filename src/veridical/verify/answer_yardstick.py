"""The yardstick where an answer is more than one label: statistics of whole answers in the place of classes.

Letters: L rows, K clusters, W columns of the measure's statistics, S models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.errors import InputError
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray
from veridical.tasks._contract import Margins, Measure, Metric
from veridical.verify.scoring import Ballot, Labels, seats

EQUAL = 1e-9
"""Difference up to which two statistics count as equal: F1 of one answer is a quotient. Ours; no source."""


@dataclass(frozen=True, eq=False)
class AnswerYardstick:
    """Rows with answers as the label column stores them. right: (L,); rows without a known answer are not among them. names: what
    answers are made of. The rest as in `Yardstick`."""

    rows: IntArray
    right: Labels
    clusters: IntArray
    votes: FloatArray
    n_clusters: int
    measure: Measure
    names: tuple[str, ...]

    @property
    def metric(self) -> Metric:
        return self.measure.metric

    @property
    def worst(self) -> float:
        return 0.0

    @property
    def n_named(self) -> int:
        return len(self.names) if self.measure.by_name else 0

    def ballot(self, said: npt.NDArray[Any]) -> Ballot:
        """said: answers (S, L)."""
        return Ballot(said, None)

    def table(self, predicted: Labels) -> FloatArray:
        return self._by_cluster(self._margins(predicted).stacked())

    def hits(self, predicted: Labels) -> FloatArray:
        return self._by_cluster(self._margins(predicted).right)

    def holds(self, column: int) -> BoolArray:
        return np.asarray(self._sought[:, column] > 0)

    def agrees(self, predicted: Labels) -> BoolArray:
        found = self._margins(predicted)
        missed, wrong = np.abs(found.true - found.right), np.abs(found.predicted - found.right)
        return np.asarray((missed < EQUAL).all(axis=1) & (wrong < EQUAL).all(axis=1))

    def asked(self, row: IntArray, share: FloatArray) -> "AnswerYardstick":
        votes = self.votes[row] * share
        return replace(self, rows=self.rows[row], right=self.right[row], clusters=self.clusters[row], votes=votes)

    @cached_property
    def _sought(self) -> FloatArray:
        """What is to be found in each row, (L, W)."""
        return self._margins(self.right).true

    def _margins(self, said: Labels) -> Margins:
        try:
            return self.measure.margins(_texts(self.right), _texts(said), self.names)
        except ValueError as error:
            raise InputError(f"An answer cannot be read ({error}). Copy the answers again from the run.") from error

    def _by_cluster(self, statistics: FloatArray) -> FloatArray:
        """Weighted sums of the rows of each cluster, (K, ...)."""
        table = np.zeros((self.n_clusters, statistics.shape[1]))
        np.add.at(table, self.clusters, statistics * self.votes[:, None])
        return table


def _texts(answers: Labels) -> Sequence[str]:
    return [str(answer) for answer in answers]


def answer_yardstick(
    rows: IntArray,
    answers: Labels,
    clusters: IntArray,
    *,
    measure: Measure,
    names: tuple[str, ...],
    votes: str,
    within: IntArray | None = None,
) -> AnswerYardstick:
    """answers, clusters: of all rows of the data (N,); an answer not known is None. votes, within: as in `scoring.seats`."""
    rows = rows[[answers[row] is not None for row in rows.tolist()]]
    found = seats(rows, clusters, votes=votes, within=within)
    return AnswerYardstick(rows, answers[rows], found.clusters, found.votes, found.n_clusters, measure, names)
