"""The encoder is held near the weights it started from (L2-SP).

What it measures: nothing; it adds half the squared distance of the encoder's tensors from where they started.
Why it inflates a score: a model that leaves its pre-training behind fits a small set by heart and forgets what it knew.
How it errs: where the task is far from pre-training, holding on costs score; with AdamW the pull also depends on the step size.
Source: Li et al. 2018, arXiv:1802.01483. The head, which starts from nothing, keeps plain weight decay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import against_the_word, wrong_labels


@dataclass(frozen=True)
class Params:
    """Settings of l2_sp."""

    strength: float = field(default=0.1, metadata=between(0))
    """Factor on half the squared distance, >= 0; 0 is off. Li et al. 2018 search 0.001 to 0.1."""


def penalty(parameters: Mapping[str, Any], start: Mapping[str, Any], params: Params) -> Any:
    """A scalar."""
    moved = [(p - start[name]).square().sum() for name, p in parameters.items() if not name.startswith("head.")]
    return params.strength / 2 * sum(moved, next(iter(parameters.values())).new_zeros(()))


def toy() -> Toy:
    """Three labels in ten are wrong, and large steps over many epochs take a plain model far enough to learn them by heart."""
    return Toy(wrong_labels(0.3, n_fillers=3), against_the_word, settings={"epochs": 20, "learning_rate": 6e-3})


countermeasure = Countermeasure(params=Params(), off=Params(strength=0.0), toy=toy, penalty=penalty)
