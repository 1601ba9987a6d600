"""What a teacher says of the rows, and how far an answer is from it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.models.model import FloatArray, Model

SMALLEST = 1e-12


def as_logs(probabilities: FloatArray) -> FloatArray:
    """Log-probabilities, none below that of SMALLEST."""
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST)))


def distance(logits: Any, told: FloatArray, *, temperature: float) -> Any:
    """Divergence (B,) in nats of the softened answers with `logits` (B, C) from log-probabilities `told` (B, C), times the
    square of the temperature."""
    import torch

    taught = torch.from_numpy(told).to(logits.device, torch.float32)
    theirs = (taught / temperature).log_softmax(-1)
    ours = (logits.float() / temperature).log_softmax(-1)
    return temperature**2 * (theirs.exp() * (theirs - ours)).sum(-1)


def in_order(probabilities: FloatArray, model: Model, labels: Sequence[str], *, name: str) -> FloatArray:
    """The columns of a teacher's answers in the order of `labels`. Raises InputError where it knows other labels."""
    if set(model.labels) != set(labels):
        raise InputError(
            f"The model that {name} learns from answers {', '.join(model.labels[:5])}; the rows have the labels "
            f"{', '.join(labels[:5])}. Name a model of the same labels."
        )
    return probabilities[:, [model.labels.index(label) for label in labels]]
