"""Directions in which a linear reader tells the group are taken out of the states one after the other (INLP).

What it measures: how well a linear reader tells the group from the states; what it reads is projected away until it cannot.
Why it inflates a score: states carry who wrote a text, or where it stands, and a head uses that where it goes with the label.
How it errs: it takes out more than concept_erasure does, part of the label with it; readers that are not linear still tell. The
head is fitted anew: part of a gain may come from that alone, so compare with `refit_only`.
Source: Ravfogel et al. 2020, arXiv:2004.07667; weighing rows so that group and label are independent is ours.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Features, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._head import balancing, fitted_head
from veridical.train.countermeasures._toys import cue_that_misleads

SMALLEST = 1e-8
"""Length of a direction, of 1, under which it is none. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of inlp."""

    rounds: int = field(default=10, metadata=between(0))
    """Readers fitted at most, >= 0; 0 is off. Ours; no source."""
    above: float = field(default=0.02, metadata=between(0, 1))
    """Accuracy above that of always naming the largest group, 0..1, under which a reader counts as unable to tell. Ours."""
    balanced: bool = True
    """Rows are weighed so that group and label are independent, so that what tells of the label alone stays. Ours."""
    c: float = field(default=0.001, metadata=between(1e-9))
    """Inverse L2 strength of readers and head, > 0. Ours: at 0.1 readers learned the toy's rows by heart and little went."""
    refit_only: bool = False
    """Take nothing out and only fit the head anew: what a comparison needs to tell the two apart. Ours."""
    groups: IntArray | None = field(default=None, repr=False, compare=False)
    """Group of every row; None: looked up in the data."""


def study(seen: Study, params: Params) -> Params:
    """Groups looked up."""
    return replace(params, groups=seen.groups())


def kept(states: FloatArray, groups: IntArray, *, weights: FloatArray, params: Params) -> FloatArray:
    """Projection (D, D) onto what no reader of all rounds used."""
    n_groups, width = int(groups.max()) + 1, states.shape[1]
    largest = float(np.bincount(groups, weights).max() / weights.sum())
    basis, projection = np.zeros((0, width)), np.eye(width)
    for _ in range(params.rounds):
        left = states @ projection
        weight, bias = fitted_head(left, groups, n_classes=n_groups, weights=weights, c=params.c)
        told = (left @ weight.T + bias).argmax(1) == groups
        if float(weights[told].sum() / weights.sum()) <= largest + params.above:
            break
        present = np.unique(groups)
        read = (weight[present] - weight[present].mean(0)) @ projection
        _, size, directions = np.linalg.svd(read, full_matrices=False)
        basis = np.vstack([basis, directions[size > SMALLEST * max(float(size.max()), SMALLEST)]])
        orthogonal = np.linalg.qr(basis.T)[0]
        projection = np.eye(width) - orthogonal @ orthogonal.T
    return np.asarray(projection)


def head(seen: Features, params: Params) -> tuple[FloatArray, FloatArray]:
    """A head fitted on the projected states, with the projection folded in."""
    if not params.rounds or params.groups is None:
        return seen.weight, seen.bias
    groups, n_classes = params.groups[seen.rows], len(seen.bias)
    weights = balancing(groups * n_classes + seen.codes) if params.balanced else np.ones(len(groups))
    projection = np.eye(seen.states.shape[1])
    if not params.refit_only:
        projection = kept(seen.states, groups, weights=weights, params=params)
    weight, bias = fitted_head(seen.states @ projection, seen.codes, n_classes=n_classes, weights=None, c=params.c)
    return weight @ projection, bias


countermeasure = Countermeasure(
    params=Params(), off=Params(rounds=0), toy=cue_that_misleads, needs_groups=True, study=study, head=head
)
