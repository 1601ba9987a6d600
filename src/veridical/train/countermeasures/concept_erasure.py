"""What a linear reader could tell of the group is taken out of the states, and the head fitted anew on the rest (LEACE).

What it measures: the covariance of states and group; the smallest change of the states that makes it 0 is put into the head.
Why it inflates a score: states carry who wrote a text, or where it stands, and a head uses that where it goes with the label.
How it errs: where group and label go together it takes part of the label out as well; readers that are not linear still tell.
The head is fitted anew: part of a gain may come from that alone, so compare with `refit_only`.
Source: Belrose et al. 2023, arXiv:2306.03819, the closed form; weighing rows so that group and label are independent is ours.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Features, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._head import balancing, fitted_head
from veridical.train.countermeasures._toys import cue_that_misleads

SMALLEST = 1e-6
"""Share of the largest variance, 0..1, under which a direction counts as empty. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of concept_erasure."""

    erase: bool = True
    """False is off."""
    balanced: bool = True
    """Rows are weighed so that group and label are independent, so that what tells of the label alone stays. Ours."""
    c: float = field(default=0.1, metadata=between(1e-9))
    """Inverse L2 strength of the head's logistic regression, > 0. Ours, as in dfr."""
    refit_only: bool = False
    """Take nothing out and only fit the head anew: what a comparison needs to tell the two apart. Ours."""
    groups: IntArray | None = field(default=None, repr=False, compare=False)
    """Group of every row; None: looked up in the data."""


def study(seen: Study, params: Params) -> Params:
    """Groups looked up."""
    return replace(params, groups=seen.groups())


def erased(states: FloatArray, groups: IntArray, *, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(P (D, D), centre (D,)): x - P (x - centre) has no covariance with any group, and no map moves the states less."""
    share = weights / weights.sum()
    centre = share @ states
    moved = states - centre
    concept = np.eye(int(groups.max()) + 1)[groups]
    concept = concept - share @ concept
    variance, directions = np.linalg.eigh((moved * share[:, None]).T @ moved)
    used = variance > SMALLEST * max(float(variance.max()), 1e-300)
    scale, basis = np.sqrt(variance[used]), directions[:, used]
    whiten, back = (basis / scale).T, basis * scale  # (K, D), (D, K)
    shared = whiten @ (moved * share[:, None]).T @ concept
    left, size, _ = np.linalg.svd(shared, full_matrices=False)
    left = left[:, size > SMALLEST]
    return back @ left @ left.T @ whiten, centre


def head(seen: Features, params: Params) -> tuple[FloatArray, FloatArray]:
    """A head fitted on the erased states, with the erasure folded in."""
    if not params.erase or params.groups is None:
        return seen.weight, seen.bias
    groups, n_classes = params.groups[seen.rows], len(seen.bias)
    weights = balancing(groups * n_classes + seen.codes) if params.balanced else np.ones(len(groups))
    gone, centre = np.zeros((seen.states.shape[1],) * 2), np.zeros(seen.states.shape[1])
    if not params.refit_only:
        gone, centre = erased(seen.states, groups, weights=weights)
    states = seen.states - (seen.states - centre) @ gone.T
    weight, bias = fitted_head(states, seen.codes, n_classes=n_classes, weights=None, c=params.c)
    return weight - weight @ gone, bias + weight @ gone @ centre


countermeasure = Countermeasure(
    params=Params(), off=Params(erase=False), toy=cue_that_misleads, needs_groups=True, study=study, head=head
)
