"""Labels that a person has read: what each row's right label may be, and how far the reading of a sample leaves that open.

Where an answer is more than one label, what is read is whether the model's whole answer is right: C = 2, wrong and right.
Letters: n rows, C classes, H strata of the review, R replicates.
"""

from dataclasses import dataclass, replace

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
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


def read_answers(
    rows: IntArray, *, given: IntArray, found: IntArray, seen: BoolArray, unsure: BoolArray, changed: BoolArray,
    cell: IntArray, foreseen: FloatArray, trusted: FloatArray,
) -> ReadLabels:  # fmt: skip
    """Whether answers are wholly right, by what was read of the rows of a kind: those of a stratum whose answer counts alike.

    rows: positions in the data set, ascending. given: 1 where the model says the answer given, else 0; found: the same by the
    answer that a person gave, where `seen`. unsure: rows that a person could not judge. changed: rows whose answer a person
    changed. cell: stratum of each row, in which rows were drawn at random. foreseen: chance 0..1 with which `given` was expected
    to be no longer so. trusted: rows that this expectation counts for in the standard error; none seen is not none. All (n,).
    """
    kind = np.unique(2 * cell + given, return_inverse=True)[1].astype(np.int64)
    n_kinds = int(kind.max()) + 1
    size = np.bincount(kind, minlength=n_kinds)
    asked, undecided = (np.bincount(kind[which], minlength=n_kinds) for which in (seen, unsure & ~seen))
    turned = np.bincount(kind[seen & (found != given)], minlength=n_kinds)
    prior, rows_for = (np.bincount(kind, values, minlength=n_kinds) / size for values in (foreseen, trusted))
    share = np.where(asked > 0, turned / np.maximum(asked, 1), prior)
    cautious = (turned + rows_for * prior + 0.5) / (asked + rows_for + 1.0)
    doubt = 1 / np.maximum(asked, 1) + (undecided / np.maximum(asked + undecided, 1)) ** 2
    error = np.sqrt(cautious * (1 - cautious) * doubt)
    right = np.where(seen, found, np.where(given == 1, 1 - share[kind], share[kind]))
    move = np.where(seen, 0.0, error[kind] * np.where(given == 1, -1.0, 1.0))
    return ReadLabels(
        rows, np.stack([1 - right, right], axis=1), np.stack([-move, move], axis=1), kind, int(seen.sum()), int(changed.sum())
    )


def as_given(rows: IntArray, codes: IntArray, n_classes: int) -> ReadLabels:
    """Labels taken as they are: nobody has read any."""
    labels = np.eye(n_classes)[codes]
    return ReadLabels(rows, labels, np.zeros_like(labels), np.zeros(len(rows), np.int64), 0, 0)
