"""The model that is scored and kept is a moving average of the weights of all steps (EMA).

What it measures: nothing; after each step it moves averaged weights a little towards those of the step.
Why it inflates a score: the weights of the last step are one draw; the best of several epochs is then picked by luck.
How it errs: in a training of few steps the average lags behind; it keeps one more copy of what is trained in memory.
Source: Polyak and Juditsky 1992; the start-up of the decay as in TensorFlow's ExponentialMovingAverage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import restless

COUNT = "number of steps"


@dataclass(frozen=True)
class Params:
    """Settings of ema."""

    decay: float = field(default=0.98, metadata=between(0, 1))
    """Share of the average that is kept in a step, 0..1; 0 is off. Ours: an average over about 50 steps of a few hundred."""
    slow_start: float = field(default=10.0, metadata=between(1))
    """In step t the decay is at most (1 + t) / (slow_start + t), so that the first weights are soon left behind, >= 1."""


def after_step(parameters: Mapping[str, Any], own: dict[str, Any], _done: float, params: Params) -> None:
    """Move the averages towards the parameters."""
    if COUNT not in own:
        own |= {name: p.detach().clone() for name, p in parameters.items()}
        own[COUNT] = next(iter(parameters.values())).new_zeros(())
    step = float(own[COUNT])
    decay = min(params.decay, (1 + step) / (params.slow_start + step))
    for name, p in parameters.items():
        own[name].mul_(decay).add_(p, alpha=1 - decay)
    own[COUNT] += 1


def scored(own: Mapping[str, Any], _params: Params) -> Mapping[str, Any]:
    """The averages."""
    return {name: tensor for name, tensor in own.items() if name != COUNT}


countermeasure = Countermeasure(params=Params(), off=Params(decay=0.0), toy=restless, after_step=after_step, scored=scored)
