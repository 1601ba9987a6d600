"""Two samples of scores against each other: area under the ROC curve, and the share reached at a small false alarm rate."""

import numpy as np

from veridical.core.bootstrap import percentile_interval
from veridical.core.estimate import Estimate
from veridical.core.proportion import opened_share
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.probe import _clustered


def _placed(scores: FloatArray, among: FloatArray) -> FloatArray:
    """For each score the share of `among` below it; equal ones count half."""
    ordered = np.sort(among)
    below, upto = np.searchsorted(ordered, scores, "left"), np.searchsorted(ordered, scores, "right")
    return np.asarray((below + upto) / (2 * len(among)))


def area(
    high: FloatArray, low: FloatArray, *, high_units: IntArray | None = None, low_units: IntArray | None = None
) -> _clustered.Spread:
    """Chance that a score of `high` exceeds one of `low`, ties half; DeLong's error over the units of both."""
    sides = []
    for scores, among, units in ((high, low, high_units), (low, high, low_units)):
        members = np.arange(len(scores)) if units is None else units
        sides.append(_clustered.mean(_placed(scores, among), members, votes=np.ones(len(scores))))
    error = float(np.hypot(sides[0].error, sides[1].error))
    n_clusters = min(sides[0].n_clusters, sides[1].n_clusters)
    return _clustered.Spread(sides[0].value, error, len(high) + len(low), n_clusters)


def reached(high: FloatArray, low: FloatArray, *, rate: float) -> float:
    """Share of `high` above the k-th largest of `low`, k = rate x n: where both come from one source its mean is k / (n + 1),
    just under the rate. Needs n >= 1 / rate."""
    threshold = np.sort(low)[::-1][max(int(rate * len(low)) - 1, 0)]
    return float((high > threshold).mean())


def reached_estimate(
    high: FloatArray, low: FloatArray, rng: np.random.Generator, *, rate: float, replicates: int, level: float
) -> Estimate:
    """`reached` with the interval of resampling both sides."""
    value = reached(high, low, rate=rate)
    drawn = np.array([reached(rng.choice(high, len(high)), rng.choice(low, len(low)), rate=rate) for _ in range(replicates)])
    interval = opened_share(percentile_interval(drawn, value, level), value, n=len(high), level=level)
    return Estimate(value, *interval, level, len(high) + len(low), len(high) + len(low), "both sides resampled")


def permuted_reached(high: FloatArray, low: FloatArray, rng: np.random.Generator, *, rate: float, replicates: int) -> FloatArray:
    """`reached` where membership of the two sides is dealt at random, (R,)."""
    both = np.concatenate([high, low])
    drawn = np.empty(replicates)
    for at in range(replicates):
        mixed = rng.permutation(both)
        drawn[at] = reached(mixed[: len(high)], mixed[len(high) :], rate=rate)
    return drawn


def area_difference(first: FloatArray, second: FloatArray, positive: FloatArray, units: IntArray) -> _clustered.Spread:
    """Area of the scores `first` minus that of `second` over the same rows (n,), by DeLong's paired error.

    positive: 1.0 where a row should score high.
    """
    value, squares = 0.0, 0.0
    for side in (1.0, 0.0):
        rows, others = positive == side, positive != side
        change = _placed(first[rows], first[others]) - _placed(second[rows], second[others])
        spread = _clustered.mean(change, units[rows], votes=np.ones(int(rows.sum())))
        value += (spread.value if side else -spread.value) / 2
        squares += spread.error**2
    return _clustered.Spread(value, float(np.sqrt(squares)), len(first), len(np.unique(units)))
