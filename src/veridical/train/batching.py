"""Which rows go into which step: token-budget batches of texts of like length, in an order given by seed and epoch."""

from dataclasses import dataclass, replace

import numpy as np

from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.models.tokens import Tokens, cut_by_tokens

WINDOW = 100
"""Batches among which rows are sorted by length: long enough that padding stays under a few percent, short enough that a step's
rows are a random draw. Ours; no source."""
SMALLEST_BUDGET, LARGEST_BUDGET, WANTED_STEPS = 384, 1024, 200
"""Bounds of the automatic token budget, and the number of steps of a whole training below which it shrinks. Ours."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where in a batch classes stand, for heads that answer inside a row. row: place in the batch of each mark, ascending, (M,).
    codes: class of each, (M,). at: its token, (M,), or None. allowed: where an end of a span may stand, (B, T), or None."""

    row: IntArray
    codes: IntArray
    at: IntArray | None = None
    allowed: IntArray | None = None

    def take(self, at: IntArray) -> "Marks":
        """Those of the rows at these places of the batch, ascending."""
        kept = np.flatnonzero(np.isin(self.row, at))
        row = np.searchsorted(at, self.row[kept])
        places = None if self.at is None else self.at[kept]
        return Marks(row, self.codes[kept], places, None if self.allowed is None else self.allowed[at])

    def for_network(self) -> tuple[IntArray, ...]:
        """What the network is given beside the tokens."""
        if self.allowed is not None:
            return (self.allowed,)
        return () if self.at is None else (self.row, self.at)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one step. rows: (B,) positions in the data set. ids, mask, types: (B, T). codes: (B,). weights: (B,). marks: where
    classes stand inside the rows; None where every row has one class, its code."""

    rows: IntArray
    ids: IntArray
    mask: IntArray
    types: IntArray | None
    codes: IntArray
    weights: FloatArray
    marks: Marks | None = None

    def pieces(self, n_pieces: int) -> list["Batch"]:
        """The same rows dealt to `n_pieces`; each has at least one row, if need be one of weight 0 and row -1."""
        return [self.take(np.arange(start, len(self.rows), n_pieces)) for start in range(n_pieces)]

    def take(self, at: IntArray) -> "Batch":
        """The rows at these places, ascending, as wide as before; of no place a row of weight 0."""
        if not len(at):
            first = self.take(np.zeros(1, np.int64))
            return replace(first, rows=np.full(1, -1), weights=np.zeros(1))
        types = None if self.types is None else self.types[at]
        marks = None if self.marks is None else self.marks.take(at)
        return Batch(self.rows[at], self.ids[at], self.mask[at], types, self.codes[at], self.weights[at], marks)


def make_batch(tokens: Tokens, rows: IntArray, *, codes: IntArray, weights: FloatArray, marks: Marks | None = None) -> Batch:
    """`codes` and `weights` are of all rows of the data set, `marks` of these rows."""
    ids, mask, types = tokens.padded(rows)
    return Batch(rows, ids, mask, types, codes[rows], weights[rows], marks)


def automatic_budget(lengths: IntArray, *, epochs: int) -> int:
    """A token budget for training rows of these lengths that leaves at least WANTED_STEPS steps where it can."""
    wanted = int(lengths.sum()) * epochs // WANTED_STEPS
    return int(np.clip(wanted, SMALLEST_BUDGET, LARGEST_BUDGET))


def epoch_batches(rows: IntArray, lengths: IntArray, *, token_budget: int, seed: int, epoch: int) -> list[IntArray]:
    """The steps of one epoch as arrays of row positions. `lengths` are those of `rows`. Every row occurs once."""
    rng = stream(seed, f"batches/{epoch}")
    order = rng.permutation(len(rows))
    per_window = max(1, WINDOW * token_budget // max(1, round(float(lengths.mean())))) if len(rows) else 1
    runs: list[IntArray] = []
    for start in range(0, len(order), per_window):
        window = order[start : start + per_window]
        window = window[np.argsort(-lengths[window], kind="stable")]
        runs += cut_by_tokens(window, lengths[window], token_budget=token_budget)
    return [rows[runs[i]] for i in rng.permutation(len(runs))]
