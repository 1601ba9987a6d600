"""Metrics of groups of rows, their disparities and the chance behind these, from counts alone; plain numpy and scipy.

All rates of a group are functions of three margins of its confusion matrix, so a table of margins is resampled, never the rows.
Letters: N rows, K clusters, T kinds of cluster, G groups, C classes, R replicates, M quantities.
Definitions as in fairlearn 0.15 (Bird et al. 2020), each class against the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from veridical.core.proportion import none_seen
from veridical.core.simultaneous import critical_value, errors_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
RIGHT, TRUE, PREDICTED = 0, 1, 2
"""Places on the margin axis: votes rightly given to the class, votes whose label it is, votes given to it."""


@dataclass(frozen=True, eq=False)
class Rows:
    """groups, codes, predicted, clusters: (N,), codes from 0. votes: (N,), equal within a cluster."""

    groups: IntArray
    codes: IntArray
    predicted: IntArray
    clusters: IntArray
    votes: FloatArray
    n_groups: int
    n_classes: int
    earned: FloatArray | None = None
    """What each answer is worth, (N,), a function of label and prediction; None: 1 for the label, 0 for any other."""

    @property
    def right(self) -> FloatArray:
        """Votes that count as right, (N,)."""
        return self.votes * (self.predicted == self.codes if self.earned is None else self.earned)

    @property
    def cells(self) -> IntArray:
        """Which of the G x C x C cells a row stands in, (N,)."""
        return np.asarray((self.groups * self.n_classes + self.codes) * self.n_classes + self.predicted)


def cluster_votes(clusters: IntArray) -> FloatArray:
    """One vote a cluster, shared by its rows, (N,)."""
    member, counts = np.unique(clusters, return_inverse=True, return_counts=True)[1:]
    return np.asarray(1.0 / counts[member])


def margins(rows: Rows, *, groups: IntArray | None = None) -> FloatArray:
    """Votes by group, margin and class, (G, 3, C). groups: others than those of the rows, for permutations."""
    own = rows.groups if groups is None else groups
    shape = (rows.n_groups, rows.n_classes)
    size = rows.n_groups * rows.n_classes
    true, said = own * rows.n_classes + rows.codes, own * rows.n_classes + rows.predicted
    counted = [np.bincount(true, rows.right, size), np.bincount(true, rows.votes, size)]
    return np.stack([part.reshape(shape) for part in (*counted, np.bincount(said, rows.votes, size))], axis=1)


@dataclass(frozen=True, eq=False)
class Rates:
    """Rates of each class against the rest, (..., G, C); NaN for a group without votes."""

    selection: FloatArray
    true_positive: FloatArray
    false_positive: FloatArray


def rates(table: FloatArray, *, undefined: float = np.nan) -> Rates:
    """Rates from margins (..., G, 3, C). undefined: the rate among no rows of a group that has others; fairlearn says 0."""
    right, true, predicted = table[..., RIGHT, :], table[..., TRUE, :], table[..., PREDICTED, :]
    votes = true.sum(axis=-1, keepdims=True)
    return Rates(
        _share(predicted, np.broadcast_to(votes, true.shape), votes, undefined),
        _share(right, true, votes, undefined),
        _share(predicted - right, votes - true, votes, undefined),
    )


EMPTY = 1e-9
"""Votes below which a cell is empty: sums of fractions do not come out at 0 exactly. Ours; no source."""


def _share(part: FloatArray, whole: FloatArray, votes: FloatArray, undefined: float) -> FloatArray:
    some = whole > EMPTY
    shares = np.where(some, part / np.where(some, whole, 1.0), undefined)
    return np.asarray(np.where(votes > EMPTY, np.clip(shares, 0.0, 1.0), np.nan))


def difference(values: FloatArray, *, axis: int = -1) -> FloatArray:
    """Largest minus smallest over groups; groups that are NaN do not count. NaN where all are."""
    known = np.isfinite(values)
    high, low = np.where(known, values, -np.inf).max(axis=axis), np.where(known, values, np.inf).min(axis=axis)
    return np.asarray(np.where(known.any(axis=axis), high - np.where(np.isfinite(low), low, 0.0), np.nan))


def ratio(values: FloatArray, *, axis: int = -1) -> FloatArray:
    """Smallest over largest over groups, 0..1; NaN where the largest is 0."""
    known = np.isfinite(values)
    high, low = np.where(known, values, -np.inf).max(axis=axis), np.where(known, values, np.inf).min(axis=axis)
    usable = known.any(axis=axis) & (high > 0)
    return np.asarray(np.where(usable, low / np.where(usable, high, 1.0), np.nan))


def disparities(found: Rates) -> dict[str, FloatArray]:
    """Name -> disparity of each class, (..., C), as fairlearn defines it between groups, worst case."""
    true_positive, false_positive = found.true_positive, found.false_positive
    odds = [difference(true_positive, axis=-2), difference(false_positive, axis=-2)]
    odds_ratio = np.stack([ratio(true_positive, axis=-2), ratio(false_positive, axis=-2)])
    return {
        "demographic_parity_difference": difference(found.selection, axis=-2),
        "demographic_parity_ratio": ratio(found.selection, axis=-2),
        "equalized_odds_difference": np.fmax(*odds),
        "equalized_odds_ratio": np.fmin(*odds_ratio),
        "equal_opportunity_difference": odds[0],
    }


@dataclass(frozen=True, eq=False)
class Kinds:
    """Clusters with the same cells are of one kind. totals: margins of a kind, (T, G * 3 * C). counts: clusters of it, (T,)."""

    totals: sp.csr_matrix
    counts: IntArray
    shape: tuple[int, int, int]


def kinds(rows: Rows) -> Kinds:
    """With one row a cluster, a kind is a cell of group x label x prediction."""
    order = np.lexsort((rows.cells, rows.clusters))
    starts = np.flatnonzero(np.diff(rows.clusters[order], prepend=rows.clusters[order][:1] - 1))
    sizes = np.diff(starts, append=len(order))
    chosen: list[IntArray] = []
    member: list[IntArray] = []
    counts: list[IntArray] = []
    for size in np.unique(sizes):
        places = order[starts[sizes == size][:, None] + np.arange(size)]  # rows of the clusters of this size
        _, first, number = np.unique(rows.cells[places], axis=0, return_index=True, return_counts=True)
        member.append(np.repeat(np.arange(len(first)) + sum(len(part) for part in counts), size))
        chosen.append(places[first].ravel())
        counts.append(number)
    row, kind = np.concatenate(chosen), np.concatenate(member)
    totals = _kind_totals(rows, row, kind)
    return Kinds(totals, np.concatenate(counts).astype(np.int64), (rows.n_groups, 3, rows.n_classes))


def _kind_totals(rows: Rows, row: IntArray, kind: IntArray) -> sp.csr_matrix:
    group, votes = rows.groups[row], rows.votes[row]
    columns = [(group * 3 + place) * rows.n_classes for place in (RIGHT, TRUE, PREDICTED)]
    column = np.concatenate([columns[0] + rows.codes[row], columns[1] + rows.codes[row], columns[2] + rows.predicted[row]])
    value = np.concatenate([rows.right[row], votes, votes])
    shape = (int(kind.max()) + 1, rows.n_groups * 3 * rows.n_classes)
    return sp.csr_matrix((value, (np.tile(kind, 3), column)), shape=shape)


def resampled_margins(of: Kinds, replicates: int, rng: np.random.Generator) -> FloatArray:
    """Margins of R resamples of the clusters, (R, G, 3, C): how often a kind is drawn is multinomial, whatever the rows."""
    n = int(of.counts.sum())
    drawn = rng.multinomial(n, of.counts / n, size=replicates).astype(np.float64)
    return np.asarray(of.totals.T @ drawn.T).T.reshape(replicates, *of.shape)


def permuted_groups(rows: Rows, *, given_label: bool, replicates: int, rng: np.random.Generator) -> Iterator[IntArray]:
    """Groups (N,) dealt anew R times, as if they meant nothing for the prediction (given the label, where that is asked).

    The groups of a cluster move together to another cluster of its size (and labels), and change places inside it.
    """
    labels = rows.codes if given_label else np.zeros_like(rows.codes)
    order = np.lexsort((labels, rows.clusters))
    starts = np.flatnonzero(np.diff(rows.clusters[order], prepend=rows.clusters[order][:1] - 1))
    sizes = np.diff(starts, append=len(order))
    plans = []
    for size in np.unique(sizes):
        places = order[starts[sizes == size][:, None] + np.arange(size)]
        patterns, member = np.unique(labels[places], axis=0, return_inverse=True)
        plans += [(places[member.ravel() == k], pattern) for k, pattern in enumerate(patterns)]
    for _ in range(replicates):
        dealt = rows.groups.copy()
        for places, pattern in plans:
            moved = rows.groups[places[rng.permutation(len(places))]]
            for label in np.unique(pattern) if len(pattern) > 1 else ():
                moved[:, pattern == label] = rng.permuted(moved[:, pattern == label], axis=1)
            dealt[places] = moved
        yield dealt


def permutation_p(seen: float, null: FloatArray) -> float:
    """Share of permutations (R,) with at least the statistic seen, which counts as one of them; undefined ones do not count."""
    known = null[np.isfinite(null)]
    return float((1 + (known >= seen - 1e-12).sum()) / (1 + len(known)))


def certain_error(votes: FloatArray, errors: FloatArray) -> FloatArray:
    """Standard errors (M,) of shares; where no replicate moves one (all right or all wrong so far), such that 1.96 of them reach
    the end of the exact interval of that many votes."""
    reach = np.array([none_seen(max(n, 1.0)) for n in votes]) / NormalDist().inv_cdf(0.975)
    return np.where(errors > 1e-12, errors, reach)


def spread_interval(
    values: Sequence[FloatArray], draws: Sequence[FloatArray], votes: Sequence[FloatArray], *, level: float = 0.95
) -> tuple[float, float]:
    """Interval of the largest difference between two groups of any of the given rates; it can reach 0.

    values, votes: (G,) each; draws: (R, G) each. All differences of pairs get simultaneous intervals: the largest lower end and
    the largest upper end then bound the largest difference. Replicates of a maximum would lie above it instead.
    """
    centre, moved, extra = [], [], []
    for value, draw, vote in zip(values, draws, votes, strict=True):
        kept = np.flatnonzero(np.isfinite(value))
        own = errors_of(draw)
        floor = np.where(own > 1e-12, 0.0, certain_error(vote, own))
        i, j = (kept[side] for side in np.triu_indices(len(kept), 1))
        centre.append(value[i] - value[j])
        moved.append(draw[:, i] - draw[:, j])
        extra.append(floor[i] ** 2 + floor[j] ** 2)
    gap, change = np.concatenate(centre), np.concatenate(moved, axis=1)
    if not len(gap):
        return 0.0, 1.0
    errors = np.sqrt(errors_of(change) ** 2 + np.concatenate(extra))
    reach = critical_value(change, gap, errors, level=level) * errors
    low, high = float((np.abs(gap) - reach).max()), float((np.abs(gap) + reach).max())
    return max(0.0, low), min(1.0, high)


def ratio_interval(low: FloatArray, high: FloatArray) -> tuple[float, float]:
    """Interval of smallest over largest, from simultaneous intervals (G,) of the groups' rates."""
    top, bottom = float(np.nanmax(high)), float(np.nanmax(low))
    return (float(np.nanmin(low)) / top if top > 0 else 0.0), (min(1.0, float(np.nanmin(high)) / bottom) if bottom > 0 else 1.0)


