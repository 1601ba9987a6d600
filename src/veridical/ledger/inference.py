"""Intervals for scores and their components from row influences: clusters are resampled, never rows.

A linearised statistic has one influence per test row; rows of a cluster are summed first. Uncertainty of the population's mean
basis and of a review sample is independent of it and is added. Simultaneous bands: max-|t| over the components (Romano and Wolf
2005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import stats

from veridical.dataset.rows import IntArray
from veridical.ledger.game import Value, stacked_cells
from veridical.models.model import FloatArray

LEVEL = 0.95
POWER_FACTOR = float(stats.norm.ppf(0.975) + stats.norm.ppf(0.8))
"""Standard errors that a two-sided 5 % test sees with 80 % power: 2.80."""
REPLICATES = 2000
MANY_CLUSTERS = 20_000
"""Clusters from which resampled sums are drawn from their normal limit; by then the two agree to the third digit. Ours."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What the rows' influences are to be combined with. cluster: (n,). target_covariance: (q, q). n_parameters: fitted ones."""

    cluster: IntArray
    target_covariance: FloatArray
    n_parameters: int

    @property
    def n_clusters(self) -> int:
        return int(self._member.max()) + 1 if len(self.cluster) else 0

    @cached_property
    def _member(self) -> IntArray:
        """Number of each row's cluster, counted from 0, (n,)."""
        return np.unique(self.cluster, return_inverse=True)[1].astype(np.int64)

    def covariance(self, values: Sequence[Value]) -> FloatArray:
        """Covariance matrix of the values, (M, M)."""
        summed = self.by_cluster(values)
        n = len(summed)
        inflation = n / max(n - max(self.n_parameters, 1), 1)
        slopes, review, cells = np.array([v.slope for v in values]), np.array([v.review for v in values]), stacked_cells(values)
        known = slopes @ self.target_covariance @ slopes.T + review @ review.T
        return np.asarray(summed.T @ summed * inflation + known + cells @ cells.T)

    def parts(self, value: Value) -> dict[str, float]:
        """The variance of one value by where it comes from."""
        summed = self.by_cluster([value])[:, 0]
        n = len(summed)
        return {
            "test rows": float(summed @ summed) * n / max(n - max(self.n_parameters, 1), 1) + float(value.cells @ value.cells),
            "population": float(value.slope @ self.target_covariance @ value.slope),
            "review": float(value.review[:-2] @ value.review[:-2]),
            "train rows": float(value.review[-2] ** 2),
            "target": float(value.review[-1] ** 2),
        }

    def by_cluster(self, values: Sequence[Value]) -> FloatArray:
        """Influences summed over the rows of each cluster, (G, M)."""
        return np.stack([np.bincount(self._member, v.influence) for v in values], axis=1)

    def standard_error(self, value: Value) -> float:
        return float(np.sqrt(self.covariance([value])[0, 0]))

    def third_moment(self, value: Value) -> float:
        """Of the value, where a few rows of small cells may make it lopsided; 0 elsewhere, where the sum of many evens it out."""
        if not value.cells.any():
            return 0.0
        return float((self.by_cluster([value]) ** 3).sum() + (value.cells**3).sum())

    def critical(self, level: float = LEVEL) -> float:
        """Two-sided critical value: Student t with the clusters' degrees of freedom."""
        return critical_of_mean(self.n_clusters - self.n_parameters, level)

    def simultaneous_critical(self, values: Sequence[Value], *, rng: np.random.Generator, level: float = LEVEL) -> float:
        """Quantile of max |t| over the values by a cluster bootstrap; at least the pointwise critical value."""
        live = [v for v in values if self.standard_error(v) > 1e-12]
        if not live:
            return self.critical(level)
        deviations = self.replicates(live, rng=rng)
        largest = np.abs(deviations / np.sqrt(np.diag(self.covariance(live)))).max(axis=1)
        return max(float(np.quantile(largest, level)), self.critical(level))

    def replicates(self, values: Sequence[Value], *, rng: np.random.Generator, n: int = REPLICATES) -> FloatArray:
        """Bootstrap deviations from the point values, (n, M): clusters drawn with replacement, the rest normal."""
        summed = self.by_cluster(values)
        if len(summed) > MANY_CLUSTERS:
            return rng.standard_normal((n, len(values))) @ _root(self.covariance(values)).T
        drawn = np.empty((n, len(values)))
        block = max(1, 20_000_000 // max(len(summed), 1))
        for start in range(0, n, block):
            size = min(block, n - start)
            votes = rng.multinomial(len(summed), np.full(len(summed), 1 / len(summed)), size=size)
            drawn[start : start + size] = (votes - 1.0) @ summed
        slopes, review, cells = np.array([v.slope for v in values]), np.array([v.review for v in values]), stacked_cells(values)
        rest = slopes @ self.target_covariance @ slopes.T + review @ review.T + cells @ cells.T
        return drawn + rng.standard_normal((n, len(values))) @ _root(rest).T


def _root(covariance: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


MOST_LEANING = 0.5
"""Share of its half width by which an interval is moved at most. Ours; no source: beyond it the expansion does not hold."""


def leaning(third_moment: float, standard_error: float, *, critical: float) -> float:
    """How far the middle of an interval lies from the point, for the skewness of what it is about: the first term of the Cornish
    and Fisher expansion, Johnson 1978, JASA 73:536. A mean of five rows that are all right can hardly be too low."""
    if standard_error <= 0:
        return 0.0
    most = MOST_LEANING * critical * standard_error
    return float(np.clip(third_moment / standard_error**2 * (2 * critical**2 + 1) / 6, -most, most))


def critical_of_mean(degrees: int, level: float = LEVEL) -> float:
    """Two-sided critical value of Student's t."""
    return float(stats.t.ppf(0.5 + level / 2, max(degrees, 2)))


def share_interval(value: float, standard_error: float, *, critical: float, n: int) -> tuple[float, float]:
    """Interval of a share (Wilson 1927) of as many even votes as the standard error is worth; stays inside 0..1.

    At a share of 0 or 1 the standard error says nothing: the exact (Clopper and Pearson 1934) bound for n clusters is used, or
    the standard error where that is wider, as with labels that few rows were reviewed of.
    """
    if value <= 0 or value >= 1 or standard_error <= 0:
        slack = max(1 - 0.025 ** (1 / max(n, 1)), critical * standard_error)
        return max(0.0, min(value, 1.0) - slack) if value > 0.5 else 0.0, min(1.0, value + slack) if value < 0.5 else 1.0
    even = value * (1 - value) / max(standard_error, 1e-9) ** 2
    square = critical**2
    centre = (value + square / (2 * even)) / (1 + square / even)
    half = critical * np.sqrt(value * (1 - value) / even + square / (4 * even**2)) / (1 + square / even)
    return float(max(0.0, min(centre - half, value))), float(min(1.0, max(centre + half, value)))


def score_interval(value: float, standard_error: float, *, worst: float, critical: float, n: int) -> tuple[float, float]:
    """`share_interval` of a metric that runs from `worst` to 1: 0 for shares, below it for a correlation."""
    span = 1.0 - worst
    low, high = share_interval((value - worst) / span, standard_error / span, critical=critical, n=n)
    return worst + span * low, worst + span * high


def beyond_even_votes(third_moment: float, value: float, standard_error: float, *, worst: float) -> float:
    """What of a third moment `score_interval` does not hold already, by taking a score for one of even votes."""
    share = (value - worst) / (1.0 - worst)
    if not 0 < share < 1:
        return 0.0
    held = standard_error**4 * (1 - 2 * share) / (share * (1 - share) * (1.0 - worst))
    left = third_moment - held
    return left if third_moment * left > 0 else 0.0


def partially_identified(low: float, high: float, *, standard_error: float, level: float = LEVEL) -> float:
    """Critical value for an interval around an identified set [low, high] (Imbens and Manski 2004, Econometrica 72:1845)."""
    if standard_error <= 0:
        return 0.0
    gap = (high - low) / standard_error
    from scipy.optimize import brentq

    return float(brentq(lambda c: stats.norm.cdf(c + gap) - stats.norm.cdf(-c) - level, 0.5, 5.0))
