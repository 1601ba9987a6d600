"""Which test rows a probe looks at, whatever the task: those the model has not seen, in clusters, a sample for each budget."""

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import BoolArray, Dataset, IntArray, Text

BUDGETS = ("quick", "standard", "thorough")
FEWEST_UNLEAKED = 100
"""Unleaked test rows below which all test rows are looked at. Ours; no source."""


class TestRows(ABC):
    """Test rows of clusters that stand in train are left out of `rows`: what survives of a score is asked on rows the model has
    not seen, unless too few are left (then all test rows, and `n_leaked` says how many of them do)."""

    __test__ = False  # no test of pytest's
    evidence: Evidence
    budget: str

    @property
    def data(self) -> Dataset:
        return self.evidence.data

    @property
    @abstractmethod
    def test_rows(self) -> IntArray:
        """Positions of all labelled test rows that have an answer."""

    @cached_property
    def rows(self) -> IntArray:
        """Positions (n,) of the test rows to look at."""
        unleaked = self.test_rows[~self._in_train(self.test_rows)]
        return self.test_rows if len(unleaked) < FEWEST_UNLEAKED else unleaked

    @cached_property
    def n_leaked(self) -> int:
        """How many of `rows` have an equal or near-equal text in train."""
        return int(self._in_train(self.rows).sum())

    def _in_train(self, rows: IntArray) -> BoolArray:
        return np.isin(self.evidence.clusters[rows], self.evidence.clusters[self.data.rows("train")])

    @cached_property
    def inputs(self) -> list[Text]:
        return self.data.inputs(self.rows)

    @cached_property
    def clusters(self) -> IntArray:
        """Cluster code of each row, (n,)."""
        return np.asarray(self.evidence.clusters[self.rows])

    def limit(self, quick: int, standard: int, thorough: int) -> int:
        """The figure for this budget."""
        return {"quick": quick, "standard": standard, "thorough": thorough}[self.budget]

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """At most n places within `rows`, ascending, drawn cluster by cluster so that no family fills the sample."""
        if n >= len(self.rows):
            return np.arange(len(self.rows), dtype=np.int64)
        order = rng.permutation(len(self.rows))
        turn = np.zeros(len(order), np.int64)
        seen: dict[int, int] = {}
        for place, row in enumerate(order):
            cluster = int(self.clusters[row])
            turn[place] = seen[cluster] = seen.get(cluster, -1) + 1
        return np.sort(order[np.argsort(turn, kind="stable")][:n]).astype(np.int64)
