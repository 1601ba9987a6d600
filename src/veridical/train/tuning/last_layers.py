"""Only the highest layers of the encoder learn.

What learns: the last `layers` layers; embeddings and lower layers stay as they are, and no gradient is computed for them.
What is saved: the encoder with its new upper layers; nothing is added.
How it errs: what the task needs from lower layers (other spelling, another domain's words) stays as it was in pre-training.
Source: Lee et al. 2019, arXiv:1911.03090: a fourth of the layers reached 90 % of full tuning's quality.
"""

from dataclasses import dataclass
from typing import Any

from veridical.core.errors import InputError
from veridical.train._tuning import Given, Tuning, check


@dataclass(frozen=True)
class Params:
    """Settings of last_layers."""

    layers: int = 2
    """Highest layers that learn, 1..number of layers. Ours: a third of MiniLM's six."""
    rate: float = 1.0
    """Factor on learning_rate, > 0. Ours; no source."""

    def __post_init__(self) -> None:
        check("layers", self.layers, 1, 1000)
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, params: Params, given: Given) -> None:
    """The highest layers ask for gradients."""
    from veridical.models._encoder_network import layers

    stack = layers(network.encoder)
    if params.layers > len(stack) - given.frozen_layers:
        raise InputError(
            f"tuning last_layers is to tune {params.layers} layers, but the encoder has {len(stack)}, and {given.frozen_layers} "
            "are frozen. Give a smaller knob: --tuning-knobs layers=1."
        )
    for layer in stack[-params.layers :]:
        layer.requires_grad_(requires_grad=True)


tuning = Tuning(Params(), prepare)