@dataclass(frozen=True, slots=True)
class Worst:
    """The lowest of several means: corrected for having been picked, with its interval. group: which came out lowest."""

    value: float
    low: float
    high: float
    group: int


NEAR_WORST = 0.9
"""Chance with which the groups that may be the worst are kept in the race before the correction. Chernozhukov et al. use
1 - 0.1 / log n, which is 0.99 at n = 22,000; ours keeps fewer. Ours; no source."""


def worst_group(values: FloatArray, draws: FloatArray, errors: FloatArray, *, level: float = 0.95) -> Worst:
    """Half-median unbiased estimate of the lowest true value, after Chernozhukov, Lee and Rosen 2013, arXiv:0907.3503.

    The lowest of several noisy values lies below the lowest true one. Each value is raised by as many errors as the luckiest
    loss among the groups that can still be the worst has in the middle; one group far below the others is hardly raised.
    """
    usable = np.flatnonzero(np.isfinite(values))
    value, error = values[usable], errors[usable]
    below = np.nan_to_num(value - draws[:, usable]) / np.where(error > 0, error, 1.0)
    reach = float(np.quantile(below.max(axis=1), NEAR_WORST))
    racing = value <= (value + reach * error).min() + reach * error
    middle = max(0.0, float(np.median(below[:, racing].max(axis=1))))
    sides = critical_value(draws[:, usable], value, error, level=level)
    low, high = (float(np.clip((value + k * error).min(), 0.0, 1.0)) for k in (-sides, sides))
    corrected = float(np.clip((value + middle * error)[racing].min(), low, high))
    return Worst(corrected, low, high, int(usable[value.argmin()]))
