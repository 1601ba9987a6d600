"""Rows that are already right count less (focal loss).

What it measures: nothing; the loss of a row is scaled by (1 - p) ** power, p the probability of its label.
Why it inflates a score: many easy rows of a common class drown the few of a rare one, and accuracy does not show it.
How it errs: rows with wrong labels are never easy, so they count more; answers become less sure than they should be.
Source: Lin et al. 2017, arXiv:1708.02002, without class weights (join it with class_balanced for those).
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import missed_rare, rare_class


@dataclass(frozen=True)
class Params:
    """Settings of focal."""

    power: float = field(default=2.0, metadata=between(0))
    """0 is cross-entropy (off), >= 0. Lin et al. 2017 use 2."""


def loss(logits: Any, codes: Any, params: Params) -> Any:
    """Focal loss (B,)."""
    import torch
    from torch.nn.functional import cross_entropy

    plain = cross_entropy(logits, codes, reduction="none")
    if not params.power:
        return plain
    # 1 - p from the loss itself; its floor keeps the gradient of the power finite where p rounds to 1.
    unsure = (-torch.expm1(-plain)).clamp_min(torch.finfo(plain.dtype).eps)
    return unsure**params.power * plain


def toy() -> Toy:
    """One row in eight is rare, and its word also stands in a third of the others."""
    return Toy(rare_class(), missed_rare)


countermeasure = Countermeasure(params=Params(), answers=("imbalance",), off=Params(power=0.0), toy=toy, loss=loss)
