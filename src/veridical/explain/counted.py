"""Rows that are known and need no model of training: who leaked what into the test set, and which test labels are wrong."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.coalitions import Coalitions
from veridical.ledger.game import Coalition, coefficients
from veridical.ledger.population import Population
from veridical.models.model import FloatArray

SMALLEST = 1e-9
"""Points below which a row carries nothing."""


@dataclass(frozen=True, eq=False)
class Carried:
    """rows: positions in the data set, (k,). points: percentage points of the component each carries, (k,). exact: which of these
    are counted or answered by a person rather than modelled, (k,). spread: points that no row carries alone and that were spread
    over all (leakage), or left out (noise)."""

    rows: IntArray
    points: FloatArray
    exact: BoolArray
    spread: float


def leakage_rows(game: Coalitions, clusters: IntArray, *, is_train: BoolArray, component: float) -> Carried:
    """The rows outside the test set whose near-duplicates are in it, and the points that these buy.

    A leaked test row carries what its score exceeds that of a fresh row like it, with its weight in the account, averaged over
    coalitions as Shapley does. What is left of the component passes through other rows' weights and the metric's curve; it is
    spread over the leaked rows by their votes. A test row's points are divided equally among the rows of its cluster that
    are not in the test set. clusters, is_train: of every row of the data set, (N,). The points sum to `component`, in points.
    """
    bought = 100 * sum_over(game, "leakage", game.bought) if game.tables.people.leaked.any() else np.zeros(0)
    return leaking_rows(game.tables.people, bought, clusters, is_train=is_train, component=component)


def leaking_rows(people: Population, by_row: FloatArray, clusters: IntArray, *, is_train: BoolArray, component: float) -> Carried:
    """The same from what each test row was found to have bought, points, (n,)."""
    if not people.leaked.any():
        return nothing()
    left = component - float(by_row.sum())
    votes = np.where(people.leaked, people.vote, 0.0)
    by_row = by_row + left * votes / votes.sum()
    _, member = np.unique(clusters, return_inverse=True)
    of_cluster = np.bincount(member[people.rows], by_row, minlength=member.max() + 1)
    # Rows of the validation split leak too; where a cluster has train rows, these carry it.
    outside = np.ones(len(clusters), bool)
    outside[people.rows] = False
    has_train = np.bincount(member[is_train], minlength=member.max() + 1) > 0
    carriers = outside & (is_train | ~has_train[member]) & np.isin(member, member[people.rows[people.leaked]])
    rows = np.flatnonzero(carriers).astype(np.int64)
    twins = np.bincount(member[rows], minlength=member.max() + 1)
    return Carried(rows, of_cluster[member[rows]] / twins[member[rows]], np.ones(len(rows), bool), left)


def noise_rows(game: Coalitions, *, component: float) -> Carried:
    """The test rows whose labels are wrong, or may be, and the points that this costs or lends.

    After a review: each reviewed row with the label it was given there, exactly, and the others as the account expects. Before:
    each row's posterior chance of every other label under the fitted noise. These need not sum to the component, which corrects
    totals and not rows; what is missing is left out.
    """
    tables = game.tables
    if game.reviewed is None:
        noise = tables.noise
        if noise.rate == 0:
            return nothing()
        labels = noise.truth(tables.codes)
        seen = np.zeros(tables.people.n, bool)
    else:
        labels, seen = game.labels, game.reviewed.seen
    points = 100 * sum_over(game, "noise", lambda coalition: game.relabelled(coalition, labels))
    rows = np.flatnonzero(np.abs(points) > SMALLEST)
    return Carried(tables.people.rows[rows], points[rows], seen[rows], component - float(points.sum()))


def sum_over(game: Coalitions, player: str, part: Callable[[Coalition], FloatArray]) -> FloatArray:
    """Shapley-weighted sum of a row-wise part over the coalitions of the measurement block without `player`, (n,)."""
    found = np.zeros(game.tables.people.n)
    for coalition, weight in coefficients(player, game.active):
        found += weight * part(coalition)
    return found


def nothing() -> Carried:
    """No row carries anything."""
    return Carried(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), 0.0)
