"""Which texts to compare: MinHash signatures are cut into bands, and texts that share a band are candidates (Broder 1997; Indyk
and Motwani 1998)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from veridical.dataset.engine import Engine, minhash
from veridical.dataset.rows import IntArray
from veridical.dataset.shingles import distinct

SEED = 1
"""Of the hash functions: candidates are the same in every run."""
_MANY = 4_000_000
"""Candidates from which repeated ones are dropped while bands are still being read."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


def candidates(
    tokens: Sequence[str], *, ngram: int, bands: int, width: int, hot_bucket: int, engine: Engine
) -> tuple[IntArray, IntArray]:
    """(left, right), left < right, of texts (white-space separated tokens) that share at least one band of `width` hashes."""
    signatures = minhash(tokens, n_hashes=bands * width, ngram=ngram, seed=SEED, engine=engine)
    n = len(tokens)
    pairs, many = [np.zeros(0, np.int64)], _MANY
    for band in range(bands):
        order, start, size = _buckets(signatures[:, band * width : (band + 1) * width])
        pairs.append(_bucket_pairs(order, start, size, n=n, hot=hot_bucket))
        if sum(map(len, pairs)) > many:
            pairs = [distinct(np.concatenate(pairs)).astype(np.int64)]
            many = max(_MANY, 2 * len(pairs[0]))
    both = distinct(np.concatenate(pairs)).astype(np.int64)
    return both // n, both % n


def _buckets(band: npt.NDArray[np.uint32]) -> tuple[IntArray, IntArray, IntArray]:
    """(texts ordered by bucket, start and size of each bucket with more than one text)."""
    key = np.zeros(len(band), np.uint64)
    for column in band.T:
        key = (key ^ column) * _ODD
        key ^= key >> np.uint64(29)
    order = np.argsort(key, kind="stable")
    edge = np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1], [True]]))
    size = np.diff(edge)
    return order, edge[:-1][size > 1], size[size > 1]


def _bucket_pairs(order: IntArray, start: IntArray, size: IntArray, *, n: int, hot: int) -> IntArray:
    """Every pair within a bucket, coded low * n + high; in a hot bucket each text with the next three."""
    made = [np.zeros(0, np.int64)]
    for gap in range(1, hot):
        wide = (size > gap) & ((size <= hot) | (gap <= 3))
        if not wide.any():
            break
        count = size[wide] - gap
        at = np.repeat(start[wide] - (np.cumsum(count) - count), count) + np.arange(count.sum())
        a, b = order[at], order[at + gap]
        made.append(np.minimum(a, b) * n + np.maximum(a, b))
    return np.concatenate(made)
