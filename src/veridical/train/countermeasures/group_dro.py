"""Groups on which the loss is high count more, and the more so the longer it stays high (group DRO).

What it measures: the loss of every group x label; the weight of one grows by exp(step x its loss) with each step it is seen in.
Why it inflates a score: the mean over rows hides a small group on which the model fails, and training follows the mean.
How it errs: a group with wrong labels or too hard to learn takes all the weight; small groups are learned by heart instead.
Source: Sagawa et al. 2020, arXiv:1911.08731, without the adjustment by group size; the weight used in a step is that of the step
before, so that it does not depend on the pieces a step is computed in.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import cue_that_misleads


@dataclass(frozen=True)
class Params:
    """Settings of group_dro."""

    step: float = field(default=0.01, metadata=between(0))
    """Step of the group weights in each training step, >= 0; 0 is off (rows then count alike). Default of the authors' code."""
    cells: IntArray | None = field(default=None, repr=False, compare=False)
    """Group x label of every row; None: counted from the data."""


def study(seen: Study, params: Params) -> Params:
    """Groups looked up."""
    return replace(params, cells=seen.cells())


def weigh(rows: IntArray, own: dict[str, Any], params: Params) -> FloatArray:
    """(B,): each group of the batch gets its weight, shared by its rows."""
    if not params.step or params.cells is None:
        return np.ones(len(rows))
    cells = params.cells[rows]
    n_cells = int(params.cells.max()) + 1
    weight = own["weight"].cpu().numpy() if "weight" in own else np.full(n_cells, 1 / n_cells)
    counts = np.bincount(cells, minlength=n_cells)
    factors: FloatArray = weight[cells] / counts[cells]
    return np.asarray(factors * (len(rows) / factors.sum()))


def noticed(rows: IntArray, losses: FloatArray, own: dict[str, Any], params: Params) -> None:
    """The weight of each group in the batch grows with its mean loss."""
    import torch

    if not params.step or params.cells is None:
        return
    cells, n_cells = params.cells[rows], int(params.cells.max()) + 1
    weight = own["weight"].cpu().numpy() if "weight" in own else np.full(n_cells, 1 / n_cells)
    means = np.bincount(cells, losses, minlength=n_cells) / np.maximum(np.bincount(cells, minlength=n_cells), 1)
    weight = weight * np.exp(params.step * means)
    own["weight"] = torch.from_numpy(weight / weight.sum())


countermeasure = Countermeasure(
    params=Params(),
    answers=("shortcut", "groups"),
    off=Params(step=0.0),
    toy=cue_that_misleads,
    needs_groups=True,
    study=study,
    weigh=weigh,
    noticed=noticed,
)
