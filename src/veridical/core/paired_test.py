"""Did A beat B on the same rows? Signs flipped cluster by cluster; never the overlap of two intervals.

Letters: N rows, K clusters, R replicates.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from veridical.core.bootstrap import cluster_totals

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Side = Literal["greater", "two-sided"]

EXACT_CLUSTERS = 12
"""Up to so many clusters with any difference, all 2**K sign patterns are tried (4,096). Ours; no source."""
BLOCK_CELLS = 4_000_000
"""Random signs held at once, so that memory does not grow with R x K."""


def _sign_blocks(n_clusters: int, replicates: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """Sign patterns in blocks (b, K): every pattern where that is feasible, else `replicates` random ones."""
    if n_clusters <= EXACT_CLUSTERS:
        yield np.array(list(product((-1.0, 1.0), repeat=n_clusters))).reshape(-1, n_clusters)
        return
    block = max(1, BLOCK_CELLS // n_clusters)
    for start in range(0, replicates, block):
        yield rng.integers(0, 2, size=(min(block, replicates - start), n_clusters)).astype(np.float64) * 2 - 1


def _share_reached(reached: int, n_clusters: int, replicates: int) -> float:
    """Over all patterns the one seen is among them; random ones never hold it, so it is added."""
    return reached / 2**n_clusters if n_clusters <= EXACT_CLUSTERS else (reached + 1) / (replicates + 1)


def sign_flip_p(
    differences: FloatArray, clusters: IntArray, rng: np.random.Generator, *, replicates: int = 9_999, side: Side = "greater"
) -> float:
    """Chance, were A and B exchangeable within clusters, of a sum of differences (N,) at least as large as the one seen.

    Exact over all sign patterns for few clusters, else (r + 1) / (B + 1) over B random ones. Clusters without any
    difference carry no sign and are left out: they change nothing.
    """
    sums = cluster_totals(differences[:, None], clusters)[:, 0]
    sums = sums[sums != 0]
    if len(sums) == 0:
        return 1.0
    # Ties must count as "at least as large": sums of the same numbers in another order differ by rounding.
    slack = 1e-9 * float(np.abs(sums).sum())
    seen = float(sums.sum()) if side == "greater" else abs(float(sums.sum()))
    reached = 0
    for signs in _sign_blocks(len(sums), replicates, rng):
        flipped = signs @ sums
        reached += int(np.sum((flipped if side == "greater" else np.abs(flipped)) >= seen - slack))
    return _share_reached(reached, len(sums), replicates)


def swap_p(
    first: FloatArray,
    second: FloatArray,
    gain: Callable[[FloatArray, FloatArray], float],
    rng: np.random.Generator,
    *,
    replicates: int = 1_999,
) -> tuple[float, float]:
    """The same test for a metric that is no mean over rows: A's and B's statistics (K, M) change places cluster by cluster.

    gain(totals of A, totals of B), each (M,), is computed for every pattern; large is in favour of A. Two one-sided p values:
    that A is better, and that A is worse.
    """
    middle, half = (first.sum(axis=0) + second.sum(axis=0)) / 2, (first - second) / 2
    seen = gain(middle + half.sum(axis=0), middle - half.sum(axis=0))
    half = half[np.any(half != 0, axis=1)]
    if len(half) == 0:
        return 1.0, 1.0
    above, below = 0, 0
    for signs in _sign_blocks(len(half), replicates, rng):
        for flipped in signs @ half:
            found = gain(middle + flipped, middle - flipped)
            above += found >= seen - 1e-12
            below += found <= seen + 1e-12
    return _share_reached(above, len(half), replicates), _share_reached(below, len(half), replicates)
