"""Rows that a first, short training gets wrong count more in a second one (just train twice).

What it measures: which train rows a model without the countermeasure answers wrongly after a few epochs.
Why it inflates a score: rows against a shortcut are few, and a model that fails on all of them still scores high.
How it errs: rows with wrong labels are answered wrongly too, and count more as well; with much label noise it does harm.
Source: Liu et al. 2021, arXiv:2107.09044. Model linear has no early epochs; there a row is wrong when models of the other rows
answer it wrongly, which is ours.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import cue_that_misleads


@dataclass(frozen=True)
class Params:
    """Settings of jtt."""

    factor: float = field(default=6.0, metadata=between(1))
    """How much a row that was answered wrongly counts, others 1, >= 1; 1 is off. The authors' commands use 4 (MultiNLI), 6
    (CivilComments) to 100 (Waterbirds)."""
    epochs: int = field(default=2, metadata=between(1))
    """Epochs of the first training, >= 1. The authors' commands stop at 2 on text."""
    wrong: FloatArray | None = field(default=None, repr=False, compare=False)
    """1 for each training row answered wrongly, else 0; None: from a first training."""


def study(seen: Study, params: Params) -> Params:
    """Train a first time, unless nothing would come of it."""
    if params.factor == 1 or params.wrong is not None:
        return params
    answered = seen.answers(params.epochs)[seen.train].argmax(axis=1)
    return replace(params, wrong=(answered != seen.data.codes[seen.train]).astype(np.float64))


def row_weights(codes: IntArray, _n_classes: int, params: Params) -> FloatArray:
    """Weights (N,), mean 1."""
    weights = np.ones(len(codes)) if params.wrong is None else 1 + (params.factor - 1) * params.wrong
    return np.asarray(weights * (len(codes) / weights.sum()))


countermeasure = Countermeasure(
    params=Params(),
    answers=("shortcut", "groups"),
    off=Params(factor=1.0),
    toy=cue_that_misleads,
    study=study,
    row_weights=row_weights,
)
