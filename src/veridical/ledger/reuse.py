"""What choosing the best of several looks at one test set flatters a score by: an offset, from the looks' own predictions.

Among k models scored on the same rows the best one is partly lucky. Resampling clusters says by how much: the mean, over
resamples, of the chosen model's score there minus its score on all rows (Efron and Tibshirani 1993, chapter 25, on selection; the
bound is sigma sqrt(2 ln k) for k equal models).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.ledger.score_table import statistics
from veridical.models.model import FloatArray
from veridical.tasks._contract import Metric
from veridical.tasks._totals import gradient, value

REPLICATES = 1000
"""Resamples of the clusters. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """k: models known to have been scored on these rows, this one included; those that predicted the same count as one. same:
    looks that predicted what this model does. is_best: whether this one scores highest, so that it would have been chosen.
    optimism, bound: points."""

    k: int
    same: int
    is_best: bool
    optimism: float
    bound: float


def chosen_among(
    predicted: IntArray, looks: IntArray, *, codes: IntArray, cluster: IntArray, metric: Metric, n_classes: int, seed: int
) -> Chosen:
    """predicted: of this model, (n,). looks: of the others, (L, n). codes, cluster: (n,), labels as given."""
    same = (looks == predicted).all(axis=1)
    models = np.concatenate([predicted[None, :], np.unique(looks[~same], axis=0)])
    labels = np.eye(n_classes)[codes]
    tables = [statistics(labels, ((found, 1.0),), metric=metric).stacked() for found in models]
    return best_of(tables, same=int(same.sum()), cluster=cluster, metric=metric, seed=seed)


def best_of(tables: Sequence[FloatArray], *, same: int, cluster: IntArray, metric: Metric, seed: int) -> Chosen:
    """tables: statistics (n, 3W) of every distinct model, this one first. same: looks that are equal to it. cluster: (n,)."""
    scores, influences = np.zeros(len(tables)), np.zeros((len(tables), len(cluster)))
    for place, rows in enumerate(tables):
        totals = rows.mean(axis=0)
        slope = rows @ gradient(metric, totals)
        scores[place], influences[place] = value(metric, totals), (slope - slope.mean()) / len(cluster)
    member = np.unique(cluster, return_inverse=True)[1]
    summed = np.stack([np.bincount(member, row) for row in influences], axis=1)  # (G, K)
    rng = stream(seed, "reuse")
    votes = rng.multinomial(len(summed), np.full(len(summed), 1 / len(summed)), size=REPLICATES)
    drawn: FloatArray = scores + (votes - 1.0) @ summed
    best = drawn.argmax(axis=1)
    optimism = float((drawn[np.arange(len(drawn)), best] - scores[best]).mean())
    apart = [summed[:, b] - summed[:, a] for a, b in combinations(range(len(tables)), 2)]
    variances = [float(difference @ difference) for difference in apart]
    sigma = float(np.sqrt(np.mean(variances) / 2)) if variances else 0.0
    is_best = bool(scores[0] >= scores.max() - 1e-12)
    bound = 100 * sigma * float(np.sqrt(2 * np.log(len(tables))))
    return Chosen(len(tables), same, is_best, min(100 * max(optimism, 0.0), bound), bound)
