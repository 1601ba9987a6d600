"""A smaller encoder learns from a larger model beside the labels (distillation).

What it measures: what the teacher says of every training row; it adds the divergence from that. The student keeps some layers.
Why it inflates a score: a small model driven to the labels alone learns less than it could, and what is served is the small one.
How it errs: what the teacher got wrong is learned as well; layers are dropped without asking which ones the task needs.
Source: Hinton et al. 2015, arXiv:1503.02531 (the loss); Sanh et al. 2019, arXiv:1910.01108 (every second layer of the teacher).
Without a teacher's folder, the teacher is a first training of the whole encoder.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Pass, Study
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._told import as_logs, distance, in_order
from veridical.train.countermeasures._toys import learned_by_heart


@dataclass(frozen=True)
class Params:
    """Settings of distil."""

    layers: float = field(default=0.5, metadata=between(1e-3, 1))
    """Share of the encoder's layers that the student keeps, spread evenly, at least one, 0..1. Sanh et al. 2019 keep half."""
    teacher: str = field(default="", metadata=a_file())
    """model/ folder of the teacher, of the same labels; empty: a first training of the whole encoder."""
    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the divergence from the teacher, in nats, beside the row loss, >= 0; 0 asks no teacher. Ours; no source."""
    temperature: float = field(default=2.0, metadata=between(1e-3))
    """Both answers are softened by this, > 0; the divergence is scaled by its square, as in Hinton et al. 2015."""
    epochs: int = field(default=3, metadata=between(1))
    """Epochs of the first training, >= 1, at most those of the training. Ours; no source."""
    told: FloatArray | None = field(default=None, repr=False, compare=False)
    """Log-probabilities (N, C) of the teacher."""


def study(seen: Study, params: Params) -> Params:
    """The teacher asked, or trained first."""
    if not params.weight or params.told is not None:
        return params
    if not params.teacher:
        return replace(params, told=as_logs(seen.answers(params.epochs)))
    from veridical.models.stored import open_model

    model = open_model(Path(params.teacher))
    said = in_order(model.predict(seen.data.inputs(seen.train)), model, seen.data.labels, name="distil:teacher")
    told = np.zeros((len(seen.data), said.shape[1]))
    told[seen.train] = as_logs(said)
    return replace(params, told=told)


def network(seen: Any, params: Params, _rng: np.random.Generator) -> None:
    """Drops layers, in place."""
    from veridical.models._encoder_network import keep_layers, layers

    n_layers = len(layers(seen.encoder))
    n_kept = max(1, round(params.layers * n_layers))
    if n_kept < n_layers:
        keep_layers(seen.encoder, [int(number) for number in np.linspace(0, n_layers, n_kept, endpoint=False)])


def beside(seen: Pass, params: Params) -> Any:
    """Divergence (B,) of the answer from the teacher's."""
    if not params.weight or params.told is None:
        return seen.logits.new_zeros(len(seen.logits))
    return params.weight * distance(seen.logits, params.told[seen.rows], temperature=params.temperature)


countermeasure = Countermeasure(
    params=Params(),
    off=Params(layers=1.0, weight=0.0),
    toy=learned_by_heart,
    needs_epochs=True,
    study=study,
    network=network,
    beside=beside,
)
