"""The game: components are players, a coalition's value is the score with those illusions taken away, Shapley shares the gap.

Values come with the influence of every test row, so that any combination of them has its variance from the same clusters.
Shapley 1953; exact over all coalitions; order envelope: the smallest and largest marginal over all orders.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import factorial

import numpy as np

from veridical.dataset.rows import BoolArray
from veridical.models.model import FloatArray

Coalition = frozenset[str]


@dataclass(frozen=True)
class Lopsided:
    """How the interval of a score differs from a normal value's. below, above: half widths over that of a normal value. lean: how
    much lower it lies on so few rows than on many, a share; the interval reaches that much further (ledger.rare_classes)."""

    below: float
    above: float
    lean: float


@dataclass(frozen=True, eq=False)
class Value:
    """score: the metric, a share. influence: of each test row, (n,), summing to about 0. slope: derivative of the score with
    respect to the population's mean basis, (q,). review: variance from reviewing a sample of labels, per stratum, as standard
    deviations with sign, (H,). cells: what means of few rows leave open beyond these rows' own scatter, as influences of rows
    that are not there, (K,); values without any have none. lopsided: of a score alone, asked when it is wanted."""

    score: float
    influence: FloatArray
    slope: FloatArray
    review: FloatArray
    cells: FloatArray = field(default_factory=lambda: np.zeros(0))
    lopsided: Callable[[], Lopsided | None] = lambda: None


def combine(values: Sequence[Value], shares: Sequence[float]) -> Value:
    """The linear combination sum(share * value)."""
    return Value(
        score=sum(s * v.score for s, v in zip(shares, values, strict=True)),
        influence=np.sum([s * v.influence for s, v in zip(shares, values, strict=True)], axis=0),
        slope=np.sum([s * v.slope for s, v in zip(shares, values, strict=True)], axis=0),
        review=np.sum([s * v.review for s, v in zip(shares, values, strict=True)], axis=0),
        cells=np.asarray(shares, np.float64) @ stacked_cells(values),
    )


def stacked_cells(values: Sequence[Value]) -> FloatArray:
    """`cells` of each, (M, K); 0 where a value has none."""
    found = np.zeros((len(values), max((len(v.cells) for v in values), default=0)))
    for row, v in zip(found, values, strict=True):
        row[: len(v.cells)] = v.cells
    return found


@dataclass(frozen=True, eq=False)
class Share:
    """A player's part of the gap: drop > 0 means the score falls when its illusion is taken away. low/high over all orders.
    left: the mean score with the player, over the coalitions that the drop is a mean of."""

    drop: Value
    left: Value
    order_low: float
    order_high: float

    def given(self, known: BoolArray) -> "Share":
        """The same about these very rows, (n,): what is known of a row is no doubt. What is left comes from the other rows, as
        far as they tell of more than themselves; how many there happen to be of each kind is known too."""
        if not known.any():
            return self
        influence, others = np.where(known, 0.0, self.drop.influence), ~known
        if others.any():
            influence[others] -= influence[others].mean()
        return replace(self, drop=replace(self.drop, influence=influence))


def coefficients(player: str, players: Sequence[str]) -> list[tuple[Coalition, float]]:
    """The coalitions without `player` and their Shapley weights: its share is the weighted sum of value(S) - value(S and it)."""
    others = [p for p in players if p != player]
    return [
        (frozenset(chosen), factorial(k) * factorial(len(players) - k - 1) / factorial(len(players)))
        for k in range(len(others) + 1)
        for chosen in combinations(others, k)
    ]


def shapley(players: Sequence[str], value: Callable[[Coalition], Value]) -> dict[str, Share]:
    """Exact Shapley values of the *drop* from the empty coalition to the full one."""
    table = {frozenset(c): value(frozenset(c)) for k in range(len(players) + 1) for c in combinations(players, k)}
    shares = {}
    for player in players:
        chosen, weights = zip(*coefficients(player, players), strict=True)
        left = combine([table[c | {player}] for c in chosen], weights)
        drop = combine([combine([table[c] for c in chosen], weights), left], [1.0, -1.0])
        marginals = _marginals(player, players, table)
        shares[player] = Share(drop, left, min(marginals), max(marginals))
    return shares


def off_the_count(player: str, beside: str, value: Callable[[Coalition], Value]) -> float:
    """How far a player's share is off its drop before all others because half of the orders have `beside` before it: a known
    number, a share."""
    alone, both = frozenset({player}), frozenset({player, beside})
    counted = value(frozenset()).score - value(alone).score
    return abs(value(frozenset({beside})).score - value(both).score - counted) / 2


def _marginals(player: str, players: Sequence[str], table: dict[Coalition, Value]) -> list[float]:
    """The player's drop after every set of others: each set is the beginning of some order."""
    others = [p for p in players if p != player]
    before = [frozenset(c) for k in range(len(others) + 1) for c in combinations(others, k)]
    return [table[c].score - table[c | {player}].score for c in before]


def interactions(players: Sequence[str], value: Callable[[Coalition], Value]) -> dict[tuple[str, str], Value]:
    """Shapley interaction index of every pair (Grabisch and Roubens 1999) of the *drop*: > 0 where the two together take more
    than each alone."""
    found = {}
    table = {frozenset(c): value(frozenset(c)) for k in range(len(players) + 1) for c in combinations(players, k)}
    for a, b in combinations(players, 2):
        others = [p for p in players if p not in (a, b)]
        terms, weights = [], []
        for k in range(len(others) + 1):
            weight = factorial(k) * factorial(len(players) - k - 2) / factorial(len(players) - 1)
            for chosen in combinations(others, k):
                base = frozenset(chosen)
                terms += [table[base | {a}], table[base | {b}], table[base | {a, b}], table[base]]
                weights += [weight, weight, -weight, -weight]
        found[a, b] = combine(terms, weights)
    return found
