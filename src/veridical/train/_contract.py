"""What a countermeasure is: a change to training at one of four joints, its parameters, and a toy on which it must help.

The joints: `row_weights` before training, `change_batch` before each step, `loss` in each step, `after` once at the end. An idea
that needs a fifth is a design decision to be written down in docs/decisions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.train.batching import Batch


@dataclass(frozen=True, slots=True)
class Toy:
    """Data with the trouble that the countermeasure answers, and a number that must be lower with it than without.

    trouble: (probabilities (N, C) of every row, data) -> that number.
    """

    data: Dataset
    trouble: Callable[[FloatArray, Dataset], float]


@dataclass(frozen=True, slots=True)
class Countermeasure:
    """The record a countermeasure file ends with. At least one joint; what is None is left as it is.

    row_weights: (codes (N,) of the training rows, number of classes, params) -> weights (N,) with mean 1.
    change_batch: (batch, params, random stream) -> batch with the same rows.
    loss: (logits (B, C), codes (B,), params) -> loss of each row (B,), torch tensors; row weights are applied to it afterwards.
    after: (tensors before training, best tensors, params) -> tensors to use, both by name.
    """

    params: Any
    toy: Callable[[], Toy]
    row_weights: Callable[[IntArray, int, Any], FloatArray] | None = None
    change_batch: Callable[[Batch, Any, np.random.Generator], Batch] | None = None
    loss: Callable[[Any, Any, Any], Any] | None = None
    after: Callable[[Mapping[str, Any], Mapping[str, Any], Any], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        if not (self.row_weights or self.change_batch or self.loss or self.after):
            raise InputError("A countermeasure sets none of row_weights, change_batch, loss, after, so it would change nothing.")


Named = tuple[tuple[str, Countermeasure], ...]


def refuse_clashes(countermeasures: Named) -> None:
    """Two that both replace the loss would hide one another; the same one twice is a slip."""
    names = [name for name, _ in countermeasures]
    if len(set(names)) < len(names):
        raise InputError(f"A countermeasure is named twice: {', '.join(names)}. Name each once.")
    replacing = [name for name, c in countermeasures if c.loss]
    if len(replacing) > 1:
        raise InputError(f"{' and '.join(replacing)} both replace the loss, so one would silently win. Choose one of them.")


def combined_row_weights(countermeasures: Named, codes: IntArray, n_classes: int, given: FloatArray | None) -> FloatArray:
    """The product of the weights given and those of every countermeasure, scaled to mean 1. Shape (N,)."""
    changing = [c for _, c in countermeasures if c.row_weights]
    weights = np.ones(len(codes)) if given is None else np.asarray(given, np.float64)
    for countermeasure in changing:
        assert countermeasure.row_weights is not None
        weights = weights * countermeasure.row_weights(codes, n_classes, countermeasure.params)
    if len(weights) != len(codes) or not np.all(np.isfinite(weights)) or np.any(weights < 0) or not weights.sum() > 0:
        raise InputError(
            "Row weights must be finite, not negative, one for each training row, and not all 0. Check weights given."
        )
    if given is None and not changing:
        return weights
    return np.asarray(weights * (len(weights) / weights.sum()))
