"""The nearest text by the cosine of TF-IDF n-grams (`models.text_features`), with common n-grams left out."""

import numpy as np
import scipy.sparse as sp

from veridical.dataset.rows import IntArray, Text
from veridical.models.linear import weighted
from veridical.models.model import FloatArray
from veridical.models.text_features import hashed

COMMON = 0.05
"""Share of the texts from which an n-gram says nothing about nearness, and costs most of the time. Ours; no source."""
BLOCK = 512
"""Texts compared with all others at a time. Ours; no source."""


def unit_vectors(inputs: list[Text]) -> sp.csr_matrix:
    """TF-IDF of the n-grams that at least two texts and at most COMMON of them (but 20 always) hold; rows of length 1 or 0."""
    counts = hashed(inputs).matrix
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero((frequency >= 2) & (frequency <= max(20, COMMON * len(inputs))))
    idf = (np.log((1 + counts.shape[0]) / (1 + frequency[kept])) + 1).astype(np.float32)
    return weighted(counts[:, kept].tocsr(), idf)


def nearest(vectors: sp.csr_matrix, rows: IntArray, pool: IntArray, clusters: IntArray) -> tuple[IntArray, FloatArray]:
    """For each of `rows` the position in `pool` of the nearest text of another cluster, -1 where nothing is shared, and its
    cosine. rows, pool: positions in `vectors`; clusters: of every row of `vectors`."""
    found, cosine = np.full(len(rows), -1, np.int64), np.zeros(len(rows))
    against = vectors[pool].T.tocsc()
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        similar = np.asarray((vectors[part] @ against).todense())
        similar[clusters[part][:, None] == clusters[pool][None, :]] = 0.0
        best = similar.argmax(axis=1)
        value = similar[np.arange(len(part)), best]
        found[start : start + BLOCK] = np.where(value > 0, best, -1)
        cosine[start : start + BLOCK] = value
    return found, cosine
