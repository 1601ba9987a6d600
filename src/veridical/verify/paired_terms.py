"""Several models on the same rows, counted in one way: as reported, or in honest terms. Scores, resamples and paired tests.

In honest terms only rows that no compared run has in its train are read, and they are weighted so that their description equals
that of one run's population, the run's that foresees best, as in its ledger: one population and one set of weights for all runs,
so that what the rows have in common cancels in a difference. Rows that some run has seen are not imputed: imputing each run's own
would compare imputations.

Letters: n rows, G clusters, K runs, W classes (1 for accuracy), q columns of the description, H review cells, R replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from statistics import NormalDist
from typing import Protocol

import numpy as np

from veridical.core.bootstrap import FloatArray, IntArray, cluster_totals, resampled_counts
from veridical.core.paired_test import sign_flip_p, swap_p
from veridical.dataset.rows import BoolArray
from veridical.ledger.inference import MANY_CLUSTERS
from veridical.ledger.population import Population
from veridical.ledger.score_table import statistics
from veridical.tasks._class_metrics import among, collapses, earned
from veridical.tasks._contract import Metric
from veridical.tasks._totals import gradient
from veridical.verify.label_draws import Truth

REPLICATES = 2_000
"""Bootstrap replicates: the ends of a 95 % interval move by about 0.05 standard errors. Ours; no source."""
BLOCK_CELLS = 4_000_000
"""Drawn counts held at once, so that memory does not grow with R x G."""


class Paired(Protocol):
    """What the runs are compared on: n rows, K runs. clusters: (n,), rows that hang together in any run. people: one run's
    population with the rows leaked that any run has in train; None where there is none."""

    @property
    def n(self) -> int: ...

    @property
    def k(self) -> int: ...

    @property
    def width(self) -> int:
        """Classes, or what else a metric averages over."""
        ...

    @property
    def clusters(self) -> IntArray: ...

    @property
    def people(self) -> Population | None: ...

    def metric_of(self, terms: str) -> Metric:
        """The metric of these terms, `reported` or `honest`."""
        ...

    def counted(self, run: int, labels: FloatArray | None, *, terms: str) -> tuple[FloatArray, FloatArray]:
        """(statistics of each row (n, 3W), expected correctness (n,)). labels: distributions over the truth, None: as given."""
        ...

    def doubt(self, totals: FloatArray) -> FloatArray:
        """What a review of a part of the answers leaves open, standard deviations with sign, (K, H); no column where there is
        none. totals: in honest terms, (K, 3W)."""
        ...

    def alike(self, first: int, second: int) -> bool:
        """Whether two runs answer every row the same."""
        ...

    def right(self, run: int) -> BoolArray:
        """Rows answered exactly as labelled, (n,)."""
        ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows with one label. codes: labels as given (n,). predicted: (K, n). declared: the metric that counts in honest terms, None
    for the same. The rest as in `Paired`."""

    codes: IntArray
    predicted: IntArray
    clusters: IntArray
    n_classes: int
    metric: Metric
    people: Population | None = None
    declared: Metric | None = None

    @cached_property
    def classes(self) -> IntArray:
        """Classes that occur as label or prediction: averages over classes are over these."""
        return np.unique(np.concatenate([self.codes, self.predicted.ravel()]))

    @property
    def n(self) -> int:
        return len(self.codes)

    @property
    def k(self) -> int:
        return len(self.predicted)

    @property
    def width(self) -> int:
        return len(self.classes)

    def in_terms(self, terms: str) -> "Rows":
        """The same rows, scored as these terms are."""
        return self if terms == "reported" or self.declared is None else replace(self, metric=self.declared)

    def metric_of(self, terms: str) -> Metric:
        return self.in_terms(terms).metric_of_classes

    @cached_property
    def metric_of_classes(self) -> Metric:
        """The metric of margins of `classes`."""
        return among(self.metric, np.isin(np.arange(self.n_classes), self.classes))

    def counted(self, run: int, labels: FloatArray | None, *, terms: str) -> tuple[FloatArray, FloatArray]:
        given = np.eye(self.n_classes)[self.codes] if labels is None else labels
        return _stacked(self.in_terms(terms), given, self.predicted[run])

    def doubt(self, totals: FloatArray) -> FloatArray:
        return np.zeros((self.k, 0))  # of labels it hangs on the truth: see `_review`

    def alike(self, first: int, second: int) -> bool:
        return np.array_equal(self.predicted[first], self.predicted[second])

    def right(self, run: int) -> BoolArray:
        return np.asarray(self.predicted[run] == self.codes)


