"""Is an attribution true? Train without some rows, and compare what it foresaw with what happened.

The linear datamodeling score of Park et al. 2023 (TRAK, arXiv:2303.14186), with whole clusters left out and half of the draws
pushed towards the rows that are said to matter: random subsets move a small component less than chance does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from veridical.core.estimate import Estimate
from veridical.core.explain_record import Validation
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class ValidationParams:
    """Settings of the check by retraining."""

    subsets: int = 24
    """Trainings without some rows. From the goal: 20 to 30."""
    fewest: float = 0.05
    """Smallest share of the clusters of train left out, 0..1. Ours; no source."""
    most: float = 0.10
    """Largest share left out, 0..1. Ours; no source."""
    level: float = 0.95
    """Confidence level of the correlation's interval."""
    evenness: float = 0.25
    """Weight of a cluster of average influence, relative to the mean, that a pushed draw gives every cluster. Ours."""


Refit = Callable[[IntArray], FloatArray]
"""Positions among the training rows that are kept -> probabilities of the asked rows (t, C)."""


def validated(
    influences: Sequence[FloatArray],
    pulls: Sequence[FloatArray],
    refit: Refit,
    *,
    now: FloatArray,
    clusters: IntArray,
    rng: np.random.Generator,
    progress: Callable[[int, int], None] = lambda done, of: None,
    params: ValidationParams = ValidationParams(),
) -> list[Validation]:
    """One Validation for each of K components, from the same trainings. influences: K times (n,), of the training rows. pulls: K
    times (t, C). now: probabilities of the asked rows, (t, C). clusters: of the training rows, (n,)."""
    _, member = np.unique(clusters, return_inverse=True)
    by_cluster = [np.bincount(member, influence).astype(np.float64) for influence in influences]
    foreseen: list[list[float]] = [[] for _ in pulls]
    counted: list[list[float]] = [[] for _ in pulls]
    smooth: list[list[float]] = [[] for _ in pulls]
    chosen_now = _one_hot(now)
    for number, dropped in enumerate(_draws(by_cluster, rng=rng, params=params)):
        progress(number, params.subsets)
        kept = np.flatnonzero(~dropped[member])
        after = refit(kept)
        moved, flipped = after - now, _one_hot(after) - chosen_now
        for k, pull in enumerate(pulls):
            foreseen[k].append(-float(by_cluster[k][dropped].sum()))
            smooth[k].append(float((pull * moved).sum()))
            counted[k].append(float((pull * flipped).sum()))
    progress(params.subsets, params.subsets)
    return [
        Validation(
            params.subsets,
            correlation(foreseen[k], counted[k], level=params.level),
            correlation(foreseen[k], smooth[k], level=params.level),
            slope(foreseen[k], smooth[k]),
        )
        for k in range(len(pulls))
    ]


def _draws(by_cluster: Sequence[FloatArray], *, rng: np.random.Generator, params: ValidationParams) -> list[BoolArray]:
    """Which clusters are left out, a mask (G,) for each training: every other one at random, the rest pushed towards those that
    raise, then that lower, the first component, then the second, and so on."""
    n = len(by_cluster[0])
    found = []
    for number in range(params.subsets):
        size = max(1, round(n * rng.uniform(params.fewest, params.most)))
        chances = np.full(n, 1 / n)
        if number % 2:
            turn = number // 2
            pushed = np.maximum((-1) ** turn * by_cluster[turn // 2 % len(by_cluster)], 0.0)
            pushed = pushed + params.evenness * pushed.mean() + np.finfo(float).tiny
            chances = pushed / pushed.sum()
        mask = np.zeros(n, bool)
        mask[rng.choice(n, size=min(size, n - 1), replace=False, p=chances)] = True
        found.append(mask)
    return found


def slope(foreseen: Sequence[float], seen: Sequence[float]) -> float | None:
    """Actual change for each point foreseen: least squares through 0. None where nothing was foreseen."""
    square = float(np.dot(foreseen, foreseen))
    return float(np.dot(foreseen, seen)) / square if square > 0 else None


def correlation(foreseen: Sequence[float], seen: Sequence[float], *, level: float) -> Estimate | None:
    """Spearman correlation with its interval (Fisher's z, variance 1.06 / (n - 3): Fieller, Hartley and Pearson 1957); None where
    one side does not vary."""
    n = len(seen)
    if n < 5 or np.ptp(foreseen) == 0 or np.ptp(seen) == 0:
        return None
    value = float(stats.spearmanr(foreseen, seen).statistic)
    half = float(stats.norm.ppf(0.5 + level / 2)) * np.sqrt(1.06 / (n - 3))
    centre = np.arctanh(np.clip(value, -0.999999, 0.999999))
    low, high = float(np.tanh(centre - half)), float(np.tanh(centre + half))
    return Estimate(value, min(low, value), max(high, value), level, n, n, "Spearman, Fisher z")


def _one_hot(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)])
