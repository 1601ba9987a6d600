"""Rows that look wrongly labelled are learned with the model's own answer, and all rows in mixes of two (SelfMix).

What it measures: the last loss of every row, parted by a two-part mixture as in small_loss, and the last answer to every row.
Why it inflates a score: rows with right labels are learned first; after that, what is left to learn by heart is the wrong ones.
How it errs: rare and hard rows look like wrong ones and get the model's own error as their label; twice the time.
Source: Qiao et al. 2022, arXiv:2210.04525, with weights in place of two sets of rows, answers of the last epoch in place of fresh
ones, without its terms for sure answers and for agreement of two dropout masks (r_drop adds the latter).
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Pass, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._mixture import FEWEST, of_the_low_part, passed
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of selfmix."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss of mixes, >= 0; 0 is off. Ours; no source."""
    warm_up: int = field(default=2, metadata=between(1))
    """Epochs in which rows are learned as they are labelled, >= 1. As in the authors' configuration for TREC."""
    temperature: float = field(default=0.5, metadata=between(1e-3))
    """The model's answers are made surer by this, > 0, 1 leaves them. As in the authors' configuration for TREC."""
    alpha: float = field(default=0.75, metadata=between(1e-3))
    """Both parameters of the Beta distribution of the share of a row in a mix, > 0. As in the authors' configuration for TREC."""
    train: IntArray | None = field(default=None, repr=False, compare=False)
    """Positions of the training rows."""
    codes: IntArray | None = field(default=None, repr=False, compare=False)
    """Class of every row."""
    n_classes: int = field(default=0, repr=False, compare=False)
    """Classes."""


def study(seen: Study, params: Params) -> Params:
    """Training rows noted."""
    return replace(params, train=seen.train, codes=seen.data.codes, n_classes=len(seen.data.labels))


def targets(rows: IntArray, own: dict[str, Any], params: Params) -> FloatArray:
    """(B, C): the label as far as the row is of the low part, else the model's answer of the last epoch made surer."""
    assert params.codes is not None
    low, told = own["low"].cpu().numpy()[rows][:, None], own["told"].cpu().numpy()[rows].astype(np.float64)
    surer = told ** (1 / params.temperature)
    return np.asarray(low * np.eye(params.n_classes)[params.codes[rows]] + (1 - low) * surer / surer.sum(1, keepdims=True))


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) of a mix of two rows, and less of the loss of rows that look wrong."""
    import torch

    nothing = seen.logits.new_zeros(len(seen.logits))
    if not params.weight or params.train is None:
        return nothing
    real = torch.from_numpy(np.flatnonzero(seen.rows >= 0))
    if "said" not in seen.own:
        assert params.codes is not None
        seen.own["said"] = torch.full((len(params.codes), params.n_classes), 1 / params.n_classes)
    said = seen.logits.detach().float().softmax(-1).cpu()
    seen.own["said"] = seen.own["said"].cpu()
    seen.own["said"][torch.from_numpy(seen.rows)[real]] = said[real]
    if "low" not in seen.own:
        return nothing
    rows = np.maximum(seen.rows, 0)
    streams = seen.streams()
    shares = np.array([max(share, 1 - share) for share in (rng.beta(params.alpha, params.alpha) for rng in streams)])
    partners = np.array([params.train[rng.integers(len(params.train))] for rng in streams], np.int64)
    wanted = shares[:, None] * targets(rows, seen.own, params) + (1 - shares)[:, None] * targets(partners, seen.own, params)
    share = torch.from_numpy(shares).to(seen.states.device, seen.states.dtype)[:, None]
    logits = seen.head(share * seen.states + (1 - share) * seen.read_rows(partners).states)
    mixed = -(torch.from_numpy(wanted).to(logits.device, torch.float32) * logits.float().log_softmax(-1)).sum(-1)
    low = torch.from_numpy(seen.own["low"].cpu().numpy()[rows]).to(mixed.device, torch.float32)
    return params.weight * mixed - (1 - low) * seen.losses


def noticed(rows: IntArray, losses: FloatArray, own: dict[str, Any], params: Params) -> None:
    """Losses written down; after every pass over the training rows the mixture is fitted anew and the answers are kept."""
    import torch

    if not params.weight or params.train is None or params.codes is None:
        return
    passes = passed(rows, losses, own, train=params.train, n_rows=len(params.codes))
    if passes is not None and passes >= params.warm_up and len(params.train) >= FEWEST:
        low = np.ones(len(params.codes))
        low[params.train] = of_the_low_part(own["loss"].cpu().numpy()[params.train])
        own |= {"low": torch.from_numpy(low), "told": own["said"].clone()}


countermeasure = Countermeasure(
    params=Params(), answers=("noise",), off=Params(weight=0.0), toy=learned_by_heart, study=study, beside=beside, noticed=noticed
)
