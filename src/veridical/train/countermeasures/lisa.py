"""Rows are mixed with rows of the same label from another group, and with rows of the same group and another label (LISA).

What it measures: nothing; it adds the loss at a point between the states of a row and of its partner.
Why it inflates a score: where a group goes with a label, a model answers by the group; in the mix the group says nothing.
How it errs: a tiny group is seen in every mix and is learned by heart, wrong labels included; twice the time.
Source: Yao et al. 2022, arXiv:2201.00299; beside the row loss, where the authors learn from the mixes alone.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.train._contract import Countermeasure, Pass, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import cue_that_misleads


@dataclass(frozen=True)
class Params:
    """Settings of lisa."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the loss of the mix, >= 0; 0 is off. Ours; no source."""
    same_label: float = field(default=0.5, metadata=between(0, 1))
    """Chance that the partner has the same label and another group, else the same group and another label, 0..1. As in the
    authors' commands."""
    alpha: float = field(default=2.0, metadata=between(1e-3))
    """Both parameters of the Beta distribution of the share of a row in the mix, > 0. The default of the authors' code."""
    groups: IntArray | None = field(default=None, repr=False, compare=False)
    """Group of every row; None: looked up in the data."""
    codes: IntArray | None = field(default=None, repr=False, compare=False)
    """Class of every row."""
    train: IntArray | None = field(default=None, repr=False, compare=False)
    """Positions of the training rows."""


def study(seen: Study, params: Params) -> Params:
    """Groups looked up."""
    return replace(params, groups=seen.groups(), codes=seen.data.codes, train=seen.train)


def drawn(rows: IntArray, streams: list[np.random.Generator], params: Params) -> tuple[IntArray, np.ndarray[Any, Any]]:
    """(partner of each row (B,), share of the row in the mix (B,)); a row that has no partner is its own."""
    assert params.groups is not None
    assert params.codes is not None
    assert params.train is not None
    groups, codes = params.groups[params.train], params.codes[params.train]
    partners, shares = rows.copy(), np.ones(len(rows))
    for place, (row, rng) in enumerate(zip(rows, streams, strict=True)):
        by_label, share, at = rng.random() < params.same_label, rng.beta(params.alpha, params.alpha), rng.random()
        same_label, same_group = codes == params.codes[row], groups == params.groups[row]
        fitting = np.flatnonzero(same_label & ~same_group if by_label else same_group & ~same_label)
        if len(fitting):
            partners[place], shares[place] = params.train[fitting[int(at * len(fitting))]], share
    return partners, shares


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) at the mix of states."""
    import torch

    if not params.weight or params.codes is None:
        return seen.logits.new_zeros(len(seen.logits))
    rows = np.maximum(seen.rows, 0)  # a row that only fills a piece weighs nothing
    partners, given = drawn(rows, seen.streams(), params)
    theirs = seen.read_rows(partners).states
    share = torch.from_numpy(given).to(seen.states.device, seen.states.dtype)
    logits = seen.head(share[:, None] * seen.states + (1 - share)[:, None] * theirs)
    other = torch.from_numpy(params.codes[partners]).to(seen.codes.device)
    return params.weight * (share * seen.loss(logits, seen.codes) + (1 - share) * seen.loss(logits, other))


countermeasure = Countermeasure(
    params=Params(),
    answers=("shortcut", "groups"),
    off=Params(weight=0.0),
    toy=cue_that_misleads,
    needs_groups=True,
    study=study,
    beside=beside,
)
