"""Every tensor of the encoder learns, but for those that the settings keep.

What learns: the encoder with its embedding tables (freeze_embeddings keeps these) and layers (frozen_layers keeps the lowest).
What is saved: the encoder as it became.
How it errs: of all methods it can move furthest from what the encoder knew, and needs most memory for the optimizer.
Source: Devlin et al. 2019, arXiv:1810.04805.
"""

from dataclasses import dataclass
from typing import Any

from veridical.train._tuning import Given, Tuning, check


@dataclass(frozen=True)
class Params:
    """Settings of full."""

    rate: float = 1.0
    """Factor on learning_rate, > 0. 1: learning_rate is meant for this method."""

    def __post_init__(self) -> None:
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, _params: Params, given: Given) -> None:
    """All but what is to stay asks for gradients."""
    from veridical.models._encoder_network import layers

    encoder = network.encoder
    encoder.requires_grad_(requires_grad=True)
    if given.frozen_embeddings:
        tables = getattr(encoder, "embeddings", None)
        (encoder.get_input_embeddings() if tables is None else tables).requires_grad_(requires_grad=False)
    for layer in layers(encoder)[: given.frozen_layers]:
        layer.requires_grad_(requires_grad=False)


tuning = Tuning(Params(), prepare)
