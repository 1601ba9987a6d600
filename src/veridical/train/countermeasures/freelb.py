"""Each row is also learned at every step of a short climb from its word embeddings (FreeLB).

What it measures: nothing; it adds the losses at several moves along the gradient, all under the dropout masks of the first pass.
Why it inflates a score: a model may hang on directions that no fresh text shares, and be sure of answers that a slip overturns.
How it errs: as fgm. Users of the authors' code saw clean accuracy fall on SST-2 with no clean pass; here it is always kept.
Source: Zhu et al. 2020, arXiv:1909.11764; started at the embeddings themselves, so the clean pass is the first of the climb.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Pass, Shifts
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import of_length, within
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of freelb."""

    step: float = field(default=0.25, metadata=between(0))
    """Length of one move of a row, in mean lengths of a word embedding, >= 0; 0 is off. Ours."""
    steps: int = field(default=2, metadata=between(1))
    """Moves, >= 1; the loss at each is added. Zhu et al. 2020 use 2 to 3."""
    size: float = field(default=0.5, metadata=between(1e-9))
    """Radius of the ball that the climb stays in, in the same unit, > 0. Ours."""


def attack(gradient: Any, seen: Pass, params: Params) -> Shifts:
    """Moves inside the ball, each learned from."""
    if not params.step:
        return
    shift = 0.0
    for _ in range(params.steps):
        shift = within(shift + of_length(gradient, params.step * seen.unit), params.size * seen.unit)
        gradient = yield shift, True


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(step=0.0), toy=learned_by_heart, attack=attack
)
