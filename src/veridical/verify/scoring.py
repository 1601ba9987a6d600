"""Scores of arms on one set of rows, and how surely one arm beats another there.

Letters: L rows, K clusters, C classes, W columns of a metric's statistics (C for classes), S seeds, R replicates.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from veridical.core.bootstrap import cluster_bootstrap_means, percentile_interval, resampled_counts
from veridical.core.estimate import Estimate
from veridical.core.paired_test import swap_p
from veridical.core.proportion import effective_number, opened_difference, opened_share
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.score_table import worst
from veridical.models.model import FloatArray
from veridical.tasks._class_metrics import earned
from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import Metric

REPLICATES = 2_000
"""Bootstrap replicates: the ends of a 95 % interval move by about 0.05 standard errors. Ours; no source."""
LEVEL = 0.95
RECALL_CLUSTERS = 50
"""Clusters of a class from which its recall is compared: fewer show nothing under about 10 points. Ours; no source."""
Labels = npt.NDArray[Any]
"""What is right of rows, or said of them: codes of labels, or answers of more than one label as they are stored."""


@dataclass(frozen=True, eq=False)
class Ballot:
    """What S models said of L rows, (S, L), and its log loss in nats, (S, L); None where answers carry no probabilities."""

    predicted: Labels
    log_loss: FloatArray | None


class Yardstick(Protocol):
    """What every arm is measured on: L rows of which it is known what is right, in K clusters.

    rows: positions in the data (L,). right: (L,). clusters: 0..K-1 (L,). votes: (L,). n_named: columns of the statistics, from
    the first, of which each stands for the label in its place; recall is compared for these.
    """

    @property
    def rows(self) -> IntArray: ...

    @property
    def right(self) -> Labels: ...

    @property
    def clusters(self) -> IntArray: ...

    @property
    def votes(self) -> FloatArray: ...

    @property
    def n_clusters(self) -> int: ...

    @property
    def metric(self) -> Metric: ...

    @property
    def n_named(self) -> int: ...

    @property
    def worst(self) -> float: ...

    def ballot(self, said: npt.NDArray[Any]) -> Ballot:
        """Of what the models gave, (S, L) or with an axis of classes."""
        ...

    def table(self, predicted: Labels) -> FloatArray:
        """Statistics of one model by cluster, weighted by votes, (K, 3W): right (what was earned, where nearly right answers earn
        something), true and predicted."""
        ...

    def hits(self, predicted: Labels) -> FloatArray:
        """Votes for what was found of each column, (K, W)."""
        ...

    def holds(self, column: int) -> BoolArray:
        """Rows that ask for this column, (L,)."""
        ...

    def agrees(self, predicted: Labels) -> BoolArray:
        """Rows answered exactly as is right, (L,)."""
        ...

    def asked(self, row: IntArray, share: FloatArray) -> "Yardstick":
        """The yardstick of E questions about these rows. row: place of the row of each, (E,). share: of its row's vote, (E,)."""
        ...


@dataclass(frozen=True, eq=False)
class LabelYardstick:
    """Rows with one label. codes: their labels (L,); rows without a known one are not among them. The rest as in `Yardstick`."""

    rows: IntArray
    codes: IntArray
    clusters: IntArray
    votes: FloatArray
    n_clusters: int
    n_classes: int
    metric: Metric

    @property
    def right(self) -> Labels:
        return self.codes

    @property
    def n_named(self) -> int:
        return self.n_classes

    @property
    def worst(self) -> float:
        return worst(self.metric, self.n_classes)

    def ballot(self, said: npt.NDArray[Any]) -> Ballot:
        """said: probabilities (S, L, C), one model per seed."""
        chosen = said[:, np.arange(len(self.codes)), self.codes]  # (S, L)
        return Ballot(said.argmax(axis=2).astype(np.int64), -np.log(np.maximum(chosen, 1e-12)))

    def table(self, predicted: Labels) -> FloatArray:
        table = np.zeros((self.n_clusters, 3 * self.n_classes))
        np.add.at(table, (self.clusters, self.codes), self.votes * earned(self.codes, predicted, self.metric))
        np.add.at(table, (self.clusters, self.n_classes + self.codes), self.votes)
        np.add.at(table, (self.clusters, 2 * self.n_classes + predicted), self.votes)
        return table

    def hits(self, predicted: Labels) -> FloatArray:
        table, right = np.zeros((self.n_clusters, self.n_classes)), self.agrees(predicted)
        np.add.at(table, (self.clusters[right], self.codes[right]), self.votes[right])
        return table

    def holds(self, column: int) -> BoolArray:
        return np.asarray(self.codes == column)

    def agrees(self, predicted: Labels) -> BoolArray:
        return np.asarray(predicted == self.codes)

    def asked(self, row: IntArray, share: FloatArray) -> "LabelYardstick":
        votes = self.votes[row] * share
        return replace(self, rows=self.rows[row], codes=self.codes[row], clusters=self.clusters[row], votes=votes)


