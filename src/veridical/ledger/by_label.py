"""Test rows by the label that each may have: what weights that hang on labels need where a review knows these as shares.

A row whose label is pos with chance 0.7 is two entries, with 0.7 and 0.3 of its weight. Raked as rows are, an entry counts for
more or less by its own label, so a row ends with another weight and with other chances of its labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.ledger.reweighting import Margin, raked, residuals
from veridical.ledger.score_table import Predictions
from veridical.models.model import FloatArray

TRACE = 1e-9
"""Share of a label that a review has not found and may find."""


@dataclass(frozen=True, eq=False)
class Entries:
    """row, code, share: of each, (m,); those of one row stand together and their shares sum to about 1."""

    row: IntArray
    code: IntArray
    share: FloatArray

    @classmethod
    def of(cls, labels: FloatArray, change: FloatArray) -> "Entries":
        """labels: distribution over the true label, (n, C). change: what a review's further answers may move in it, (n, C)."""
        row, code = np.nonzero((labels > 0) | (change != 0))
        return cls(row, code, np.maximum(labels[row, code], TRACE))

    @classmethod
    def as_given(cls, codes: IntArray) -> "Entries":
        """One entry a row. codes: (n,)."""
        return cls(np.arange(len(codes)), codes, np.ones(len(codes)))

    def weigh(self, start: FloatArray, margins: Sequence[Margin], *, n_classes: int) -> tuple[FloatArray, FloatArray]:
        """(weights of rows, (n,), their distributions over the true label, (n, C)). start: weights of rows before, (n,). margins:
        of entries."""
        joint = np.zeros((len(start), n_classes))
        joint[self.row, self.code] = raked(start[self.row] * self.share, margins)
        weights = joint.sum(axis=1)
        held = np.zeros_like(joint)
        held[self.row, self.code] = self.share
        some = weights != 0
        held[some] = joint[some] / weights[some, None]
        return weights, held

    def predictions(self, of_rows: Predictions) -> Predictions:
        return tuple((codes[self.row], share) for codes, share in of_rows)

    def residuals(
        self, score: FloatArray, start: FloatArray, margins: Sequence[Margin], *, basis: FloatArray, projection: FloatArray,
        shifted: bool,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
        """`reweighting.residuals`, then what a whole row more of each entry's label would add, (m,). score: of entries, (m,).
        start, basis, projection: of rows."""
        before = start[self.row] * self.share
        influence, slope, cells = residuals(
            score, raked(before, margins), before, basis=basis[self.row], projection=projection[self.row] * self.share[:, None],
            margins=margins, shifted=shifted,
        )  # fmt: skip
        return self.by_row(influence, len(start)), slope, cells, influence / self.share

    def by_row(self, each: FloatArray, n: int) -> FloatArray:
        """Sums over the entries of each of n rows, (n,)."""
        return np.bincount(self.row, each, minlength=n).astype(np.float64)
