"""Means and ratios over rows whose clusters are the units, as measures: value, interval, p value, smallest visible effect.

Letters: n rows, K clusters. Every cluster has one vote unless votes are given.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from veridical.core.bootstrap import cluster_totals
from veridical.core.estimate import Estimate
from veridical.core.paired_test import sign_flip_p
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Measure, Unit
from veridical.core.proportion import ALIKE, opened_difference, opened_share
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray

Side = Literal["above", "below", "both"]
METHOD = "cluster variance"


@dataclass(frozen=True, slots=True)
class Spread:
    """A value with its standard error over K clusters of n rows, in the unit of the value."""

    value: float
    error: float
    n: int
    n_clusters: int

    @property
    def df(self) -> int:
        return max(self.n_clusters - 1, 1)

    def estimate(
        self, *, level: float, scale: float = 1.0, method: str = METHOD, bounded: bool = False, shares: bool = False
    ) -> Estimate:
        """bounded: a share, which lies in 0..1 with its interval. shares: a difference of shares. Where no cluster differs from
        the others, either is as wide as one that was not seen could make it."""
        half = scale * self.error * _quantile(level, self.df)
        found = np.array([self.value * scale - half, self.value * scale, self.value * scale + half])
        low, value, high = (np.clip(found, 0.0, 1.0) if bounded else found).tolist()
        if bounded:
            low, high = opened_share((low, high), value, n=self.n_clusters, level=level)
        elif shares:
            low, high = opened_difference((low, high), value, n=self.n_clusters, level=level, unit=scale)
        return Estimate(value, low, high, level, self.n, self.n_clusters, method)

    def p(self, null: float) -> float:
        """Two-sided p value of "equal to null" (Student's t over clusters)."""
        from scipy.stats import t

        gap = abs(self.value - null)
        if self.n_clusters < 2:
            return 1.0
        if self.error < ALIKE:  # all alike: the chance that none differs where a share `gap` of them would
            return min(1.0, 2 * (1 - min(gap, 1.0)) ** self.n_clusters)
        return float(2 * t.sf(gap / self.error, self.df))

    def mde(self, *, level: float, scale: float = 1.0, changes: bool = True) -> float:
        """Smallest effect seen with 80 % power. changes: of a share of clusters that change, where an effect d brings a variance
        of d (1 - d) / K of its own: d = z sqrt(e^2 + d (1 - d) / K), e^2 what the error holds beside that of the value itself;
        where nothing differs, z^2 / (K + z^2). Else at least what one cluster that differs would make."""
        k = max(self.n_clusters, 1)
        if not changes:
            return scale * minimum_detectable_effect(max(self.error, 1 / k), level=level)
        z, moved = minimum_detectable_effect(1.0, level=level), min(abs(self.value), 1.0)
        own, whole = z * z / k, 1 + z * z / k
        beside = max(self.error**2 - moved * (1 - moved) / k, 0.0)
        return scale * (own + float(np.sqrt(own * own + 4 * whole * z * z * beside))) / (2 * whole)


def _quantile(level: float, df: float) -> float:
    from scipy.stats import t

    return float(t.ppf(0.5 + level / 2, df))


def votes_of(clusters: IntArray) -> FloatArray:
    """Votes (n,) that give every cluster one."""
    _, member, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[member])


def mean(values: FloatArray, clusters: IntArray, *, votes: FloatArray | None = None) -> Spread:
    """Mean of `values` (n,) with the error of a ratio of cluster sums."""
    return ratio(values, np.ones(len(values)), clusters, votes=votes)


def ratio(above: FloatArray, below: FloatArray, clusters: IntArray, *, votes: FloatArray | None = None) -> Spread:
    """Sum of `above` (n,) over sum of `below` (n,), by linearisation over clusters."""
    given = votes_of(clusters) if votes is None else votes
    total = float(given @ below)
    value = float(given @ above) / total
    return Spread(value, _error(given * (above - value * below) / total, clusters), len(above), len(np.unique(clusters)))


def ratio_difference(first: tuple[FloatArray, FloatArray], second: tuple[FloatArray, FloatArray], clusters: IntArray) -> Spread:
    """first - second, each a ratio (above (n,), below (n,)) over the same rows; their covariance counts."""
    given = votes_of(clusters)
    values, parts = [], []
    for above, below in (first, second):
        total = float(given @ below)
        values.append(float(given @ above) / total)
        parts.append(given * (above - values[-1] * below) / total)
    return Spread(values[0] - values[1], _error(parts[0] - parts[1], clusters), len(clusters), len(np.unique(clusters)))


def _error(influence: FloatArray, clusters: IntArray) -> float:
    """Standard error from the influence of each row on the value; influences sum to 0."""
    sums = cluster_totals(influence[:, None], clusters)[:, 0]
    return float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))


def measure(
    name: str, spread: Spread, *, unit: Unit, about: str, null: float | None = None, worse: Side = "above", level: float = 0.95,
    p: float | None = None, method: str = METHOD, bounded: bool = False, changes: bool = True,
) -> Measure:  # fmt: skip
    """The spread as a measure. unit: points multiplies by 100. null: in the unit; with it come p (if not given) and mde. changes:
    whether points or shares are of clusters that change; ranks, and differences of two samples, are not."""
    scale = 100.0 if unit == "points" else 1.0
    shares = unit in ("points", "share")
    estimate = spread.estimate(level=level, scale=scale, method=method, bounded=bounded, shares=shares)
    if null is None:
        return Measure(name, estimate, unit, about)
    p = spread.p(null / scale) if p is None else p
    return Measure(
        name,
        estimate,
        unit,
        about,
        null=null,
        worse=worse,
        mde=spread.mde(level=level, scale=scale, changes=shares and changes),
        p=p,
    )


def paired_measure(
    name: str, differences: FloatArray, clusters: IntArray, rng: np.random.Generator, *, unit: Unit, about: str,
    worse: Side = "above", level: float = 0.95,
) -> Measure:  # fmt: skip
    """Mean of differences (n,) of two answers to the same rows; null 0; p by flipping the signs of whole clusters."""
    p = sign_flip_p(differences * votes_of(clusters), clusters, rng, side="two-sided")
    return measure(name, mean(differences, clusters), unit=unit, about=about, null=0.0, worse=worse, level=level, p=p)
