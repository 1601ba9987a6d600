"""Heads fitted on states of a finished encoder."""

import warnings

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray

PASSES = 500
"""Passes of the solver, at most. Ours; no source."""


def fitted_head(
    states: FloatArray, codes: IntArray, *, n_classes: int, weights: FloatArray | None, c: float
) -> tuple[FloatArray, FloatArray]:
    """weight (C, D) and bias (C,) of a logistic regression with inverse strength `c`, on states scaled to spread 1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    centre, spread = states.mean(axis=0), np.maximum(states.std(axis=0), 1e-6)
    present = np.unique(codes)
    weight, bias = np.zeros((n_classes, states.shape[1])), np.full(n_classes, -30.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(C=c, max_iter=PASSES).fit((states - centre) / spread, codes, sample_weight=weights)
    coefficients = model.coef_ / spread
    intercept = model.intercept_ - coefficients @ centre
    if len(coefficients) == 1:
        coefficients, intercept = (
            np.vstack([-coefficients / 2, coefficients / 2]),
            np.array([-intercept[0] / 2, intercept[0] / 2]),
        )
    weight[present], bias[present] = coefficients, intercept
    return weight, bias


def balancing(cells: IntArray) -> FloatArray:
    """Weights (n,), mean 1, under which every cell weighs the same."""
    counts = np.bincount(cells)
    return np.asarray(len(cells) / (counts[cells] * len(np.unique(cells))))
