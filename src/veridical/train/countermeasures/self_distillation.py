"""The model follows the answers of a first, shorter training of itself (self-distillation).

What it measures: the answers that a training without the countermeasure gives to every train row after a few epochs.
Why it inflates a score: a model driven to the labels alone learns the wrong ones by heart; its younger self had not yet.
How it errs: what the first training got wrong is learned as well; it costs a second training.
Source: Hinton et al. 2015, arXiv:1503.02531 (the loss); Furlanello et al. 2018, arXiv:1805.04770 (of itself); a teacher that
stopped early is ours, after Liu et al. 2020, arXiv:2007.00151.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Pass, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._told import as_logs, distance
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of self_distillation."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the divergence from the teacher, in nats, beside the row loss, >= 0; 0 is off. As Furlanello et al. 2018."""
    temperature: float = field(default=2.0, metadata=between(1e-3))
    """Both answers are softened by this, > 0; the divergence is scaled by its square, as in Hinton et al. 2015."""
    epochs: int = field(default=2, metadata=between(1))
    """Epochs of the first training, >= 1, at most those of the training. Ours; no source."""
    told: FloatArray | None = field(default=None, repr=False, compare=False)
    """Log-probabilities (N, C) of the teacher; None: from a first training."""


def study(seen: Study, params: Params) -> Params:
    """Train the teacher, unless nothing would come of it."""
    if not params.weight or params.told is not None:
        return params
    return replace(params, told=as_logs(seen.answers(params.epochs)))


def beside(seen: Pass, params: Params) -> Any:
    """Divergence (B,) of the answer from the teacher's."""
    if not params.weight or params.told is None:
        return seen.logits.new_zeros(len(seen.logits))
    return params.weight * distance(seen.logits, params.told[seen.rows], temperature=params.temperature)


countermeasure = Countermeasure(
    params=Params(), off=Params(weight=0.0), toy=learned_by_heart, needs_epochs=True, study=study, beside=beside
)
