"""The model's answer is passed through a known rate of wrong labels before it is compared with them (forward correction).

What it measures: nothing; the loss is that of the label as it was written down, given how often labels are written down wrongly.
Why it inflates a score: plain cross-entropy asks the model to give wrong labels too, and to be sure of them.
How it errs: it needs the rate; above the true one it makes answers surer than the data allow, below it part of the harm stays.
Source: Patrini et al. 2017, arXiv:1609.03683, with the rate given in place of estimated.
"""

from dataclasses import dataclass, field
from typing import Any

from veridical.core.errors import InputError
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import loss_on_test, wrong_labels


@dataclass(frozen=True)
class Params:
    """Settings of forward_correction."""

    rate: float = field(default=0.2, metadata=between(0, 1 - 1e-9))
    """Share of labels that are wrong, the wrong ones spread evenly over the other classes, 0..1 without 1; 0 is off. Ours: give
    what a review of labels found."""
    transition: tuple[tuple[float, ...], ...] | None = None
    """Row c: how often class c is written down as each class, in the order of the labels, sum 1; None: from `rate`."""


def loss(logits: Any, codes: Any, params: Params) -> Any:
    """Negative log-probability (B,) of the label as written down."""
    import torch
    from torch.nn.functional import cross_entropy

    n_classes = logits.shape[1]
    if params.transition is not None:
        written = torch.tensor(params.transition, dtype=torch.float32, device=logits.device)
        if written.shape != (n_classes, n_classes):
            raise InputError(f"transition of forward_correction is {tuple(written.shape)}; give {n_classes} rows of {n_classes}.")
    elif params.rate:
        other = params.rate / max(1, n_classes - 1)
        written = torch.full((n_classes, n_classes), other, device=logits.device)
        written.fill_diagonal_(1 - params.rate)
    else:
        return cross_entropy(logits, codes, reduction="none")
    # log of sum over c of p(c) * written[c, label], with no p(c) rounded to 0.
    said = logits.float().log_softmax(-1) + written.log().T[codes].clamp_min(-1e4)
    return -said.logsumexp(-1)


def toy() -> Toy:
    """Three labels in ten are wrong, evenly; the right answer is sure, and plain cross-entropy asks for 0.7."""
    return Toy(wrong_labels(0.3, n_fillers=1), loss_on_test)


countermeasure = Countermeasure(params=Params(), answers=("noise",), off=Params(rate=0.0), toy=toy, loss=loss)
