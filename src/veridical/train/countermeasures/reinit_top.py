"""The top layers of the encoder start from random weights in place of pre-trained ones.

What it measures: nothing; before training, matrices of the top layers are drawn anew, biases are 0 and norms are 1.
Why it inflates a score: the top layers are made for the task of pre-training; from there few rows lead to good and to bad ends
by luck, and the best of several seeds is reported.
How it errs: what the top layers knew is lost; with many rows, or an encoder whose top layers already serve the task, score falls.
Source: Zhang et al. 2021, arXiv:2006.05987, who add that other remedies do less once Adam is corrected, as it is here.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import loss_on_test, wrong_labels

SPREAD = 0.02
"""Standard deviation of new weights where the encoder's configuration names none. BERT's initializer_range."""
PLANTED = 40.0
"""Factor on the top layer's matrices in the toy: its attention and units are then stuck. Ours."""


@dataclass(frozen=True)
class Params:
    """Settings of reinit_top."""

    layers: int = field(default=1, metadata=between(0))
    """Layers drawn anew, from the top, >= 0; 0 is off. Ours, for six layers."""


def network(seen: Any, params: Params, rng: np.random.Generator) -> None:
    """Draws the top layers anew, in place."""
    import torch

    from veridical.models._encoder_network import layers

    spread = float(getattr(seen.encoder.config, "initializer_range", SPREAD))
    stack = layers(seen.encoder)
    with torch.no_grad():
        for layer in stack[max(0, len(stack) - params.layers) :]:
            for name, parameter in layer.named_parameters():
                if parameter.ndim > 1:
                    drawn = rng.normal(0.0, spread, tuple(parameter.shape)).astype(np.float32)
                    parameter.copy_(torch.from_numpy(drawn))
                elif name.endswith("bias"):
                    parameter.zero_()
                else:
                    parameter.fill_(1.0)


def toy() -> Toy:
    """The top layer starts from a place that is hard to leave."""

    def stuck(seen: Any) -> None:
        import torch

        from veridical.models._encoder_network import layers

        with torch.no_grad():
            for parameter in layers(seen.encoder)[-1].parameters():
                if parameter.ndim > 1:
                    parameter.mul_(PLANTED)

    return Toy(wrong_labels(0.0), loss_on_test, settings={"epochs": 2}, encoder=stuck)


countermeasure = Countermeasure(params=Params(), off=Params(layers=0), toy=toy, network=network)
