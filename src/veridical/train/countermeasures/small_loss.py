"""Rows that look wrongly labelled count less, by how small their loss is among all rows (selection by a two-part mixture).

What it measures: the last loss of every row; with two normal parts fitted to them, how surely a row is of the part that is low.
Why it inflates a score: rows with right labels are learned first; after that, what is left to learn by heart is the wrong ones.
How it errs: rare and hard rows look like wrong ones; where all labels are right it still plays down the higher half.
Source: Arazo et al. 2019, arXiv:1904.11238; Li et al. 2020, arXiv:2002.07394 (normal parts); on text Qiao et al. 2022 (SelfMix),
arXiv:2210.04525. The selection of these alone: no second network, no mixing, no guessed labels.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._mixture import FEWEST, of_the_low_part, passed
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of small_loss."""

    strength: float = field(default=1.0, metadata=between(0, 1))
    """Share of the weight that the mixture decides, 0..1; 0 is off. Ours; the sources leave rows out altogether."""
    warm_up: int = field(default=1, metadata=between(1))
    """Epochs in which all rows count alike, >= 1. Ours; the authors of SelfMix warm up for 2."""
    train: IntArray | None = field(default=None, repr=False, compare=False)
    """Positions of the training rows; None: those of the data."""
    n_rows: int = field(default=0, repr=False, compare=False)
    """Rows of the data set; 0: those of the data."""


def study(seen: Study, params: Params) -> Params:
    """Training rows noted."""
    return replace(params, train=seen.train, n_rows=len(seen.data))


def weigh(rows: IntArray, own: dict[str, Any], params: Params) -> FloatArray:
    """(B,): how surely each row is of the low part, by the mixture of the last epoch."""
    if not params.strength or "low" not in own:
        return np.ones(len(rows))
    low: FloatArray = own["low"].cpu().numpy()
    factors = 1 - params.strength + params.strength * low[rows]
    return np.asarray(np.maximum(factors, 1e-3))


def noticed(rows: IntArray, losses: FloatArray, own: dict[str, Any], params: Params) -> None:
    """Losses written down; after every pass over the training rows the mixture is fitted anew."""
    import torch

    if not params.strength or params.train is None:
        return
    passes = passed(rows, losses, own, train=params.train, n_rows=params.n_rows)
    if passes is not None and passes >= params.warm_up and len(params.train) >= FEWEST:
        low = np.ones(params.n_rows)
        low[params.train] = of_the_low_part(own["loss"].cpu().numpy()[params.train])
        own["low"] = torch.from_numpy(low)


countermeasure = Countermeasure(
    params=Params(), answers=("noise",), off=Params(strength=0.0), toy=learned_by_heart, study=study, weigh=weigh, noticed=noticed
)
