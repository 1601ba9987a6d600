"""A product of two thin matrices is learned beside each matrix of the layers, and added to it at the end (LoRA).

What learns: for a map from n to m, r rows of n and m rows of r; B starts at zero, so training starts from the encoder as it came.
What is saved: the encoder, each product added to its matrix; it costs nothing when predicting.
How it errs: the change of a matrix has rank r at most; where a task needs more, it stays behind; it changes directions that full
tuning would not (Shuttleworth et al. 2024, arXiv:2410.21228), so an equal score is no equal model.
Source: Hu et al. 2022, arXiv:2106.09685; PEFT's module.
"""

from dataclasses import dataclass
from typing import Any, Literal

from veridical.core.errors import UnknownName
from veridical.train._tuning import Given, Tuning, check, linears
from veridical.train.tuning._through_peft import merge, put_in

WHERE = ("all", "attention")


@dataclass(frozen=True)
class Params:
    """Settings of lora."""

    rank: int = 8
    """Rank of the change, >= 1. Hu et al. 2022 find 4 to 8 enough on encoders."""
    alpha: float = 16.0
    """The product is scaled by alpha / rank, > 0. Twice the rank, as is usual; no source."""
    dropout: float = 0.0
    """Dropout on what the thin matrices read, 0..1. 0 as in the encoder (see dropout)."""
    where: Literal["all", "attention"] = "all"
    """Matrices that get one: all of a layer, or attention. Dettmers et al. 2023, arXiv:2305.14314: all of them matter."""
    rate: float = 10.0
    """Factor on learning_rate, > 0. Hu et al. 2022: 4e-4 to 5e-4 where full tuning has 2e-5 to 5e-5."""

    def __post_init__(self) -> None:
        check("rank", self.rank, 1, 4096)
        check("alpha", self.alpha, 1e-6, 1e6)
        check("dropout", self.dropout, 0.0, 0.99)
        check("rate", self.rate, 1e-4, 1e5)
        if self.where not in WHERE:
            raise UnknownName("value for the tuning knob where", self.where, WHERE)


def targets(network: Any, where: str, given: Given) -> list[str]:
    """Names of the linear maps that get one."""
    found = linears(network, frozen_layers=given.frozen_layers)
    return [name for layer in found for name, _ in (layer.all if where == "all" else layer.attention)]


def prepare(network: Any, params: Params, given: Given) -> None:
    """Put the thin matrices in."""
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    config = LoraConfig(
        r=params.rank, lora_alpha=params.alpha, lora_dropout=params.dropout,  # type: ignore[arg-type]  # it divides alpha by r
        target_modules=targets(network, params.where, given),
    )  # fmt: skip
    put_in(network, LoraModel, config)


tuning = Tuning(Params(), prepare, through_peft=True, merge=merge)
