"""Many tests at once: p values adjusted so that a threshold on them means what it says."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def _checked(p: Sequence[float] | FloatArray) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not np.all((values >= 0) & (values <= 1)):
        raise ValueError("p values must be a flat list of numbers in 0..1")
    return values


def holm(p: Sequence[float] | FloatArray) -> FloatArray:
    """Holm's adjusted p values: rejecting those <= alpha keeps the chance of any false rejection <= alpha."""
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p: Sequence[float] | FloatArray) -> FloatArray:
    """Benjamini-Hochberg adjusted p values: rejecting those <= q keeps the expected share of false rejections <= q."""
    values = _checked(p)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * len(values) / np.arange(1, len(values) + 1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return adjusted
