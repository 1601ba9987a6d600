"""Resample clusters, not rows: rows of one cluster of near-duplicates are not independent.

Letters: N rows, K clusters, M statistics per row, R replicates.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCK_CELLS = 4_000_000
"""Drawn counts held at once, so that memory does not grow with R x K."""


def cluster_totals(values: FloatArray, clusters: IntArray) -> FloatArray:
    """Sums of the rows of each cluster, shape (K, M), clusters in ascending order of code."""
    codes, position = np.unique(clusters, return_inverse=True)
    totals = np.zeros((len(codes), values.shape[1]))
    np.add.at(totals, position, values)
    return totals


def resampled_counts(n_clusters: int, replicates: int, rng: np.random.Generator) -> FloatArray:
    """How often each cluster is drawn in each replicate, shape (R, K): K draws with replacement."""
    drawn = rng.integers(0, n_clusters, size=(replicates, n_clusters))
    drawn += np.arange(replicates)[:, None] * n_clusters
    counts = np.bincount(drawn.ravel(), minlength=replicates * n_clusters)
    return counts.reshape(replicates, n_clusters).astype(np.float64)


def cluster_bootstrap_means(
    values: FloatArray,
    clusters: IntArray,
    replicates: int,
    rng: np.random.Generator,
    *,
    weights: FloatArray | None = None,
) -> FloatArray:
    """Weighted means of `values` (N, M) in each of R resamples of the clusters (N,): shape (R, M).

    weights: votes of the rows (N,), default 1 each; 1 / cluster size gives every cluster one vote. All M statistics share the
    same resamples, so that differences between columns are paired.
    """
    votes = np.ones(len(clusters)) if weights is None else np.asarray(weights, dtype=np.float64)
    totals = cluster_totals(np.column_stack([values * votes[:, None], votes]), clusters)  # (K, M + 1)
    n_clusters, block = len(totals), max(1, BLOCK_CELLS // len(totals))
    means = np.empty((replicates, values.shape[1]))
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        sums = resampled_counts(n_clusters, size, rng) @ totals  # (size, M + 1)
        means[start : start + size] = sums[:, :-1] / sums[:, -1:]
    return means


def percentile_interval(replicates: FloatArray, value: float, level: float = 0.95) -> tuple[float, float]:
    """The middle `level` of the replicates (R,), widened where needed to hold the value itself."""
    low, high = np.quantile(replicates, [0.5 - level / 2, 0.5 + level / 2])
    return min(float(low), value), max(float(high), value)
