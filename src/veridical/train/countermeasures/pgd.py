"""Each row is also learned at the worst place that a few steps uphill find near its word embeddings (PGD).

What it measures: nothing; it adds the loss at the last of several moves along the gradient, each cut back to a ball.
Why it inflates a score: one move, as in fgm, can be dodged by a model that is flat just there and steep beside it.
How it errs: as fgm; every further step costs one more pass forwards and backwards.
Source: Madry et al. 2018, arXiv:1706.06083, the ball being around a row's embeddings as a whole, started at its centre.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Pass, Shifts
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import of_length, within
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of pgd."""

    size: float = field(default=0.5, metadata=between(0))
    """Radius of the ball around a row, in mean lengths of a word embedding, >= 0; 0 is off. Ours."""
    step: float = field(default=0.25, metadata=between(1e-9))
    """Length of one move, in the same unit, > 0. Ours: two moves reach the edge."""
    steps: int = field(default=3, metadata=between(1))
    """Moves, >= 1; only the last is learned from. Field practice."""


def attack(gradient: Any, seen: Pass, params: Params) -> Shifts:
    """Moves inside the ball; the last is learned from."""
    if not params.size:
        return
    shift = within(of_length(gradient, params.step * seen.unit), params.size * seen.unit)
    for _ in range(params.steps - 1):
        gradient = yield shift, False
        shift = within(shift + of_length(gradient, params.step * seen.unit), params.size * seen.unit)
    yield shift, True


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(size=0.0), toy=learned_by_heart, attack=attack
)