def yardstick(
    rows: IntArray,
    codes: IntArray,
    clusters: IntArray,
    *,
    n_classes: int,
    metric: Metric,
    votes: str,
    within: IntArray | None = None,
) -> LabelYardstick:
    """codes, clusters: of all rows of the data (N,). votes, within: as in `seats`."""
    rows = rows[codes[rows] >= 0]
    found = seats(rows, clusters, votes=votes, within=within)
    return LabelYardstick(rows, codes[rows], found.clusters, found.votes, found.n_clusters, n_classes, metric)


@dataclass(frozen=True, eq=False)
class Seats:
    """Where L rows stand among K clusters. clusters: 0..K-1 (L,). votes: (L,)."""

    clusters: IntArray
    votes: FloatArray
    n_clusters: int


def seats(rows: IntArray, clusters: IntArray, *, votes: str, within: IntArray | None = None) -> Seats:
    """clusters: of all rows of the data (N,). votes: `clusters` gives each cluster one vote, `rows` each row.

    within: rows whose clusters are resampled together, so that two yardsticks can share their resamples; default: `rows`.
    """
    universe = np.unique(clusters[rows if within is None else within])
    member = np.searchsorted(universe, clusters[rows]).astype(np.int64)
    weight = 1.0 / np.bincount(member)[member] if votes == "clusters" else np.ones(len(rows))
    return Seats(member, weight, len(universe))


@dataclass(frozen=True, eq=False)
class Scored:
    """One arm on one yardstick.

    table: (K, 3W) votes of each cluster, averaged over seeds, as in `Yardstick.table`. per_seed: the metric of each seed's model
    (S,). log_loss: (L,), averaged over seeds, None where there is none. hits: (K, W) votes for what was found of each column.
    """

    table: FloatArray
    per_seed: FloatArray
    log_loss: FloatArray | None
    hits: FloatArray


def scored(said: npt.NDArray[Any], on: Yardstick) -> Scored:
    """said: what the models gave, as `Yardstick.ballot` takes it."""
    return counted(on.ballot(said), on)


def counted(said: Ballot, on: Yardstick) -> Scored:
    """The arm's score from what its models said of each row."""
    tables = np.stack([on.table(p) for p in said.predicted])  # (S, K, 3W)
    per_seed = np.array([_metric(t.sum(axis=0), on) for t in tables])
    hits = np.stack([on.hits(p) for p in said.predicted])  # (S, K, W)
    log_loss = None if said.log_loss is None else said.log_loss.mean(axis=0)
    return Scored(tables.mean(axis=0), per_seed, log_loss, hits.mean(axis=0))


def _metric(totals: FloatArray, on: Yardstick) -> float:
    width = len(totals) // 3
    return on.metric(totals[:width], totals[width : 2 * width], totals[2 * width :])


