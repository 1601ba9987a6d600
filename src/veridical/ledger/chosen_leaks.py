"""Test rows that leaked because of their labels: how such leaks are told from those drawn by texts or by chance, and how far a
score may be off for them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from veridical.ledger.game import Coalition
from veridical.models.model import FloatArray
from veridical.tasks._totals import value

if TYPE_CHECKING:
    from veridical.ledger.coalitions import Coalitions

CHOSEN_Z = 6.0
"""Standard errors from which leaks count as chosen by their labels. Ours, measured on three base sets: 72 worlds of leaks at
random, edited, repeated or picked by how easy they are reach 5.1, nine worlds of leaked errors 7.8 to 15.8."""
FEW_LEAKS = 10
"""Leaked clusters below which their sum is not taken for normal. Ours; no source."""


@dataclass(frozen=True, eq=False)
class ChosenLeaks:
    """game: the score whose leaks are looked at."""

    game: "Coalitions"

    def by_texts(self) -> tuple[float, float, float] | None:
        """(share of leaked rows that fold models get right, share expected of rows with such texts, z of the difference), labels
        as given or as a review has them; None where nothing leaked or too little did not. Leaks that were drawn by their texts
        or by chance give a small z; a large one says that which rows leaked hangs on their labels too, which rows that did not
        leak cannot tell."""
        people = self.game.tables.people
        if self.game.too_few_unleaked or not people.leaked.any():
            return None
        right = self.game.fold_right(self._read_or_given)
        expected = np.clip(people.basis @ (self.game.projection[True].T @ right), 0.01, 0.99)
        deviation = self.game.deviation(expected, right)[people.leaked]
        moved, expected = (right - expected)[people.leaked], expected[people.leaked]
        _, member = np.unique(people.cluster[people.leaked], return_inverse=True)
        # Rows of a cluster are right or wrong together.
        spread = np.bincount(member, deviation)
        return float(right[people.leaked].mean()), float(expected.mean()), float(moved.sum() / np.sqrt((spread**2).sum()))

    @cached_property
    def leaked_class(self) -> tuple[int, float, float] | None:
        """(the class whose rows leaked more than their texts say, share of its rows that leaked, share of the others'), or None.
        As far as p(label | text) is calibrated, the labels of leaked rows differ from it as those of the rest do, but for chance,
        where leaks were drawn by their texts."""
        people, labels = self.game.tables.people, self._read_or_given
        off, sides = labels - self.game.tables.elsewhere, list[FloatArray]()
        for kept in (people.leaked, ~people.leaked):
            clusters, member = np.unique(people.cluster[kept], return_inverse=True)
            if len(clusters) < FEW_LEAKS:
                return None
            # Copies of one text are one draw.
            sides.append(np.stack([np.bincount(member, column) for column in off[kept].T]) / np.bincount(member))
        spread = np.hypot(*(side.std(axis=1) / np.sqrt(side.shape[1]) for side in sides))
        z = (sides[0].mean(axis=1) - sides[1].mean(axis=1)) / np.maximum(spread, 1e-9)
        leaked, whole = people.leaked @ labels, labels.sum(axis=0)
        others = (leaked.sum() - leaked) / np.maximum(whole.sum() - whole, 1e-9)
        share = leaked / np.maximum(whole, 1e-9)
        most = int(np.where((whole >= FEW_LEAKS) & (share > others), z, -np.inf).argmax())
        if z[most] < CHOSEN_Z or whole[most] < FEW_LEAKS or share[most] <= others[most]:
            return None
        return most, float(share[most]), float(others[most])

    def reach(self, coalition: Coalition) -> tuple[float, float]:
        """How far the score of a coalition without leaks can lie below (<= 0) and above (>= 0) where these were chosen by their
        labels: as far as it moves, or comes to lie from where it is, once as many of them are right as fold models say; and to
        that of the rows that are left, counted as their classes do among all and by nothing else. Nowhere where leaks seem drawn
        by their texts, or where the labels of the target tell what is right."""
        if "concept" in coalition:
            return 0.0, 0.0
        moves = [0.0, *self._by_right_leaks(coalition), *self._by_leaked_class(coalition)]
        return min(moves), max(moves)

    @property
    def _read_or_given(self) -> FloatArray:
        return self.game.labels if self.game.reviewed is not None else self.game.observed

    def _as_read_or_given(self, coalition: Coalition) -> float:
        """The score of a coalition by labels as a review leaves them, or as given: what may be wrong in them is another doubt."""
        return self.game(coalition if self.game.reviewed is not None else coalition - {"noise"}).score

    def _by_right_leaks(self, coalition: Coalition) -> list[float]:
        found = self.by_texts()
        if found is None or abs(found[2]) < CHOSEN_Z:
            return []
        game, (right, expected, _) = self.game, found
        even = np.full(game.tables.people.n, 1.0 / game.tables.people.n)
        weights, labels = game.weighing.weighted(even, self._read_or_given, coalition)
        rows, scores = game.statistics_in(labels, coalition), list[float]()
        for easier in (0.0, right - expected):
            filled, _ = game.filled_in(rows, labels, game.projection[True], coalition, easier=easier)
            scores.append(value(game.metric_in(coalition), weights @ filled.stacked()))
        before, after = [scores[0], self._as_read_or_given(coalition)], scores[1]
        return [max(0.0, after - min(before)) if right > expected else min(0.0, after - max(before))]

    def _by_leaked_class(self, coalition: Coalition) -> list[float]:
        game, people = self.game, self.game.tables.people
        if game.too_few_unleaked or not people.leaked.any() or self.leaked_class is None:
            return []
        even, alone = np.full(people.n, 1.0 / people.n), game.fresh / game.fresh.sum()
        weights, labels = game.weighing.weighted(even, self._read_or_given, coalition)
        among_all = weights @ labels
        weights, labels = game.weighing.weighted(alone, self._read_or_given, coalition)
        left, totals = weights @ labels, game.statistics_in(labels, coalition).stacked()
        times = labels @ np.where(left > 0, among_all / np.maximum(left, 1e-9), 0.0)
        return [value(game.metric_in(coalition), (weights * times) @ totals) - self._as_read_or_given(coalition)]
