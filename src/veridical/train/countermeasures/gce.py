"""Rows the model finds unlikely pull less, since their labels may be wrong (generalised cross-entropy).

What it measures: nothing; with p the label's probability, (1 - p ** power) / power lies between cross-entropy and mean error.
Why it inflates a score: cross-entropy has no bound, so rows with wrong labels steer the model until it knows them by heart.
How it errs: rare and hard rows look like wrong ones and are learned late or never; with right labels it learns more slowly.
Source: Zhang and Sabuncu 2018, arXiv:1805.07836, without the truncated variant.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import loss_on_test, wrong_labels


@dataclass(frozen=True)
class Params:
    """Settings of gce."""

    power: float = field(default=0.7, metadata=between(0, 1))
    """0 is cross-entropy (off), 1 the mean absolute error, 0..1. Zhang and Sabuncu 2018 use 0.7."""


def loss(logits: Any, codes: Any, params: Params) -> Any:
    """Generalised cross-entropy (B,)."""
    from torch.nn.functional import cross_entropy

    plain = cross_entropy(logits, codes, reduction="none")
    return (1 - (-params.power * plain).exp()) / params.power if params.power else plain


def toy() -> Toy:
    """Three labels in ten are wrong, evenly; the right answer is sure, and plain cross-entropy asks for 0.7."""
    return Toy(wrong_labels(0.3, n_fillers=1), loss_on_test)


countermeasure = Countermeasure(params=Params(), answers=("noise",), off=Params(power=0.0), toy=toy, loss=loss)
