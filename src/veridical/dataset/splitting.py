"""Whole clusters to one side of a split, labels in proportion: a test part, or folds."""

import numpy as np
import numpy.typing as npt

from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, IntArray


def fold_of_clusters(clusters: IntArray, codes: IntArray, n_folds: int, seed: int) -> IntArray:
    """Fold 0..n_folds-1 of each row, (N,): rows of a cluster share theirs, every label spread in proportion."""
    return parts_of_clusters(clusters, codes, np.full(n_folds, 1 / n_folds), seed)


def drawn_test(clusters: IntArray, codes: IntArray, share: float, seed: int) -> BoolArray:
    """Which rows become the test, (N,): about `share` of them, whole clusters, every label in proportion."""
    return np.asarray(parts_of_clusters(clusters, codes, np.array([1 - share, share]), seed) == 1)


def parts_of_clusters(clusters: IntArray, codes: IntArray, shares: npt.NDArray[np.float64], seed: int) -> IntArray:
    """Part of each row, (N,). Larger clusters are placed first, one by one; single rows then fill each label up."""
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    label = np.unique(codes, return_inverse=True)[1]
    n_labels, rng = int(label.max(initial=0)) + 1, stream(seed, "split")
    target = np.outer(shares, np.bincount(label, minlength=n_labels))  # (parts, labels)
    missing = target.copy()
    order = np.argsort(cluster, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])
    part = np.zeros(len(codes), dtype=np.int64)
    shuffled = rng.permutation(len(sizes))
    shuffled = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    for one in shuffled[sizes[shuffled] > 1]:
        rows = order[starts[one] : starts[one + 1]]
        counts = np.bincount(label[rows], minlength=n_labels)
        chosen = _roomiest(missing, target, counts)
        part[rows] = chosen
        missing[chosen] -= counts
    single = np.flatnonzero(sizes[cluster] == 1)
    for code in range(n_labels):
        rows = rng.permutation(single[label[single] == code])
        part[rows] = np.repeat(np.arange(len(shares)), _quotas(missing[:, code], len(rows)))
    return part


def _roomiest(missing: npt.NDArray[np.float64], target: npt.NDArray[np.float64], counts: IntArray) -> int:
    """The part that has the largest share of its target left after taking the cluster; where none has room, the emptiest."""
    held = counts > 0
    left = (missing[:, held] - counts[held]) / np.maximum(target[:, held], 1e-9)
    room = missing.sum(axis=1) - counts.sum()
    if not (room >= 0).any():
        return int(np.argmax(room))
    score = np.where(room >= 0, left @ (counts[held] / counts.sum()), -np.inf)
    return int(np.argmax(score))


def _quotas(missing: npt.NDArray[np.float64], n_rows: int) -> IntArray:
    """How many single rows each part takes: what it still misses, scaled to n_rows; largest remainders first."""
    wanted = np.maximum(missing, 0)
    wanted = wanted * n_rows / wanted.sum() if wanted.sum() > 0 else np.full(len(missing), n_rows / len(missing))
    whole = np.floor(wanted + 1e-9).astype(np.int64)
    for at in np.argsort(-(wanted - whole), kind="stable")[: n_rows - int(whole.sum())]:
        whole[at] += 1
    return whole
