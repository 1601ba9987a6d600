"""How much rows count under the toggles of a coalition that weigh them: groups, a target's texts, cues that go with labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.ledger.by_label import Entries
from veridical.ledger.contract import Shortcut
from veridical.ledger.game import Coalition
from veridical.ledger.review import Reviewed
from veridical.ledger.reweighting import (
    LABELS_UNREAD,
    MIN_MASS,
    RAKING_ROUNDS,
    Margin,
    group_margin,
    independent_margin,
    like_target,
    raked,
    target_unsupported,
    too_few_left,
)
from veridical.ledger.tables import Tables
from veridical.models.model import FloatArray

FEWEST_OF_CLASS = 0.5
"""Rows labelled or predicted a class, together, below which it is not there. Ours; no source."""
LEAST_LEFT = 0.4
"""Of the rows of a cue and a label, as much as is taken to be left at least once wrong labels are undone. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Weighing:
    """tables: the rows. reviewed: None without a review. shortcuts: the contract's, in order, by their names as players. groups:
    the contract's (name, share). population: weights under which rows that did not leak stand for the population, (n,)."""

    tables: Tables
    reviewed: Reviewed | None
    shortcuts: tuple[tuple[str, Shortcut], ...]
    groups: tuple[tuple[str, float], ...]
    population: FloatArray

    def weighted(self, weights: FloatArray, labels: FloatArray, coalition: Coalition) -> tuple[FloatArray, FloatArray]:
        """(the weights under the coalition's toggles, summing to 1, the label distributions that count with them): the target's
        density first, then all margins raked jointly (Deming and Stephan 1940): groups to the contract's shares, every reweighted
        cue independent of the label. weights: (n,). labels: (n, C)."""
        start, among = self.start(weights, coalition), self.among(coalition)
        margins = self.margins(start, coalition)
        if self.by_label(coalition):
            return among.weigh(start, margins, n_classes=labels.shape[1])
        return raked(start, margins), labels

    def if_right(self, weights: FloatArray, labels: FloatArray, coalition: Coalition) -> tuple[FloatArray, FloatArray]:
        """`weighted` were these the distributions over the true label, by which cues are reweighted; entries may be negative.
        They count as far as they leave `LEAST_LEFT` of the rows of each cue with each label: more wrong labels among these would
        leave nothing to weigh."""
        start, n_classes = self.start(weights, coalition), labels.shape[1]
        given = np.eye(n_classes)[self.tables.codes]
        cues = [
            (self.tables.cue_present[:, position, None] * n_classes + np.arange(n_classes), shortcut)
            for position, (name, shortcut) in enumerate(self.shortcuts)
            if name in coalition and shortcut.op == "reweight"
        ]
        share = 1.0
        for cell, _ in cues:
            there, left = (_mass(cell, start[:, None] * one, 2 * n_classes) for one in (given, labels))
            lost = np.where(there > 0, there - left, 0.0)
            share = min([share, *((1 - LEAST_LEFT) * there / np.maximum(lost, 1e-12))[lost > 0]])
        joint = start[:, None] * (share * labels + (1 - share) * given)
        margins = list[tuple[IntArray, FloatArray]]()
        for cell, shortcut in cues:
            table = np.maximum(_mass(cell, joint, 2 * n_classes), 0.0).reshape(2, -1) / joint.sum()
            rates = table.sum(axis=1) if shortcut.rate is None else np.array([1 - shortcut.rate, shortcut.rate])
            margins.append((cell, np.outer(rates, table.sum(axis=0)).ravel()))
        if "groups" in coalition:
            mix = group_margin(self.tables.transfer.group, [share for _, share in self.groups])
            margins.append((np.repeat(mix.cell[:, None], n_classes, axis=1), mix.wanted))
        for _ in range(RAKING_ROUNDS if len(margins) > 1 else 1):
            before = joint
            for cell, wanted in margins:
                joint = joint * (wanted / np.maximum(_mass(cell, joint, len(wanted)), MIN_MASS))[cell]
                joint = joint / joint.sum()
            if np.abs(joint - before).max() < MIN_MASS:
                break
        moved = joint.sum(axis=1)
        return moved, joint / np.where(np.abs(moved) > 0, moved, 1.0)[:, None]

    def start(self, weights: FloatArray, coalition: Coalition) -> FloatArray:
        """The weights, like the target's where the coalition asks for that."""
        return like_target(weights, self.tables.transfer.ratio) if "shift" in coalition else weights

    def by_label(self, coalition: Coalition) -> bool:
        """Whether weights hang on labels that a review knows as shares."""
        return self.reviewed is not None and any(name in coalition and s.op == "reweight" for name, s in self.shortcuts)

    def among(self, coalition: Coalition) -> Entries:
        """What is weighed: rows with their labels as given, or with those that the review leaves them."""
        return self._entries[self.by_label(coalition)]

    @cached_property
    def _entries(self) -> tuple[Entries, Entries]:
        given = Entries.as_given(self.tables.codes)
        return given, Entries.of(self.reviewed.labels, self.reviewed.change) if self.reviewed else given

    def margins(self, start: FloatArray, coalition: Coalition) -> list[Margin]:
        """What the entries `among` the coalition are to be raked to. start: weights of the rows before, (n,)."""
        among = self.among(coalition)
        margins = [
            independent_margin(
                self.tables.cue_present[among.row, position].astype(np.int64), among.code, start[among.row] * among.share,
                n_classes=self.tables.elsewhere.shape[1], rate=shortcut.rate,
            )
            for position, (name, shortcut) in enumerate(self.shortcuts)
            if name in coalition and shortcut.op == "reweight"
        ]  # fmt: skip
        if "groups" in coalition:
            margins.append(group_margin(self.tables.transfer.group[among.row], [share for _, share in self.groups]))
        return margins

    def unsupported(self, player: str, beside: Sequence[str] = ()) -> str:
        """Why a toggle cannot be played: a combination that never occurs, or too few rows left, alone or with those beside it;
        empty where it can, or where it weighs nothing."""
        shortcut = next((k for k, (name, s) in enumerate(self.shortcuts) if name == player and s.op == "reweight"), None)
        if shortcut is not None:
            why = self._inseparable(shortcut)
        elif player == "groups":
            missing = [name for k, (name, share) in enumerate(self.groups) if share > 0 and not self._seen(k)]
            why = f"no unleaked test row belongs to group {missing[0]!r}" if missing else ""
        elif player == "shift":
            why = target_unsupported(self.tables.transfer)
        else:
            return ""

        def weighted(players: Coalition) -> FloatArray:
            return self.weighted(self.population, self._labels, players)[0]

        return why or too_few_left(weighted, player, beside, ids=self.tables.ids)

    def _inseparable(self, position: int) -> str:
        """Why no weights can make a cue independent of the label, empty where some can."""
        if self.reviewed is None and self.tables.noise.seen:
            return LABELS_UNREAD
        cue, fresh = self.tables.cue_present[:, position], self.tables.people.fresh
        seen = np.array([self._labels[fresh & (cue == held)].sum(axis=0) for held in (False, True)])
        if (seen[:, seen.sum(axis=0) >= FEWEST_OF_CLASS] < FEWEST_OF_CLASS).any():
            return "some label occurs only with, or only without, the cue, so no weights can make them independent"
        return ""

    @property
    def _labels(self) -> FloatArray:
        """Distributions over the label as a review leaves it, or one-hot as given, (n, C)."""
        return self.reviewed.labels if self.reviewed else np.eye(self.tables.elsewhere.shape[1])[self.tables.codes]

    def _seen(self, group: int) -> bool:
        return bool((self.tables.people.fresh & (self.tables.transfer.group == group)).any())


def _mass(cell: IntArray, joint: FloatArray, n_cells: int) -> FloatArray:
    return np.bincount(cell.ravel(), joint.ravel(), minlength=n_cells).astype(np.float64)
