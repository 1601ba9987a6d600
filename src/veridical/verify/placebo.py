"""What a repair must beat: the same amount of meddling, aimed at nothing."""

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray

N_BINS = 5
"""Bins of equal count in which a model's confidence is matched. Ours; no source."""


def matched_rows(
    edited: IntArray, pool: IntArray, *, codes: IntArray, confidence: FloatArray, rng: np.random.Generator
) -> IntArray:
    """As many rows of `pool` as were `edited`, with the same labels and about the same confidence, drawn without replacement.

    codes, confidence: of all rows (N,). Where a cell of label and confidence runs out, rows of the same label stand in, then any.
    The draw is blind to the repair's choice: the pool may hold the edited rows. Drawn from the others alone, a placebo against
    30 % wrong labels threw away right ones only, and fell 6 points below untouched: too easy to beat.
    """
    edges = np.quantile(confidence[pool], np.linspace(0, 1, N_BINS + 1)[1:-1])
    bins = np.searchsorted(edges, confidence)
    shuffled = rng.permutation(pool)
    taken = np.zeros(len(shuffled), dtype=bool)
    for key in (codes * N_BINS + bins, codes, np.zeros(len(codes), np.int64)):
        wanted = len(edited) - int(taken.sum())
        if wanted <= 0:
            break
        _take(shuffled, taken, key, edited)
    return np.sort(shuffled[taken][: len(edited)])


def _take(shuffled: IntArray, taken: BoolArray, key: IntArray, edited: IntArray) -> None:
    """Mark rows of each key until it has as many marked as edited rows, as far as they go."""
    for code, needed in zip(*np.unique(key[edited], return_counts=True), strict=True):
        inside = key[shuffled] == code
        missing = needed - int(np.sum(taken & inside))
        taken[np.flatnonzero(inside & ~taken)[: max(missing, 0)]] = True
