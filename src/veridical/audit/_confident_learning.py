"""Confident learning on out-of-fold probabilities: what the checks of labels and of answers share.

Northcutt et al. 2021, JAIR 70, arXiv:1911.00068; temperature: Guo et al. 2017, arXiv:1706.04599.
"""

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray


def temperature_scaled(probabilities: FloatArray, codes: IntArray) -> FloatArray:
    """Probabilities (N, C) with the one exponent, of a grid, that makes the given labels likeliest."""
    logs = np.log(np.clip(probabilities, 1e-12, 1.0))
    candidates = []
    for exponent in np.geomspace(0.1, 10.0, 41):
        scaled = logs * exponent
        scaled = scaled - np.logaddexp.reduce(scaled, axis=1, keepdims=True)
        candidates.append((-float(scaled[np.arange(len(codes)), codes].mean()), float(exponent)))
    best = min(candidates)[1] * logs
    scaled_best: FloatArray = np.exp(best - np.logaddexp.reduce(best, axis=1, keepdims=True))
    return scaled_best


def label_thresholds(probabilities: FloatArray, codes: IntArray) -> FloatArray:
    """t_j, the mean probability of label j where it is given, (C,); infinite for a label never given."""
    thresholds = np.full(probabilities.shape[1], np.inf)
    for code in np.unique(codes):
        thresholds[code] = probabilities[codes == code, code].mean()
    return thresholds


def likely_labels(probabilities: FloatArray, codes: IntArray, *, reach: float = 1.0) -> IntArray:
    """The likely label of each row, (N,): the best among those that reach a share `reach` of their threshold t_j; -1 where none
    does."""
    reached = np.where(probabilities >= reach * label_thresholds(probabilities, codes), probabilities, -1.0)
    return np.asarray(np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1), dtype=np.int64)


def joint_counts(codes: IntArray, likely: IntArray, n_classes: int) -> FloatArray:
    """Estimated rows by (given, true) label, (C, C), calibrated so that row sums are the counts of given labels."""
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (codes[likely >= 0], likely[likely >= 0]), 1.0)
    given = np.bincount(codes, minlength=n_classes)
    return np.asarray(counts * (given / np.maximum(counts.sum(axis=1), 1.0))[:, None], dtype=np.float64)
