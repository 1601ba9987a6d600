"""Only the biases of the encoder learn (BitFit).

What learns: every bias in the layers above frozen_layers, those of layer norms included; with --no-freeze-embeddings that of the
embeddings' layer norm too. About a thousandth of the encoder.
What is saved: the encoder with its new biases; nothing is added.
How it errs: with many rows it stays behind methods that change matrices; ModernBERT has none to tune.
Source: Ben Zaken et al. 2022, arXiv:2106.10199.
"""

from dataclasses import dataclass
from typing import Any

from veridical.core.errors import InputError
from veridical.train._tuning import Given, Tuning, check


@dataclass(frozen=True)
class Params:
    """Settings of bitfit."""

    rate: float = 10.0
    """Factor on learning_rate, > 0. Ben Zaken et al. 2022 search 1e-4 to 1e-3 where full tuning has 1e-5 to 5e-5."""

    def __post_init__(self) -> None:
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, _params: Params, given: Given) -> None:
    """The biases ask for gradients."""
    from veridical.models._encoder_network import layers

    encoder = network.encoder
    parts = layers(encoder)[given.frozen_layers :]
    if not given.frozen_embeddings and getattr(encoder, "embeddings", None) is not None:
        parts = [encoder.embeddings, *parts]
    biases = [p for part in parts for name, p in part.named_parameters() if name.rpartition(".")[2] == "bias"]
    if not biases:
        raise InputError(
            f"This encoder ({encoder.config.model_type}) has no biases in the layers that may change. Use --tuning lora, or full."
        )
    for bias in biases:
        bias.requires_grad = True


tuning = Tuning(Params(), prepare)
