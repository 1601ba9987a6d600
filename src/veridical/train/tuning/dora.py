"""As lora, with the length of each row of a matrix learned by itself (DoRA).

What learns: the two thin matrices of lora, which turn each row of the matrix, and one length for each row.
What is saved: the encoder, each matrix replaced by lengths times directions; it costs nothing when predicting.
How it errs: as lora; each step computes the lengths of all rows anew, which costs time on small batches.
Source: Liu et al. 2024, arXiv:2402.09353; PEFT's module.
"""

from dataclasses import dataclass
from typing import Any, Literal

from veridical.core.errors import UnknownName
from veridical.train._tuning import Given, Tuning, check
from veridical.train.tuning._through_peft import merge, put_in
from veridical.train.tuning.lora import WHERE, targets


@dataclass(frozen=True)
class Params:
    """Settings of dora."""

    rank: int = 8
    """Rank of the turn, >= 1. As lora."""
    alpha: float = 16.0
    """The product is scaled by alpha / rank, > 0. As lora."""
    dropout: float = 0.0
    """Dropout on what the thin matrices read, 0..1. As lora."""
    where: Literal["all", "attention"] = "all"
    """Matrices that get one: all of a layer, or attention. As lora."""
    rate: float = 10.0
    """Factor on learning_rate, > 0. Liu et al. 2024 use that of LoRA."""

    def __post_init__(self) -> None:
        check("rank", self.rank, 1, 4096)
        check("alpha", self.alpha, 1e-6, 1e6)
        check("dropout", self.dropout, 0.0, 0.99)
        check("rate", self.rate, 1e-4, 1e5)
        if self.where not in WHERE:
            raise UnknownName("value for the tuning knob where", self.where, WHERE)


def prepare(network: Any, params: Params, given: Given) -> None:
    """Put the thin matrices and the lengths in."""
    from peft import LoraConfig
    from peft.tuners.lora import LoraModel

    config = LoraConfig(
        r=params.rank, lora_alpha=params.alpha, lora_dropout=params.dropout,  # type: ignore[arg-type]  # it divides alpha by r
        target_modules=targets(network, params.where, given), use_dora=True,
    )  # fmt: skip
    put_in(network, LoraModel, config)


tuning = Tuning(Params(), prepare, through_peft=True, merge=merge)
