"""The head is fitted anew once training has ended, on states in which every group counts alike (deep feature reweighting).

What it measures: nothing; a logistic regression on the finished encoder's states, groups x labels weighted to the same total.
Why it inflates a score: an encoder may hold what decides, and its head still answers from the shortcut that the mean favours.
How it errs: on train rows the encoder may know by heart there is little left to reweigh; tiny groups get heavy single rows.
Source: Kirichenko et al. 2023, arXiv:2204.02937, with weights in place of ten balanced draws, L2 in place of L1, and on train and
validation rows (theirs: rows held out, which is stronger where there are enough).
"""

from dataclasses import dataclass, field, replace

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Features, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._head import balancing, fitted_head
from veridical.train.countermeasures._toys import cue_that_misleads


@dataclass(frozen=True)
class Params:
    """Settings of dfr."""

    share: float = field(default=1.0, metadata=between(0, 1))
    """Share of the new head in a mix with the trained one, 0..1; 0 is off. Kirichenko et al. 2023 use the new head alone."""
    c: float = field(default=0.1, metadata=between(1e-9))
    """Inverse L2 strength of the logistic regression, > 0. The authors' code searches 0.01 to 1 for L1."""
    cells: IntArray | None = field(default=None, repr=False, compare=False)
    """Group x label of every row; None: counted from the data."""


def study(seen: Study, params: Params) -> Params:
    """Groups looked up."""
    return replace(params, cells=seen.cells())


def head(seen: Features, params: Params) -> tuple[FloatArray, FloatArray]:
    """The mix of the head fitted on balanced groups and the trained one."""
    if not params.share or params.cells is None:
        return seen.weight, seen.bias
    weights = balancing(params.cells[seen.rows])
    weight, bias = fitted_head(seen.states, seen.codes, n_classes=len(seen.bias), weights=weights, c=params.c)
    own = 1 - params.share
    return own * seen.weight + params.share * weight, own * seen.bias + params.share * bias


countermeasure = Countermeasure(
    params=Params(),
    answers=("shortcut", "groups"),
    off=Params(share=0.0),
    toy=cue_that_misleads,
    needs_groups=True,
    study=study,
    head=head,
)
