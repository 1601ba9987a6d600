"""Weights under a contract: rows of some groups or like those of a target count for more, and how many rows that leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from veridical.dataset.rows import IntArray
from veridical.ledger.density import LEAST_LIKE
from veridical.ledger.game import Coalition, Value, combine
from veridical.ledger.transfer import FEWEST_TEXTS
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
LABELS_UNREAD = "its weights hang on the labels of the test rows, some of which seem wrong: enter a review of them"
NOT_ASKED = "this asks the scored model about other texts, and only predictions are there (from a file, or from a model a fold)"


@dataclass(frozen=True, eq=False)
class Margin:
    """cell: of each row, (n,). wanted: the share that each cell is to have, (K,). Cells may be those of a table, row by row:
    shape is its own, and `read` names the axes whose shares are not given but those of the rows themselves."""

    cell: IntArray
    wanted: FloatArray
    shape: tuple[int, ...] = ()
    read: tuple[int, ...] = ()

    def moved_by(self, fitted: FloatArray) -> FloatArray:
        """What one row more adds to a mean with these cell means, (K,), by the shares that are read off the rows, (n,)."""
        found = np.zeros(len(self.cell))
        places = np.unravel_index(self.cell, self.shape) if self.read else ()
        for axis in self.read:
            others = tuple(other for other in range(len(self.shape)) if other != axis)
            share = self.wanted.reshape(self.shape)
            mean = (share * fitted.reshape(self.shape)).sum(axis=others) / np.maximum(share.sum(axis=others), MIN_MASS)
            found += mean[places[axis]]
        return found


def like_target(weights: FloatArray, ratio: FloatArray) -> FloatArray:
    """The weights times the density of the target over the rows', summing to 1."""
    moved = np.maximum(weights, 0.0) * ratio
    return np.asarray(moved / moved.sum())


def raked(weights: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """The weights raked jointly until every margin's cells have their shares, summing to 1 (Deming and Stephan 1940)."""
    for _ in range(RAKING_ROUNDS if len(margins) > 1 else len(margins)):
        before = weights
        for margin in margins:
            mass = np.bincount(margin.cell, np.maximum(weights, 0.0), minlength=len(margin.wanted))
            weights = weights * (margin.wanted / np.maximum(mass, MIN_MASS))[margin.cell]
            weights = weights / weights.sum()
        if np.abs(weights - before).max() < MIN_MASS:
            break
    return weights


def group_margin(group: IntArray, shares: Sequence[float]) -> Margin:
    """group: code of each row's group in the order of the shares, -1 for groups that have none; these come last, with 0."""
    return Margin(np.where(group < 0, len(shares), group), np.array([*shares, 0.0]))


def independent_margin(cue: IntArray, codes: IntArray, weights: FloatArray, *, n_classes: int, rate: float | None) -> Margin:
    """Cue and label independent, p(cue) p(label): both as the weighted rows have them, unless the cue's rate is given. cue: 0 or
    1 of each row, (n,)."""
    shape = (2, n_classes)
    joint = np.bincount(cue * n_classes + codes, np.maximum(weights, 0.0), minlength=2 * n_classes).reshape(shape)
    joint = joint / joint.sum()
    rates = joint.sum(axis=1) if rate is None else np.array([1 - rate, rate])
    wanted = np.outer(rates, joint.sum(axis=0)).ravel()
    return Margin(cue * n_classes + codes, wanted, shape, read=(0, 1) if rate is None else (1,))


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


class Reached(Protocol):
    """How much of a target there is and how much of it test rows are like."""

    @property
    def target_rows(self) -> int: ...
    @property
    def target_texts(self) -> int: ...
    @property
    def target_like(self) -> int: ...


def target_unsupported(target: Reached) -> str:
    """Why test rows cannot stand for a target: too few distinct texts, or too few of its rows have test rows like them; empty
    where they can."""
    rows, texts, like = target.target_rows, target.target_texts, target.target_like
    if texts < FEWEST_TEXTS:
        named = "1 distinct text" if texts == 1 else f"{texts} distinct texts"
        return f"the {rows} rows of the target hold {named}, fewer than {FEWEST_TEXTS}: too few to tell what its texts are like"
    return "" if like >= LEAST_LIKE * rows else f"only {like} of {rows} rows of the target are like any test row"


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
    found: tuple[list[str], list[tuple[str, str]]], *, labelled: int, asked: bool, cluster: IntArray
) -> tuple[list[str], list[tuple[str, str]]]:
    """The players and those that abstain, with `concept` among them where the target has labels. labelled: rows of it that have.
    asked: whether a model could be asked about them. cluster: of those that have test rows like them. Without weights that reach
    the target, other texts would count as other labels."""
    players, abstained = found
    if not labelled:
        return found
    if not asked:
        return players, [*abstained, ("concept", NOT_ASKED)]
    n = len(np.unique(cluster))
    if "shift" not in players:
        return players, [*abstained, ("concept", NOT_COMPARED)]
    if n < MIN_LABELLED:
        few = f"only {n} distinct labelled rows of the target are like any test row, fewer than {MIN_LABELLED}"
        return players, [*abstained, ("concept", few)]
    return [*players, "concept"], abstained