def score_draws(arms: list[Scored], on: Yardstick, rng: np.random.Generator) -> FloatArray:
    """The metric of each arm in R resamples of the clusters, the same resamples for all: (R, number of arms)."""
    joined = np.concatenate([arm.table for arm in arms], axis=1)
    ends = np.cumsum([0, *(arm.table.shape[1] for arm in arms)])  # names that one arm alone met make its table wider
    draws = np.empty((REPLICATES, len(arms)))
    block = max(1, 4_000_000 // max(on.n_clusters, 1))
    for start in range(0, REPLICATES, block):
        size = min(block, REPLICATES - start)
        totals = resampled_counts(on.n_clusters, size, rng) @ joined
        for k, (first, end) in enumerate(pairwise(ends)):
            draws[start : start + size, k] = _metrics(totals[:, first:end], on)
    return draws


def _metrics(totals: FloatArray, on: Yardstick) -> FloatArray:
    """The metric of each row of totals (R, 3W), (R,)."""
    if on.metric is accuracy:
        width = totals.shape[1] // 3
        return np.asarray(totals[:, :width].sum(axis=1) / totals[:, width : 2 * width].sum(axis=1))
    return np.array([_metric(row, on) for row in totals])


def value(arm: Scored, on: Yardstick) -> float:
    return _metric(arm.table.sum(axis=0), on)


def estimate(at: float, draws: FloatArray, on: Yardstick, *, method: str, unit: float = 1.0) -> Estimate:
    low, high = percentile_interval(unit * draws, unit * at, LEVEL)
    return Estimate(unit * at, low, high, LEVEL, len(on.rows), on.n_clusters, method)


def score_estimate(at: float, draws: FloatArray, on: Yardstick, *, method: str) -> Estimate:
    """A score with its interval; where all rows are right, or none, as wide as one row more could make it."""
    found = estimate(at, draws, on, method=method)
    low, high = opened_share((found.low, found.high), at, n=_units(on, on.votes), level=LEVEL, lowest=on.worst)
    return replace(found, low=low, high=high)


def _units(on: Yardstick, votes: FloatArray) -> float:
    """Clusters that votes (L,) are worth."""
    return effective_number(np.bincount(on.clusters, votes, minlength=on.n_clusters).astype(np.float64))


@dataclass(frozen=True, slots=True)
class Gain:
    """How much one arm is above another: points, with one-sided p values for better and for worse, and its standard error."""

    points: Estimate
    p_better: float
    p_worse: float
    standard_error: float


def gain(arm: Scored, over: Scored, on: Yardstick, rng: np.random.Generator, *, one_model: bool = False) -> Gain:
    """Paired over clusters and models: the variance of training is added to that between clusters. one_model: both are the same
    model, which is not trained anew, so where no answer differs none ever does."""
    width = arm.table.shape[1] // 3
    true = arm.table[:, width : 2 * width].sum(axis=0)

    def difference(a: FloatArray, b: FloatArray) -> float:
        return on.metric(a[:width], true, a[width:]) - on.metric(b[:width], true, b[width:])

    a, b = (np.delete(s.table, np.s_[width : 2 * width], axis=1) for s in (arm, over))
    at = value(arm, on) - value(over, on)
    draws = score_draws([arm, over], on, rng) @ np.array([1.0, -1.0])
    between_clusters, between_seeds = float(draws.std()), training_error(arm, over)
    error = sqrt(between_clusters**2 + between_seeds**2)
    draws = draws + rng.normal(0.0, between_seeds, len(draws))
    points = estimate(at, draws, on, method="paired cluster bootstrap, training variance added", unit=100.0)
    low, high = points.low, points.high
    if not one_model:
        low, high = opened_difference((low, high), points.value, n=_units(on, on.votes), level=LEVEL, unit=100.0)
    span = 100.0 * (1 - on.worst)  # no two models are further apart, whatever the variance of training
    low, high = max(low, -span), min(high, span)
    better, worse = swap_p(a, b, difference, rng)
    toward = (at / error, -at / error) if between_seeds > 0 else (None, None)
    seen = max(error, 1 / _units(on, on.votes))  # no row differs: as uncertain as one that does would make it
    return Gain(replace(points, low=low, high=high), _softened(better, toward[0]), _softened(worse, toward[1]), seen)


def training_error(arm: Scored, over: Scored) -> float:
    """Standard error that training adds to a difference, with the variance of Student's t at S - 1 degrees of freedom.

    Seeds that change both: the error of the mean over seeds. One deterministic fit against S placebos: were it one of them, it
    would lie sd sqrt(1 + 1/S) off their mean. One fit against one: 0, and the claim is about this train set.
    """
    single, several = sorted((arm.per_seed, over.per_seed), key=len)
    n = len(several)
    if n == 1:
        return 0.0
    widened = sqrt((n - 1) / (n - 3))
    if len(single) == 1:
        return float(several.std(ddof=1) * sqrt(1 + 1 / n) * widened)
    return float((single - several).std(ddof=1) / sqrt(n) * widened)


def _softened(p: float, z: float | None) -> float:
    """The p value of a permutation over clusters, raised to that of the whole standard error where training adds to it.

    z: the difference over that error. Shrinking the z score of p instead would lose what lies beyond 1 / R.
    """
    return p if z is None else max(p, NormalDist().cdf(-z))


def log_loss_gain(arm: Scored, over: Scored, on: Yardstick, rng: np.random.Generator) -> Estimate | None:
    """Mean log loss of `over` minus that of `arm`, nats per vote; > 0: the arm is better. None where answers carry no
    probabilities."""
    if arm.log_loss is None or over.log_loss is None:
        return None
    differences = over.log_loss - arm.log_loss
    draws = cluster_bootstrap_means(differences[:, None], on.clusters, REPLICATES, rng, weights=on.votes)[:, 0]
    at = float(np.average(differences, weights=on.votes))
    return estimate(at, draws, on, method="paired cluster bootstrap, nats")


def recall_gains(arm: Scored, over: Scored, on: Yardstick, rng: np.random.Generator) -> dict[int, Estimate]:
    """Recall of `arm` minus that of `over` in points, for each named column that stands in enough clusters."""
    width, found = arm.table.shape[1] // 3, {}
    for column in range(on.n_named):
        has = on.holds(column)
        n_clusters = len(np.unique(on.clusters[has]))
        if n_clusters < RECALL_CLUSTERS:
            continue
        totals = np.column_stack([arm.hits[:, column], over.hits[:, column], arm.table[:, width + column]])
        drawn = resampled_counts(on.n_clusters, REPLICATES, rng) @ totals
        draws = (drawn[:, 0] - drawn[:, 1]) / np.maximum(drawn[:, 2], 1e-12)
        right, other, true = totals.sum(axis=0)
        at, method = 100 * float((right - other) / true), "paired cluster bootstrap"
        units = _units(on, np.where(has, on.votes, 0.0))
        low, high = opened_difference(percentile_interval(100 * draws, at, LEVEL), at, n=units, level=LEVEL, unit=100.0)
        found[column] = Estimate(at, low, high, LEVEL, int(has.sum()), n_clusters, method)
    return found
