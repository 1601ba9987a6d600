"""Scores of arms on one set of rows, and how surely one arm beats another there.

Letters: L rows, K clusters, C classes, S seeds, R replicates.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from veridical.core.bootstrap import cluster_bootstrap_means, percentile_interval, resampled_counts
from veridical.core.estimate import Estimate
from veridical.core.paired_test import swap_p
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.tasks._contract import Metric

REPLICATES = 2_000
"""Bootstrap replicates: the ends of a 95 % interval move by about 0.05 standard errors. Ours; no source."""
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What every arm is measured on: rows with their labels, clusters and votes.

    rows: positions in the data (L,). codes: their labels (L,). clusters: 0..K-1 (L,). votes: (L,). Rows without a known label
    are not among them.
    """

    rows: IntArray
    codes: IntArray
    clusters: IntArray
    votes: FloatArray
    n_clusters: int
    n_classes: int
    metric: Metric


def yardstick(
    rows: IntArray,
    codes: IntArray,
    clusters: IntArray,
    *,
    n_classes: int,
    metric: Metric,
    votes: str,
    within: IntArray | None = None,
) -> Yardstick:
    """codes, clusters: of all rows of the data (N,). votes: `clusters` gives each cluster one vote, `rows` each row.

    within: rows whose clusters are resampled together, so that two yardsticks can share their resamples; default: `rows`.
    """
    rows = rows[codes[rows] >= 0]
    universe = np.unique(clusters[rows if within is None else within])
    member = np.searchsorted(universe, clusters[rows]).astype(np.int64)
    weight = 1.0 / np.bincount(member)[member] if votes == "clusters" else np.ones(len(rows))
    return Yardstick(rows, codes[rows], member, weight, len(universe), n_classes, metric)


@dataclass(frozen=True, eq=False)
class Scored:
    """One arm on one yardstick.

    table: (K, 3C) votes of each cluster, averaged over seeds: right, true and predicted, per class. per_seed: the metric of each
    seed's model (S,). log_loss: (L,), averaged over seeds.
    """

    table: FloatArray
    per_seed: FloatArray
    log_loss: FloatArray


def scored(probabilities: FloatArray, on: Yardstick) -> Scored:
    """probabilities: (S, L, C), one model per seed."""
    tables = np.stack([_table(p.argmax(axis=1), on) for p in probabilities])  # (S, K, 3C)
    per_seed = np.array([_metric(t.sum(axis=0), on) for t in tables])
    chosen = probabilities[:, np.arange(len(on.codes)), on.codes]  # (S, L)
    return Scored(tables.mean(axis=0), per_seed, -np.log(np.maximum(chosen, 1e-12)).mean(axis=0))


def _table(predicted: IntArray, on: Yardstick) -> FloatArray:
    table = np.zeros((on.n_clusters, 3 * on.n_classes))
    right = predicted == on.codes
    np.add.at(table, (on.clusters[right], on.codes[right]), on.votes[right])
    np.add.at(table, (on.clusters, on.n_classes + on.codes), on.votes)
    np.add.at(table, (on.clusters, 2 * on.n_classes + predicted), on.votes)
    return table


def _metric(totals: FloatArray, on: Yardstick) -> float:
    classes = on.n_classes
    return on.metric(totals[:classes], totals[classes : 2 * classes], totals[2 * classes :])


def score_draws(arms: list[Scored], on: Yardstick, rng: np.random.Generator) -> FloatArray:
    """The metric of each arm in R resamples of the clusters, the same resamples for all: (R, number of arms)."""
    joined = np.concatenate([arm.table for arm in arms], axis=1)
    draws = np.empty((REPLICATES, len(arms)))
    block = max(1, 4_000_000 // max(on.n_clusters, 1))
    for start in range(0, REPLICATES, block):
        size = min(block, REPLICATES - start)
        totals = resampled_counts(on.n_clusters, size, rng) @ joined
        for r, row in enumerate(totals):
            draws[start + r] = [_metric(part, on) for part in np.split(row, len(arms))]
    return draws


def value(arm: Scored, on: Yardstick) -> float:
    return _metric(arm.table.sum(axis=0), on)


def estimate(at: float, draws: FloatArray, on: Yardstick, *, method: str, unit: float = 1.0) -> Estimate:
    low, high = percentile_interval(unit * draws, unit * at, LEVEL)
    return Estimate(unit * at, low, high, LEVEL, len(on.rows), on.n_clusters, method)


@dataclass(frozen=True, slots=True)
class Gain:
    """How much one arm is above another: points, with one-sided p values for better and for worse, and its standard error."""

    points: Estimate
    p_better: float
    p_worse: float
    standard_error: float


def gain(arm: Scored, over: Scored, on: Yardstick, rng: np.random.Generator) -> Gain:
    """Paired over clusters and seeds: the variance between seeds is added to that between clusters."""
    classes = on.n_classes
    true = arm.table[:, classes : 2 * classes].sum(axis=0)

    def difference(a: FloatArray, b: FloatArray) -> float:
        return on.metric(a[:classes], true, a[classes:]) - on.metric(b[:classes], true, b[classes:])

    a, b = (np.delete(s.table, np.s_[classes : 2 * classes], axis=1) for s in (arm, over))
    at = value(arm, on) - value(over, on)
    draws = score_draws([arm, over], on, rng) @ np.array([1.0, -1.0])
    between_clusters, between_seeds = float(draws.std()), _seed_error(arm.per_seed - over.per_seed)
    error = sqrt(between_clusters**2 + between_seeds**2)
    share = between_clusters / error if error > 0 else 1.0
    draws = draws + rng.normal(0.0, between_seeds, len(draws))
    points = estimate(at, draws, on, method="paired cluster bootstrap, seeds' variance added", unit=100.0)
    better, worse = swap_p(a, b, difference, rng)
    return Gain(points, _softened(better, share), _softened(worse, share), error)


def _seed_error(differences: FloatArray) -> float:
    """Standard error of the mean over seeds (S,), with the variance of Student's t at S - 1 degrees of freedom."""
    n = len(differences)
    return float(differences.std(ddof=1) / sqrt(n) * sqrt((n - 1) / (n - 3)))


def _softened(p: float, share: float) -> float:
    """The p value of a permutation over clusters, its z score shrunk by the clusters' `share` of the standard error."""
    normal = NormalDist()
    return normal.cdf(normal.inv_cdf(p) * share) if p < 0.5 else p


def log_loss_gain(arm: Scored, over: Scored, on: Yardstick, rng: np.random.Generator) -> Estimate:
    """Mean log loss of `over` minus that of `arm`, nats per vote; > 0: the arm is better."""
    differences = over.log_loss - arm.log_loss
    draws = cluster_bootstrap_means(differences[:, None], on.clusters, REPLICATES, rng, weights=on.votes)[:, 0]
    at = float(np.average(differences, weights=on.votes))
    return estimate(at, draws, on, method="paired cluster bootstrap, nats")
