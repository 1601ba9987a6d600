"""Each row is also learned with its word embeddings moved to where the loss rises fastest (FGM).

What it measures: nothing; it adds the loss at word embeddings that are moved once along the gradient, same dropout masks.
Why it inflates a score: a model may hang on directions that no fresh text shares, and be sure of answers that a slip overturns.
How it errs: moves in embedding space are no words, so robustness to typing slips or synonyms may not follow; twice the time.
Source: Miyato et al. 2017, arXiv:1605.07725; the clean loss is kept beside it, as there.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Pass, Shifts
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import of_length
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of fgm."""

    size: float = field(default=0.5, metadata=between(0))
    """Length of the move of a whole row, in mean lengths of a word embedding, >= 0; 0 is off. Ours: on rows of four words 1.0 let
    nothing be learned, 0.5 did."""


def attack(gradient: Any, seen: Pass, params: Params) -> Shifts:
    """One move, learned from."""
    if params.size:
        yield of_length(gradient, params.size * seen.unit), True


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(size=0.0), toy=learned_by_heart, attack=attack
)
