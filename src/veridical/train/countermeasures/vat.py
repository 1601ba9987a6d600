"""The answer must stay the same where a small move of the word embeddings changes it most (SMART, VAT).

What it measures: nothing; it adds the divergence between the answer and the answer at the move that one look uphill finds.
Why it inflates a score: an answer that jumps between near-equal inputs is luck on the test rows where it falls right.
How it errs: it needs no label, so it holds wrong answers in place too; where one word rightly decides, it works against it.
Source: Jiang et al. 2020 (SMART), arXiv:1911.03437, its smoothness term in one direction; Miyato et al. 2018, arXiv:1704.03976.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Pass
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import divergence, of_length
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of vat."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the divergence in nats, >= 0; 0 is off. Jiang et al. 2020 use 1 to 5."""
    size: float = field(default=1.0, metadata=between(1e-9))
    """Length of the move of a whole row, in mean lengths of a word embedding, > 0. Ours."""
    look: float = field(default=0.1, metadata=between(1e-9))
    """Length of the random move from which the steepest direction is taken, in the same unit, > 0. Ours."""


def beside(seen: Pass, params: Params) -> Any:
    """Divergence (B,) from the answer as it is, which counts as given."""
    import torch

    given = seen.logits.detach()
    if not params.weight:
        return given.new_zeros(len(given))
    start = of_length(seen.noise(), params.look * seen.unit).requires_grad_()
    (gradient,) = torch.autograd.grad(divergence(given, seen.again(start, same_masks=True)).sum(), start)
    move = of_length(gradient, params.size * seen.unit).detach()
    return params.weight * divergence(given, seen.again(move, same_masks=True))


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(weight=0.0), toy=learned_by_heart, beside=beside
)
