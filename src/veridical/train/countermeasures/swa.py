"""The model that is scored and kept is the mean of the weights over the last part of training (SWA).

What it measures: nothing; it averages the weights after each step of the last part.
Why it inflates a score: the weights of the last step are one draw, and often at the edge of a flat region.
How it errs: training that stops early may never reach the last part, and then nothing is averaged. Izmailov et al. keep the step
size high; here it falls as always, so the weights that are averaged differ less.
Source: Izmailov et al. 2018, arXiv:1803.05407, over steps in place of epochs.
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
    """Settings of swa."""

    share: float = field(default=0.5, metadata=between(0, 1))
    """Share of all steps, the last ones, that are averaged, 0..1; 0 is off. Izmailov et al. 2018 average the last quarter or
    half."""


def after_step(parameters: Mapping[str, Any], own: dict[str, Any], done: float, params: Params) -> None:
    """Add the parameters to the mean."""
    if done <= 1 - params.share:
        return
    if COUNT not in own:
        own |= {name: p.detach().clone() for name, p in parameters.items()}
        own[COUNT] = next(iter(parameters.values())).new_zeros(())
    own[COUNT] += 1
    for name, p in parameters.items():
        own[name] += (p - own[name]) / own[COUNT]


def scored(own: Mapping[str, Any], _params: Params) -> Mapping[str, Any]:
    """The means; nothing before the last part has begun."""
    return {name: tensor for name, tensor in own.items() if name != COUNT}


countermeasure = Countermeasure(params=Params(), off=Params(share=0.0), toy=restless, after_step=after_step, scored=scored)
