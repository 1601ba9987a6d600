"""The answer must stay the same under random noise on the word embeddings (R3F).

What it measures: nothing; it adds the divergence, both ways, between the answer and the answer under noise.
Why it inflates a score: an answer that jumps between near-equal inputs is luck on the test rows where it falls right.
How it errs: in many dimensions random noise seldom points where the model is steep, so it does less than vat at equal length.
Source: Aghajanyan et al. 2021, arXiv:2008.03156, on word embeddings, normal noise.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Pass
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import both_ways, of_length
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of r3f."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the divergence in nats, >= 0; 0 is off. Aghajanyan et al. 2021 use 0.1 to 5."""
    size: float = field(default=3.0, metadata=between(1e-9))
    """Length of the noise of a whole row, in mean lengths of a word embedding, > 0. Ours: on the toy 1.0 did nothing, 3.0 did;
    noise of 1e-5, as in the paper, is below what bfloat16 resolves."""


def beside(seen: Pass, params: Params) -> Any:
    """Divergence (B,) both ways between the answers without and with noise; both are moved by it."""
    if not params.weight:
        return seen.logits.new_zeros(len(seen.logits))
    noise = of_length(seen.noise(), params.size * seen.unit)
    return params.weight * both_ways(seen.logits, seen.again(noise, same_masks=True))


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(weight=0.0), toy=learned_by_heart, beside=beside
)
