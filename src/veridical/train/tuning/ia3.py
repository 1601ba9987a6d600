"""One factor is learned for each key, each value and each unit of the feed-forward part (IA3).

What learns: for a layer of width D and F units, 2 D + F factors, all 1 at the start.
What is saved: the encoder, each factor multiplied into its matrix; it costs nothing when predicting.
How it errs: it can only make stronger or weaker what is there; it wants large steps, and may not settle within few epochs.
Source: Liu et al. 2022, arXiv:2205.05638; PEFT's module.
"""

from dataclasses import dataclass
from typing import Any

from veridical.core.errors import InputError
from veridical.train._tuning import Given, Tuning, check, linears
from veridical.train.tuning._through_peft import merge, put_in

KEYS_AND_VALUES = ("key", "value", "k_lin", "v_lin", "k_proj", "v_proj", "key_proj", "value_proj", "k", "v")
"""Last parts of the names that transformers' encoders give to the maps to keys and values."""


@dataclass(frozen=True)
class Params:
    """Settings of ia3."""

    rate: float = 30.0
    """Factor on learning_rate, > 0. Liu et al. 2022: 3e-3, with Adafactor; 30 times our learning_rate."""

    def __post_init__(self) -> None:
        check("rate", self.rate, 1e-4, 1e5)


def prepare(network: Any, _params: Params, given: Given) -> None:
    """Put the factors in."""
    from peft import IA3Config
    from peft.tuners.ia3 import IA3Model

    inside = list(linears(network, frozen_layers=given.frozen_layers))
    keys = [name for layer in inside for name, _ in layer.attention if name.rpartition(".")[2] in KEYS_AND_VALUES]
    if len(keys) != 2 * len(inside):
        raise InputError(
            f"This encoder ({network.encoder.config.model_type}) has no separate maps to keys and values, as ia3 needs. "
            "Use --tuning lora, or full."
        )
    units = [layer.feedforward[-1][0] for layer in inside]
    put_in(network, IA3Model, IA3Config(target_modules=[*keys, *units], feedforward_modules=units))


tuning = Tuning(Params(), prepare, through_peft=True, merge=merge)
