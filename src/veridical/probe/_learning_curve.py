"""A learning curve continued: error = a + b n^-c with a, b >= 0, fitted by least squares.

Letters: S sizes, R replicates.
"""

import numpy as np

from veridical.models.model import FloatArray

EXPONENTS = np.linspace(0.05, 1.5, 30)
"""Values of c that are tried. Hestness et al. 2017, arXiv:1712.00409, find 0.07 to 0.35 on large sets; small ones fall faster."""


def continued(sizes: FloatArray, errors: FloatArray, at: FloatArray) -> FloatArray:
    """Errors (R, len(at)) of the fitted curves at the sizes `at`, from errors (R, S) at `sizes` (S,), S >= 3."""
    largest = sizes.max()
    best = np.full(len(errors), np.inf)
    found = np.zeros((len(errors), len(at)))
    for c in EXPONENTS:
        x, wanted = (sizes / largest) ** -c, (at / largest) ** -c
        a, b = _line(x, errors)
        missed = ((errors - a[:, None] - b[:, None] * x) ** 2).sum(axis=1)
        better = missed < best - 1e-15
        best[better] = missed[better]
        found[better] = (a[:, None] + b[:, None] * wanted)[better]
    return found


def _line(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Least squares a + b x of each row of y (R, S) with a, b >= 0."""
    deviation = x - x.mean()
    b = y @ deviation / (deviation @ deviation)
    a = y.mean(axis=1) - b * x.mean()
    through = np.maximum(y @ x / (x @ x), 0.0)  # a = 0
    level = np.maximum(y.mean(axis=1), 0.0)  # b = 0
    # Outside the quarter plane the best point lies on one of its two edges.
    edge = ((y - through[:, None] * x) ** 2).sum(axis=1) < ((y - level[:, None]) ** 2).sum(axis=1)
    inside = (a >= 0) & (b >= 0)
    return np.where(inside, a, np.where(edge, 0.0, level)), np.where(inside, b, np.where(edge, through, 0.0))
