"""Labels that a person has read: what each row's right label may be, and how far the reading of a sample leaves that open.

Letters: n rows, C classes, H strata of the review, R replicates.
"""

from dataclasses import dataclass, replace

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray


@dataclass(frozen=True, eq=False)
class ReadLabels:
    """rows: positions in the data set, ascending, (n,). labels: distribution over the right label, (n, C): certain where a row
    was read, elsewhere by what was read of its stratum. moves: change of it per standard error of its stratum's share of wrong
    labels, (n, C). stratum: (n,), from 0. n_read, n_changed: rows whose label a person gave, and gave otherwise than it stood."""

    rows: IntArray
    labels: FloatArray
    moves: FloatArray
    stratum: IntArray
    n_read: int
    n_changed: int

    def of(self, rows: IntArray, codes: IntArray) -> "ReadLabels":
        """The same for these rows; one that the review did not cover keeps its label, code (n,)."""
        at = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        known = self.rows[at] == rows
        given = np.eye(self.labels.shape[1])[codes]
        labels = np.where(known[:, None], self.labels[at], given)
        moves = np.where(known[:, None], self.moves[at], 0.0)
        return replace(self, rows=rows, labels=labels, moves=moves, stratum=self.stratum[at])

    def mean(self, costs: FloatArray) -> FloatArray:
        """What each row is expected to cost, (n,). costs: of each row were its right label that class, (n, C)."""
        return np.asarray((self.labels * costs).sum(axis=1))

    def by_stratum(self, costs: FloatArray) -> FloatArray:
        """What a standard error of each stratum's share changes in it, (n, H)."""
        found = np.zeros((len(self.rows), int(self.stratum.max()) + 1))
        found[np.arange(len(self.rows)), self.stratum] = (self.moves * costs).sum(axis=1)
        return found


def as_given(rows: IntArray, codes: IntArray, n_classes: int) -> ReadLabels:
    """Labels taken as they are: nobody has read any."""
    labels = np.eye(n_classes)[codes]
    return ReadLabels(rows, labels, np.zeros_like(labels), np.zeros(len(rows), np.int64), 0, 0)