@dataclass(frozen=True, eq=False)
class Terms:
    """One way of counting. name: reported or honest. weights: of the rows, (n,). right: expected correctness, (K, n). totals:
    weighted statistics (K, 3W). tables: their contributions by cluster (K, G, 3W); resampled: the same with the calibration's
    residuals, what a resample adds. slopes: derivative of totals by the population's mean description, (K, q, 3W). review:
    standard deviations with sign from reviewing a sample of labels, (K, H)."""

    name: str
    rows: Paired
    weights: FloatArray
    right: FloatArray
    totals: FloatArray
    tables: FloatArray
    resampled: FloatArray
    slopes: FloatArray
    review: FloatArray
    n_clusters: int
    n_parameters: int

    @property
    def metric(self) -> Metric:
        return self.rows.metric_of(self.name)

    @cached_property
    def scores(self) -> FloatArray:
        """The metric of each run, (K,)."""
        return np.array([score(self.metric, totals) for totals in self.totals])

    def draws(self, rng: np.random.Generator) -> FloatArray:
        """The metric of each run in R resamples of the clusters, the same resamples for all, (R, K)."""
        k, g, width = self.resampled.shape
        scale = sqrt(self.n_clusters / max(self.n_clusters - self.n_parameters, 1))
        joined = self.resampled.transpose(1, 0, 2).reshape(g, k * width)
        q = self.slopes.shape[1]
        root = _root(self.rows.people.target_covariance) if q and self.rows.people else np.zeros((0, 0))
        normal = None
        if g > max(MANY_CLUSTERS, 10 * k * width):
            off = joined - joined.mean(axis=0)
            normal = _root(off.T @ off)
        found = np.empty((REPLICATES, k))
        block = max(1, BLOCK_CELLS // max(g, k * width))
        for start in range(0, REPLICATES, block):
            size = min(block, REPLICATES - start)
            if normal is None:
                moved = scale * (resampled_counts(g, size, rng) - 1.0) @ joined
            else:
                moved = scale * rng.standard_normal((size, k * width)) @ normal.T
            shifted = np.einsum("rq,kqw->rkw", rng.standard_normal((size, q)) @ root.T, self.slopes)
            found[start : start + size] = _scores(self.metric, self.totals + moved.reshape(size, k, width) + shifted)
        return found + rng.standard_normal((REPLICATES, self.review.shape[1])) @ self.review.T

    def p(self, first: int, second: int, rng: np.random.Generator) -> float:
        """Two-sided p of no difference: were the two runs exchangeable within clusters."""
        if self.rows.alike(first, second):
            return 1.0
        metric = self.metric
        if collapses(metric):
            difference = self.weights * (self.right[second] - self.right[first])
            return sign_flip_p(difference, self.rows.clusters, rng, side="two-sided")

        def gain(a: FloatArray, b: FloatArray) -> float:
            return score(metric, a) - score(metric, b)

        better, worse = swap_p(self.tables[second], self.tables[first], gain, rng)
        return min(1.0, 2 * min(better, worse))

    def review_share(self, first: int, second: int, standard_error: float) -> float:
        """The part of a difference's standard error that is not the review's, 0..1."""
        review = self.review[second] - self.review[first]
        total = standard_error**2
        return sqrt(max(total - float(review @ review), 0.0) / total) if total > 0 else 1.0


def score(metric: Metric, totals: FloatArray) -> float:
    """The metric of weighted totals (3W,); not cut at 1, so that differences under inverted noise stay differences."""
    right, true, predicted = np.split(np.maximum(totals, 0.0), 3)
    return metric(right, true, predicted)


def _scores(metric: Metric, totals: FloatArray) -> FloatArray:
    """The metric of totals (R, K, 3W), (R, K)."""
    if collapses(metric):
        kept = np.maximum(totals, 0.0)
        return np.asarray(kept[..., 0] / kept[..., 1])
    return np.array([[score(metric, one) for one in row] for row in totals])


def reported_terms(rows: Paired) -> Terms:
    """One vote a row, labels as given."""
    n = rows.n
    tables, right = [], []
    for run in range(rows.k):
        stacked, correct = rows.counted(run, None, terms="reported")
        tables.append(cluster_totals(stacked, rows.clusters))
        right.append(correct)
    by_cluster = np.stack(tables)
    k, _, width = by_cluster.shape
    return Terms(
        name="reported", rows=rows, weights=np.full(n, 1.0 / n), right=np.stack(right), totals=by_cluster.sum(axis=1),
        tables=by_cluster, resampled=by_cluster, slopes=np.zeros((k, 0, width)), review=np.zeros((k, 0)),
        n_clusters=by_cluster.shape[1], n_parameters=1,
    )  # fmt: skip


def honest_terms(rows: Paired, truth: Truth | None) -> Terms | None:
    """Rows that no run has in train, weighted to the population, labels as far as they are known (truth None: as given). None
    where too few are left."""
    people = rows.people
    if people is None or not readable(people):
        return None
    among = ~people.leaked
    projection = people.projection(among)
    weights = projection @ people.target
    totals, tables, resampled, slopes, right, review = [], [], [], [], [], []
    for run in range(rows.k):
        stacked, correct = rows.counted(run, None if truth is None else truth.labels, terms="honest")
        totals.append(weights @ stacked)
        weighted = weights[:, None] * stacked
        fitted = projection.T @ stacked  # (q, 3W)
        tables.append(cluster_totals(weighted, rows.clusters))
        resampled.append(cluster_totals(weights[:, None] * (stacked - people.basis @ fitted), rows.clusters))
        slopes.append(fitted)
        right.append(correct)
        review.append(_review(rows, truth, run, weights=weights, totals=totals[-1]))
    return Terms(
        name="honest", rows=rows, weights=weights, right=np.stack(right), totals=np.stack(totals), tables=np.stack(tables),
        resampled=np.stack(resampled), slopes=np.stack(slopes),
        review=np.concatenate([np.stack(review), rows.doubt(np.stack(totals))], axis=1),
        n_clusters=len(np.unique(rows.clusters[among])), n_parameters=people.basis.shape[1],
    )  # fmt: skip


def readable(people: Population) -> bool:
    """Whether enough clusters are left that no run has in train, for the description's columns too."""
    left = len(np.unique(people.cluster[~people.leaked]))
    return bool(left >= max(people.params.min_unleaked, people.basis.shape[1] + 1))


def _stacked(rows: Rows, labels: FloatArray, predicted: IntArray) -> tuple[FloatArray, FloatArray]:
    """(statistics of each row (n, 3W), expected correctness (n,))."""
    made = statistics(labels, ((predicted, 1.0),), metric=rows.metric)
    if collapses(rows.metric):
        return made.stacked(), made.correctness
    kept = [part[:, rows.classes] for part in (made.right, made.true, made.predicted)]
    return np.concatenate(kept, axis=1), made.correctness


def _review(rows: Paired, truth: Truth | None, run: int, *, weights: FloatArray, totals: FloatArray) -> FloatArray:
    """What each review cell's standard error moves the run's score by, (H,)."""
    if truth is None or truth.cell is None or truth.spread is None or truth.change is None:
        return np.zeros(0)
    moved = _change_of(rows, truth.change, run) @ gradient(rows.metric_of("honest"), totals)
    return np.asarray(np.bincount(truth.cell, weights * moved, minlength=len(truth.spread)) * truth.spread)


def _change_of(rows: Paired, change: FloatArray, run: int) -> FloatArray:
    """Statistics are linear in the labels but for the predicted part, which a change of labels leaves alone."""
    stacked, _ = rows.counted(run, change, terms="honest")
    width = stacked.shape[1] // 3
    stacked[:, 2 * width :] = 0.0
    return stacked


def drawn_scores(rows: Rows, weights: FloatArray, truths: Sequence[IntArray]) -> FloatArray:
    """The metric of each run for each set of true labels, (number of sets, K)."""
    found = np.empty((len(truths), len(rows.predicted)))
    c = rows.n_classes
    given = [np.bincount(predicted, weights, minlength=c) for predicted in rows.predicted]
    for d, codes in enumerate(truths):
        true = np.bincount(codes, weights, minlength=c)
        for run, predicted in enumerate(rows.predicted):
            right = np.bincount(codes, weights * earned(codes, predicted, rows.metric), minlength=c)
            found[d, run] = score(rows.metric, np.concatenate([right, true, given[run]]))
    return found


FEW_REACHED = 0.005
"""Two-sided p value up to which few of the 1,999 or 9,999 permutations reach the difference, so that their number bounds it.
Ours; no source."""


def softened(p: float, share: float, *, by_error: float) -> float:
    """A p value whose z score is shrunk by the `share` of the standard error that its permutation knows of. by_error: by the
    whole standard error, which tells more where hardly any permutation reaches the difference: then p says no more than how many
    there were, and its z score shrunk would call no difference real, however large."""
    if share >= 1 or not 0 < p < 1:
        return p
    normal = NormalDist()
    shrunk = float(2 * normal.cdf(normal.inv_cdf(p / 2) * share))
    return shrunk if p > FEW_REACHED else max(p, min(shrunk, by_error))


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
