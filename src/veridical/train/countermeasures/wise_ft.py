"""The weights used are a mix of those before and after fine-tuning (WiSE-FT).

What it measures: nothing; once at the end it takes a point on the line between the two sets of weights.
Why it inflates a score: fine-tuning gains on rows like the training rows and loses on others, which the test set does not show.
How it errs: the head starts from nothing, so mixing also shrinks it and makes answers less sure; far-off tasks lose score.
Source: Wortsman et al. 2022, arXiv:2109.01903 (found on image models with a zero-shot head, which an encoder does not have).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from veridical.train._contract import Countermeasure
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of wise_ft."""

    share: float = field(default=0.5, metadata=between(0, 1))
    """Share of the fine-tuned weights in the mix, 0..1; 1 is off. Wortsman et al. 2022: 0.5 where nothing is known."""


def after(start: Mapping[str, Any], best: Mapping[str, Any], params: Params) -> Mapping[str, Any]:
    """The mix."""
    return {name: (1 - params.share) * start[name] + params.share * best[name] for name in best}


countermeasure = Countermeasure(params=Params(), off=Params(share=1.0), toy=learned_by_heart, after=after)
