"""The encoder stays as it is; a linear head is fitted on its features, which are computed once.

What learns: the head alone, multinomial logistic regression on standardised features, solved to its end: no epochs, no seed.
What is saved: the encoder as it came, with the head.
How it errs: what a linear map of the mean of the last states cannot tell apart is lost; most encoders are made to be tuned.
Source: Kumar et al. 2022, arXiv:2202.10054: the head alone keeps more of what transfers than full tuning, and often scores less.
"""

from dataclasses import dataclass
from typing import Any

from veridical.train._tuning import Given, Tuning, check


@dataclass(frozen=True)
class Params:
    """Settings of head. The strength of its regularisation is HEAD_C in models/frozen_features.py."""

    rate: float = 1.0
    """Factor on learning_rate, > 0; of no effect, since the head is solved for and takes no steps."""

    def __post_init__(self) -> None:
        check("rate", self.rate, 1e-4, 1e5)


def prepare(_network: Any, _params: Params, _given: Given) -> None:
    """Nothing of the encoder asks for gradients."""


tuning = Tuning(Params(), prepare, cached=True)
