"""Weights under a contract: rows of some groups or like those of a target count for more, and how many rows that leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import IntArray
from veridical.ledger.game import Coalition, Value, combine
from veridical.ledger.transfer import LEAST_LIKE
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
MIN_LABELLED = 10
"""Distinct labelled rows of the target that have test rows like them, under which nothing is said of changed labels. Ours; no
source."""
NOT_COMPARED = "only equal texts can show changed labels, and the test rows cannot be weighted like the target"
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


def too_few_left(
    weighted: Callable[[Coalition], FloatArray], player: str, beside: Sequence[str], *, ids: npt.NDArray[np.str_]
) -> str:
    """Why the weights of the rows `ids` under a player, alone or with those beside it, cannot carry a score; empty where they
    can. weighted: gives the weights (n,) under a set of players."""
    alone = _too_few(weighted(frozenset({player})), ids)
    if alone or not beside:
        return alone
    both = _too_few(weighted(frozenset({player, *beside})), ids)
    return f"together with {', '.join(beside)} {both}" if both else ""


def _too_few(weights: FloatArray, ids: npt.NDArray[np.str_]) -> str:
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


def target_unsupported(n_like: int, n_rows: int) -> str:
    """Why test rows cannot stand for a target of which so many rows have test rows like them; empty where they can."""
    return "" if n_like >= LEAST_LIKE * n_rows else f"only {n_like} of {n_rows} rows of the target are like any test row"


def supported(wanted: Sequence[str], reason: Callable[[str, Sequence[str]], str]) -> tuple[list[str], list[tuple[str, str]]]:
    """(players that can be played, the others with the reason). reason: of a player beside others that move the weights."""
    players: list[str] = []
    abstained = []
    for player in wanted:
        if said := reason(player, [other for other in players if other != "fragility"]):
            abstained.append((player, said))
        else:
            players.append(player)
    return players, abstained


def with_concept(
    found: tuple[list[str], list[tuple[str, str]]], *, labelled: bool, cluster: IntArray
) -> tuple[list[str], list[tuple[str, str]]]:
    """The players and those that abstain, with `concept` among them where the target has labels. cluster: of its labelled rows
    that have test rows like them. Without weights that reach the target, other texts would count as other labels."""
    players, abstained = found
    if not labelled:
        return found
    n = len(np.unique(cluster))
    if "shift" not in players:
        return players, [*abstained, ("concept", NOT_COMPARED)]
    if n < MIN_LABELLED:
        few = f"only {n} distinct labelled rows of the target are like any test row, fewer than {MIN_LABELLED}"
        return players, [*abstained, ("concept", few)]
    return [*players, "concept"], abstained


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


@dataclass(frozen=True, slots=True)
class Direct:
    """The score on labelled rows of a target themselves, one vote a cluster. error: its standard error."""

    score: float
    error: float
    n_rows: int
    n_clusters: int


def direct_score(rows: FloatArray, *, cluster: IntArray, metric: Metric) -> Direct:
    """rows: statistics of the target's rows, (t, 3W). cluster: of each, (t,)."""
    _, member, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    weights = 1.0 / (sizes[member] * len(sizes))
    totals = weights @ rows
    score = rows @ gradient(metric, totals)
    by_cluster = np.bincount(member, weights * (score - weights @ score))
    error = float(np.sqrt(by_cluster @ by_cluster * len(sizes) / max(len(sizes) - 1, 1)))
    # Rows that all say the same are no certainty: no less than what one row more or less would move.
    return Direct(value(metric, totals), max(error, 1 / len(sizes)), len(rows), len(sizes))


def beyond_reweighting(base: Value, found: Direct) -> Value:
    """What the labelled rows of a target show beyond the reweighted test rows (base): the direct score minus that. An offset."""
    direct = Value(found.score, 0 * base.influence, 0 * base.slope, 0 * base.review)
    direct.review[-1] = found.error
    return combine([direct, base], [1.0, -1.0])
