"""Weights under a contract: rows of some groups or like those of a target count for more, and how many rows that leaves."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import IntArray
from veridical.ledger.game import Value, combine
from veridical.models.model import FloatArray
from veridical.tasks._contract import Metric
from veridical.tasks._totals import gradient, value

NAMED_ROWS = 3
"""Rows of the largest weights that a refusal to reweight names. Ours; no source."""
MIN_EFFECTIVE = 50
"""Effective rows, (sum w)^2 / sum w^2, under which reweighting abstains. ledger: support."""
MIN_MASS = 1e-12
"""Weight under which a cell counts as empty, and change of a weight under which raking has converged."""
RAKING_ROUNDS = 200
"""Rounds of raking at most. Ours; no source."""
NOT_ASKED = "this asks the scored model about other texts, and only predictions are there (from a file, or from a model a fold)"
Margin = tuple[IntArray, FloatArray]
"""Cell of each row, (n,), and the share that each cell is to have, (K,)."""


def like_target(weights: FloatArray, ratio: FloatArray) -> FloatArray:
    """The weights times the density of the target over the rows', summing to 1."""
    moved = np.maximum(weights, 0.0) * ratio
    return np.asarray(moved / moved.sum())


def raked(weights: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """The weights raked jointly until every margin's cells have their shares, summing to 1 (Deming and Stephan 1940)."""
    for _ in range(RAKING_ROUNDS if len(margins) > 1 else len(margins)):
        before = weights
        for cells, wanted in margins:
            mass = np.bincount(cells, np.maximum(weights, 0.0), minlength=len(wanted))
            weights = weights * (wanted / np.maximum(mass, MIN_MASS))[cells]
            weights = weights / weights.sum()
        if np.abs(weights - before).max() < MIN_MASS:
            break
    return weights


def group_margin(group: IntArray, shares: Sequence[float]) -> Margin:
    """group: code of each row's group in the order of the shares, -1 for groups that have none; these come last, with 0."""
    return np.where(group < 0, len(shares), group), np.array([*shares, 0.0])


def too_few_left(weights: FloatArray, ids: npt.NDArray[np.str_]) -> str:
    """Why the weights (n,) of the rows `ids` cannot carry a score, naming the heaviest; empty where they can."""
    weights = np.maximum(weights, 0.0)
    effective = float(weights.sum() ** 2 / (weights @ weights))
    if effective >= MIN_EFFECTIVE:
        return ""
    order = np.argsort(-weights, kind="stable")
    top = 100 * float(weights[order[:10]].sum() / weights.sum())
    heaviest = ", ".join(repr(str(row)) for row in ids[order[:NAMED_ROWS]])
    return (
        f"the weights leave {effective:.0f} effective rows, fewer than {MIN_EFFECTIVE}; the ten heaviest hold {top:.0f} % "
        f"(the first of them: {heaviest})"
    )


def residuals(
    score: FloatArray, weights: FloatArray, *, basis: FloatArray, projection: FloatArray, groups: Margin | None, shifted: bool
) -> tuple[FloatArray, FloatArray]:
    """Influence of each row on a calibrated mean, (n,), and the mean's slope in the population's basis, (q,). groups: where they
    are raked. shifted: whether the rows are weighted like a target."""
    if shifted:
        # The target's own means are not known from train rows: the weights alone carry the estimate.
        cells = np.zeros(len(score), np.int64) if groups is None else groups[0]
        mass, sums = np.bincount(cells, weights), np.bincount(cells, weights * score)
        means = sums / np.where(np.abs(mass) > MIN_MASS, mass, 1.0)
        return weights * (score - means[cells]), np.zeros(basis.shape[1])
    if groups is not None:
        own = np.eye(len(groups[1]))[groups[0]]
        design, root = np.concatenate([basis, own], axis=1), np.sqrt(np.maximum(weights, 0.0))
        fitted = np.linalg.lstsq(design * root[:, None], score * root, rcond=None)[0]
        return weights * (score - design @ fitted), fitted[: basis.shape[1]]
    coefficients = projection.T @ score
    return weights * (score - basis @ coefficients), coefficients


def beyond_reweighting(base: Value, rows: FloatArray, *, cluster: IntArray, metric: Metric) -> Value:
    """What the labelled rows of a target show beyond the reweighted test rows (base): the direct score minus that. An offset.
    rows: statistics of the target's rows, (t, 3W). cluster: of each, (t,); one vote a cluster."""
    _, member, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    weights = 1.0 / (sizes[member] * len(sizes))
    totals = weights @ rows
    score = rows @ gradient(metric, totals)
    by_cluster = np.bincount(member, weights * (score - weights @ score))
    direct = Value(value(metric, totals), 0 * base.influence, 0 * base.slope, 0 * base.review)
    direct.review[-1] = float(np.sqrt(by_cluster @ by_cluster * len(sizes) / max(len(sizes) - 1, 1)))
    return combine([direct, base], [1.0, -1.0])
