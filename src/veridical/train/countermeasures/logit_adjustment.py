"""How frequent each class is in training is taken out of the answers (logit adjustment).

What it measures: the share of each class among the training rows; its logarithm is added to the logits while learning only.
Why it inflates a score: accuracy rewards answers that lean towards common classes; on a balanced mix they are wrong.
How it errs: where the frequencies of use are those of training, accuracy falls while the rare classes gain.
Source: Menon et al. 2021, arXiv:2007.07314, the adjusted loss.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import missed_rare, rare_class


@dataclass(frozen=True)
class Params:
    """Settings of logit_adjustment."""

    strength: float = field(default=1.0, metadata=between(0))
    """Factor on the logarithm of the share, >= 0; 0 is off. Menon et al. 2021 use 1."""
    shares: tuple[float, ...] | None = None
    """Share of each class, in the order of the labels, > 0; None: counted from the training rows, unweighted."""


def prepare(codes: IntArray, n_classes: int, params: Params) -> Params:
    """Shares counted, a class without rows as if it had one."""
    counts = np.maximum(np.bincount(codes, minlength=n_classes), 1)
    return params if params.shares is not None else replace(params, shares=tuple((counts / counts.sum()).tolist()))


def loss(logits: Any, codes: Any, params: Params) -> Any:
    """Cross-entropy (B,) of the logits with the logarithms of the shares added."""
    import torch
    from torch.nn.functional import cross_entropy

    if params.strength and params.shares is not None:
        shares = torch.tensor(params.shares, dtype=torch.float32, device=logits.device)
        logits = logits + params.strength * shares.log()
    return cross_entropy(logits, codes, reduction="none")


def toy() -> Toy:
    """One row in eight is rare, and its word also stands in a third of the others."""
    return Toy(rare_class(), missed_rare)


countermeasure = Countermeasure(
    params=Params(), answers=("imbalance",), off=Params(strength=0.0), toy=toy, prepare=prepare, loss=loss
)
