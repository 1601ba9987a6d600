"""Lower layers of the encoder take smaller steps than upper ones (layer-wise step sizes).

What it measures: nothing; a layer's step size is that of the top layer times `decay` for every layer above it.
Why it inflates a score: lower layers hold what pre-training knows of words; few rows pull them apart, and rows of that kind
alone are then read well.
How it errs: where texts are unlike those of pre-training, lower layers must learn and do so too slowly.
Source: Howard and Ruder 2018 (ULMFiT), arXiv:1801.06146 (each layer 1/2.6 of the one above); Clark et al. 2020 (ELECTRA),
arXiv:2003.10555.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import known_words


@dataclass(frozen=True)
class Params:
    """Settings of layer_rates."""

    decay: float = field(default=0.8, metadata=between(0, 1))
    """Step size of a layer as a share of that of the layer above, 0..1; 1 is off. Ours, for six layers: the lowest gets 0.33."""


def rates(network: Any, params: Params) -> Mapping[str, float]:
    """Factor of every tensor of the encoder that learns, by name; word embeddings are below the lowest layer."""
    from veridical.models._encoder_network import layers

    if params.decay == 1:
        return {}
    stack = layers(network.encoder)
    depth = {id(p): number for number, layer in enumerate(stack) for p in layer.parameters()}
    own = {id(p) for p in network.encoder.get_input_embeddings().parameters()}
    beside = {name.rpartition(".")[0].rpartition(".")[0] for name, p in network.named_parameters() if id(p) in own}
    found = {}
    for name, parameter in network.named_parameters():
        if id(parameter) in depth:
            found[name] = params.decay ** (len(stack) - 1 - depth[id(parameter)])
        elif any(name.startswith(f"{place}.") for place in beside):
            found[name] = params.decay ** len(stack)
    return found


countermeasure = Countermeasure(params=Params(), off=Params(decay=1.0), toy=known_words, rates=rates)
