"""What the model says under the toggles of a coalition that change texts: cues put in or taken out, and edits."""

from dataclasses import dataclass

import numpy as np

from veridical.dataset.rows import BoolArray
from veridical.ledger.contract import Perturbation, Shortcut
from veridical.ledger.game import Coalition
from veridical.ledger.reweighting import NOT_ASKED
from veridical.ledger.score_table import Predictions
from veridical.ledger.tables import Tables
from veridical.models.model import FloatArray


@dataclass(frozen=True, eq=False)
class Inputs:
    """tables: the rows. shortcuts: the contract's, in order, by their names as players. edits: the contract's, None without.
    population: weights of the rows under which they stand for the population, (n,)."""

    tables: Tables
    shortcuts: tuple[tuple[str, Shortcut], ...]
    edits: Perturbation | None
    population: FloatArray

    def predictions(self, coalition: Coalition) -> Predictions:
        """The mixture of predictions: every cue of the coalition is on with its rate, independently of the others; cues outside
        it stand where they stand; edits come last."""
        mixture = self.cues(coalition)
        if "fragility" not in coalition or self.edits is None:
            return tuple((self.tables.prediction(cues), share) for cues, share in mixture)
        rate, m = self.edits.rate, self.tables.transfer.edited.shape[2]
        found = [(self.tables.prediction(cues), share * (1 - rate)) for cues, share in mixture]
        found += [(column, share * rate / m) for cues, share in mixture for column in self.tables.edited(cues).T]
        return tuple((codes, share) for codes, share in found if share > 0)

    def cues(self, coalition: Coalition) -> list[tuple[BoolArray, float]]:
        """(cues each row holds (n, S), share) under the coalition's transplants and removals."""
        mixture: list[tuple[BoolArray, float]] = [(self.tables.cue_present, 1.0)]
        for position, (name, shortcut) in enumerate(self.shortcuts):
            if name in coalition and shortcut.op != "reweight":
                rate = 0.0 if shortcut.op == "remove" else self.rate(position)
                mixture = [
                    (_set(cues, position, on), share * part)
                    for cues, share in mixture
                    for on, part in ((False, 1 - rate), (True, rate))
                ]
        return [(cues, share) for cues, share in mixture if share > 0]

    def rate(self, position: int) -> float:
        """The contract's rate of a cue, by default its rate in the population."""
        stated = self.shortcuts[position][1].rate
        if stated is not None:
            return stated
        return float(np.clip(self.population @ self.tables.cue_present[:, position], 0.0, 1.0))

    def unsupported(self, player: str) -> str:
        """Why a toggle cannot be played, empty where it can."""
        moved = any(name == player and shortcut.op != "reweight" for name, shortcut in self.shortcuts)
        return NOT_ASKED if not self.tables.asked and (moved or player == "fragility") else ""


def _set(cues: BoolArray, position: int, on: bool) -> BoolArray:  # noqa: FBT001 - a bit, not an option
    changed = cues.copy()
    changed[:, position] = on
    return changed
