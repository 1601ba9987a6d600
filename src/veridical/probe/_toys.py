"""Models of a few lines on which probes are proven."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray


@dataclass(frozen=True, eq=False)
class ToyModel:
    """`answer(text)` gives the logits (C,) of one input."""

    labels: tuple[str, ...]
    answer: Callable[[Text], Sequence[float]]
    kind: str = "toy"

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        logits = np.array([list(self.answer(text)) for text in inputs], np.float64).reshape(len(inputs), len(self.labels))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(inputs) else logits
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True) if len(inputs) else shifted)

    def save(self, folder: Path) -> None:
        raise InputError(f"A toy model is code; there is nothing to save in {folder}.")
