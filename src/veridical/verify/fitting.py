"""How an arm is trained: one function, so that any model family can stand behind it."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import IntArray
from veridical.models.linear import LinearParams, fit_linear
from veridical.models.model import FloatArray
from veridical.models.text_features import HashedText
from veridical.verify.scoring import Labels

Predict = Callable[[IntArray], npt.NDArray[Any]]
"""Row positions -> class probabilities (n, C); or answers of more than one label, (n,)."""


class Fit(Protocol):
    """Train on the rows at `rows` (positions in the data, n), with `labels` (n,) and `weights` (n,) or None."""

    def __call__(self, rows: IntArray, labels: Labels, weights: FloatArray | None, seed: int, /) -> Predict: ...


def linear_fit(features: HashedText, labels: tuple[str, ...], *, c: float = LinearParams.c) -> Fit:
    """Arms of the linear family on features hashed once (of all rows, in table order). c: its penalty."""
    params = LinearParams(c=c)

    def fit(rows: IntArray, codes: Labels, weights: FloatArray | None, seed: int) -> Predict:
        model = fit_linear(features.rows(rows), codes, labels=labels, weights=weights, seed=seed, params=params)
        columns = np.searchsorted(features.hashes, model.hashes)
        return lambda chosen: model.predict_features(features.matrix[chosen][:, columns])

    return fit