def residuals(
    score: FloatArray,
    weights: FloatArray,
    start: FloatArray,
    *,
    basis: FloatArray,
    projection: FloatArray,
    margins: Sequence[Margin],
    shifted: bool,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Influence of each row on a calibrated mean, (n,), the mean's slope in the population's basis, (q,), and what small groups
    leave open besides, `Value.cells`. weights: those of `start` raked to the margins. shifted: whether `start` weighs the rows
    like a target, whose own means are not known from train rows: the weights alone carry the estimate.

    A raked mean moves with the totals that it is made of (Deville and Saerndal 1992, JASA 87:376): by a row's distance from what
    its cells say, and by what the row does to shares that are read off the rows; of both the calibration knows a part, in the
    weights it began with. That a small cell which counts for much was calibrated in the whole does not make its mean any surer.
    """
    off, moved = _within_cells(score, weights, margins)
    cells = _left_open(score - weights @ score, weights, margins)
    if shifted:
        return weights * off + start * (moved - start @ moved), np.zeros(basis.shape[1]), cells
    raised = np.divide(weights, start, out=np.zeros_like(weights), where=np.abs(start) > MIN_MASS)
    coefficients = projection.T @ (raised * off + moved)
    return weights * off + start * (moved - basis @ coefficients), coefficients, cells


def _within_cells(score: FloatArray, weights: FloatArray, margins: Sequence[Margin]) -> tuple[FloatArray, FloatArray]:
    """(distance of each row's score from what its cells say, (n,), what one row more does through shares read off the rows,
    (n,)), both with mean near 0 under their weights. No margin: one cell of all rows."""
    whole = score - weights @ score
    if not margins:
        return whole, np.zeros(len(score))
    dummies = [np.eye(len(margin.wanted))[margin.cell] for margin in margins]
    root = np.sqrt(np.maximum(weights, 0.0))[:, None]
    solved = np.linalg.lstsq(np.concatenate(dummies, axis=1) * root, score * root[:, 0], rcond=None)[0]
    fitted = np.asarray(solved, dtype=np.float64)
    off, moved, at = score.astype(np.float64), np.zeros(len(score)), 0
    for margin, own in zip(margins, dummies, strict=True):
        part = fitted[at : at + len(margin.wanted)]
        off, moved, at = off - own @ part, moved + margin.moved_by(part), at + len(margin.wanted)
    for margin in margins:
        if margin.shape:  # the many cells of a table get one row less each (Bessel)
            rows = _even_rows(weights, margin)
            off = off * np.sqrt(rows / np.maximum(rows - 1, 0.5))[margin.cell]
    return off, moved


PSEUDO_ROWS = 4.0
"""Rows, as varied as the whole, that each group is held to have beside its own: 1.96 squared, as Agresti and Coull (1998, The
American Statistician 52:119) add to a share."""


def _even_rows(weights: FloatArray, margin: Margin) -> FloatArray:
    """As many rows of equal weight as each cell's are worth, (K,)."""
    positive = np.maximum(weights, 0.0)
    mass, square = (np.bincount(margin.cell, part, minlength=len(margin.wanted)) for part in (positive, positive**2))
    return np.asarray(mass**2 / np.maximum(square, MIN_MASS**2))


def _left_open(whole: FloatArray, weights: FloatArray, margins: Sequence[Margin]) -> FloatArray:
    """`Value.cells` of groups: a mean that few rows carry is no surer for all of them saying the same. Two entries a group, with
    the variance and the skewness of its further rows, were these like all rows. whole: distance of each row from the mean."""
    positive, found = np.maximum(weights, 0.0), []
    variance = float(positive @ whole**2) / max(float(positive.sum()), MIN_MASS)
    if variance <= MIN_MASS:
        return np.zeros(0)
    skewness = float(positive @ whole**3) / float(positive.sum()) / variance**1.5
    parts = _two_of_skewness(skewness / np.sqrt(PSEUDO_ROWS))
    for margin in margins:
        if not margin.shape:
            rows = np.maximum(_even_rows(weights, margin), 1.0)
            mass = np.bincount(margin.cell, positive, minlength=len(margin.wanted))
            found += [part * mass * np.sqrt(PSEUDO_ROWS * variance) / rows for part in parts]
    return np.concatenate(found) if found else np.zeros(0)


def _two_of_skewness(skewness: float) -> tuple[float, float]:
    """Two numbers whose squares sum to 1 and whose cubes to the skewness, or to the nearest of -1 and 1."""
    angle = brentq(lambda a: np.cos(a) ** 3 + np.sin(a) ** 3 - np.clip(skewness, -1.0, 1.0), -np.pi / 2, 0.0)
    return float(np.cos(angle)), float(np.sin(angle))


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
