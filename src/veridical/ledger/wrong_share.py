"""The share of wrong labels of a test set of which people read some rows, by the chances with which these were drawn.

Each row that was read counts by one over its chance to be read: the rows of its stratum over those read there (Horvitz and
Thompson 1952). No noise model speaks here, so that what is said of the share is what the review alone shows.
"""

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.proportion import wilson
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.review import agreeing
from veridical.models.model import FloatArray

LEVEL = 0.95
METHOD = "read rows by their chance to be read"
PRIOR_ROWS = 2.0
"""Rows that the pooled share of like strata counts for in a stratum's spread: none seen is not none. Ours, by
tests/unit/ledger/test_wrong_share.py."""


def read_cells(stratum: IntArray, seen: BoolArray, *, n_strata: int) -> IntArray:
    """Each row's stratum, (n,); one in which nothing was read counts with the nearest of its kind that was."""
    asked = np.bincount(stratum[seen], minlength=n_strata)
    alike, place = agreeing(n_strata), np.arange(n_strata)
    for h in np.flatnonzero(asked == 0):
        there = np.flatnonzero((asked > 0) & (alike == alike[h]))
        there = there if len(there) else np.flatnonzero(asked > 0)
        place[h] = there[np.argmin(np.abs(there - h))]
    return place[stratum]


def wrong_share(
    stratum: IntArray, *, seen: BoolArray, unsure: BoolArray, wrong: BoolArray, cluster: IntArray, n_strata: int
) -> Estimate:
    """stratum: in which each row was drawn, (n,). seen: rows that were read and decided; unsure: rows that a person could not
    judge; wrong: rows whose label a person changed; cluster: rows that hang together, (n,). At least one row is seen.

    The share is that of these test rows, drawn row by row: that rows of a cluster are alike makes it no less sure."""
    cell = read_cells(stratum, seen, n_strata=n_strata)
    size = np.bincount(cell, minlength=n_strata).astype(np.float64)
    asked = np.bincount(cell[seen], minlength=n_strata)
    hits = np.bincount(cell[seen & wrong], minlength=n_strata)
    undecided = np.bincount(cell[unsure & ~seen], minlength=n_strata)
    there = asked > 0
    weight = size / size.sum()
    share = np.where(there, hits / np.maximum(asked, 1), 0.0)
    value = float(weight @ share)
    foreseen = (hits + PRIOR_ROWS * _pooled(hits, asked)) / (asked + PRIOR_ROWS)
    unread = 1 - asked / np.maximum(size, 1)
    doubt = np.where(there, unread / np.maximum(asked, 1) + (undecided / np.maximum(asked + undecided, 1)) ** 2, 0.0)
    variance = float(weight**2 @ (foreseen * (1 - foreseen) * doubt))
    low, high = value, value
    if variance > 0:
        middle = float(np.clip(weight @ np.where(there, foreseen, 0.0), 1e-9, 1 - 1e-9))
        rows = middle * (1 - middle) / variance
        low, high = wilson(value * rows, rows, LEVEL)
    n_read, n_clusters = int(seen.sum()), len(np.unique(cluster[seen]))
    return Estimate(value, min(low, value), max(high, value), LEVEL, n_read, n_clusters, METHOD)


def _pooled(hits: IntArray, asked: IntArray) -> FloatArray:
    """Share of wrong rows read over all strata of a kind, as if half of one more row were wrong, (H,)."""
    alike, found = agreeing(len(asked)), np.zeros(len(asked))
    for kind in (alike, ~alike):
        found[kind] = (hits[kind].sum() + 0.5) / (asked[kind].sum() + 1.0)
    return found
