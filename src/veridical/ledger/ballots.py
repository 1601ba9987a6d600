"""What rows count for when answers about them are read: votes, and how many independent answers they stand for.

Rows of one cluster are edits of one text, or of one document or author where a column says so. What is read of eighty edits of
one row is one answer; what is read of eighty sentences of one document may be eighty. The answers tell which: how alike they are
inside clusters (the intraclass correlation; Kish 1965, Survey Sampling), held for one where few pairs were read.
"""

from dataclasses import dataclass

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray

PAIRS = 10.0
"""Pairs of answers inside a cluster by which their likeness is pulled towards one. Ours, by tests/unit/ledger/test_ballots.py."""


@dataclass(frozen=True, eq=False)
class Ballots:
    """vote: what each row counts in the score, (n,). cluster: of each row, (n,)."""

    vote: FloatArray
    cluster: IntArray

    def total(self, of: BoolArray, cell: IntArray, n_cells: int) -> FloatArray:
        """Votes of some rows in each cell, (H,)."""
        return np.asarray(np.bincount(cell[of], self.vote[of], minlength=n_cells), np.float64)

    def alike(self, left: FloatArray, of: BoolArray, cell: IntArray) -> float:
        """How alike the rows `of` in one cluster and cell are, 0..1. left: by how much each is off its cell's mean, (n,).

        The mean product inside clusters over the variance, each less the mean product of rows of different clusters, which the
        cell's mean makes negative. A cell with rows of one cluster tells nothing."""
        pair, place = self._pairs(of, cell)
        own, n_cells = left[of], int(place.max(initial=-1)) + 1
        size, inside = np.bincount(pair), (np.bincount(pair, own) ** 2 - np.bincount(pair, own**2)) / 2
        n, squares = np.bincount(cell[of], minlength=n_cells), np.bincount(cell[of], own**2, minlength=n_cells)
        alike, n_alike = (np.bincount(place, part, minlength=n_cells) for part in (inside, size * (size - 1) / 2))
        others = (np.bincount(cell[of], own, minlength=n_cells) ** 2 - squares) / 2 - alike
        n_others = n * (n - 1) / 2 - n_alike
        told = n_others > 0
        apart = np.where(told, others / np.maximum(n_others, 1), 0.0)
        pulled = PAIRS * float((own**2).mean()) if len(own) else 0.0
        together = float((alike - n_alike * apart)[told].sum()) + pulled
        most = float((n_alike * (squares / np.maximum(n, 1) - apart))[told].sum()) + pulled
        return float(np.clip(together / most, 0.0, 1.0)) if most > 0 else 1.0

    def squared(self, weight: FloatArray, of: BoolArray, cell: IntArray, n_cells: int, *, alike: float) -> FloatArray:
        """Variance of the weighted sum of the rows `of` in each cell over that of one row, (H,): squared weights (n,) summed,
        those of whole clusters as far as their rows are alike."""
        pair, place = self._pairs(of, cell)
        own = np.bincount(cell[of], weight[of] ** 2, minlength=n_cells)
        whole = np.bincount(place, np.bincount(pair, weight[of], minlength=len(place)) ** 2, minlength=n_cells)
        return np.asarray((1 - alike) * own + alike * whole)

    def answers(self, of: BoolArray, cell: IntArray, n_cells: int, *, alike: float) -> FloatArray:
        """How many independent answers of one vote each the rows `of` stand for in each cell (Kish 1965), (H,)."""
        squares = self.squared(self.vote, of, cell, n_cells, alike=alike)
        return np.asarray(self.total(of, cell, n_cells) ** 2 / np.maximum(squares, 1e-300))

    def evidence(self, of: BoolArray, *, alike: float) -> FloatArray:
        """Votes (n,) times what makes those of the rows `of` sum to the independent answers they stand for: every row of a
        document with one vote may be an answer."""
        everywhere = np.zeros(len(of), np.int64)
        asked, voted = self.answers(of, everywhere, 1, alike=alike), self.total(of, everywhere, 1)
        return np.asarray(self.vote * float(asked[0] / voted[0])) if voted[0] > 0 else self.vote

    def _pairs(self, of: BoolArray, cell: IntArray) -> tuple[IntArray, IntArray]:
        """(number of the cell and cluster of each of the rows `of`, cell of each such number)."""
        found, pair = np.unique(np.stack([cell[of], self.cluster[of]]), axis=1, return_inverse=True)
        return np.asarray(pair, np.int64).reshape(-1), np.asarray(found[0], np.int64)


def of_votes(vote: FloatArray, cluster: IntArray) -> Ballots:
    """As many votes as there are clusters, shared out as the score does. vote: of each row, they sum to 1, (n,)."""
    return Ballots(vote * len(np.unique(cluster)), cluster)


def one_each(n: int) -> Ballots:
    """Every row is a cluster with one vote."""
    return Ballots(np.ones(n), np.arange(n))
