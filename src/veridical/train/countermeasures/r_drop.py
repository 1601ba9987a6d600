"""Two passes under different dropout masks must agree (R-Drop).

What it measures: nothing; it adds the divergence, both ways, between the answers of two passes that differ in dropout alone.
Why it inflates a score: an answer that hangs on which units happen to be kept was learned by heart.
How it errs: it needs dropout and switches it on, which is slower on CPU; a strong weight leaves answers timid.
Source: Liang et al. 2021, arXiv:2106.14448; the loss of the second pass is not added, so the row loss keeps its scale. That a
penalty need not be computed for every row of every step, if it weighs the more where it is, is the lazy regularisation of Karras
et al. 2020, arXiv:1912.04958, section 3.1; that the rows are drawn anew in each step is ours.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veridical.train._contract import Countermeasure, Pass
from veridical.train._knobs import between
from veridical.train.countermeasures._smoothness import both_ways
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of r_drop."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on half the divergence of both ways, in nats, >= 0; 0 is off. Liang et al. 2021 use 1 to 5."""
    dropout: float = field(default=0.1, metadata=between(0, 0.99))
    """Dropout where the training settings have none, 0..1. Liang et al. 2021 use 0.1."""
    share: float = field(default=0.5, metadata=between(0.01, 1))
    """Share of the rows of a step that pass twice, drawn anew in each, 0.01..1; the divergence of one counts 1/share times, so
    that what is learned is on average the same. 1 is Liang et al. 2021, at twice the time. Ours."""


def network(network: Any, params: Params, _rng: np.random.Generator) -> None:
    """Switch dropout on where it is off."""
    from torch import nn

    if params.weight:
        for module in network.modules():
            if isinstance(module, nn.Dropout) and not module.p:
                module.p = float(params.dropout)


def beside(seen: Pass, params: Params) -> Any:
    """Half the divergence (B,) of both ways."""
    if not params.weight:
        return seen.logits.new_zeros(len(seen.logits))
    drawn = np.flatnonzero([rng.random() < params.share for rng in seen.streams()])
    if not len(drawn):
        return seen.logits.new_zeros(len(seen.logits))
    logits, where = seen.again_of(drawn)
    apart = params.weight / (2 * params.share) * both_ways(seen.logits[where], logits)
    return apart.new_zeros(len(seen.logits)).index_add(0, where, apart)


countermeasure = Countermeasure(
    params=Params(), answers=("fragility",), off=Params(weight=0.0), toy=learned_by_heart, network=network, beside=beside
)
