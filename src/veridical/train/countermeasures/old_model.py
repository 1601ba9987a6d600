"""The answers of an earlier model are kept while new rows are learned (learning without forgetting).

What it measures: what the earlier model says of every training row; it adds the divergence from that.
Why it inflates a score: a model forgets an earlier task while it learns a new one, and the new test set does not show it.
How it errs: what the earlier model got wrong is kept as well; rows unlike those it learned from say little of what it knew.
Source: Li and Hoiem 2017, arXiv:1606.09282. Where the labels are others, the earlier head is put on the new states as it was
(theirs goes on learning); start from the earlier encoder then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray, Model
from veridical.train._contract import Countermeasure, Pass, Study, Toy
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._told import as_logs, distance, in_order
from veridical.train.countermeasures._toys import against_the_word, wrong_labels


@dataclass(frozen=True)
class Params:
    """Settings of old_model."""

    folder: str = field(default="", metadata=a_file())
    """model/ folder of the earlier run; it must be named."""
    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the divergence, in nats, >= 0; 0 is off. Ours; no source."""
    temperature: float = field(default=2.0, metadata=between(1e-3))
    """Both answers are softened by this, > 0; the divergence is scaled by its square. Ours; no source."""
    model: Model | None = field(default=None, repr=False, compare=False)
    """The earlier model; None: that of the folder."""
    told: FloatArray | None = field(default=None, repr=False, compare=False)
    """Log-probabilities (N, C) of the earlier model for every row."""
    head: tuple[FloatArray, FloatArray] | None = field(default=None, repr=False, compare=False)
    """weight and bias of the earlier head, where its labels are others."""


def lacking(params: Params) -> str | None:
    """The folder."""
    if not params.weight or params.model or params.folder:
        return None
    return "old_model needs the earlier model. Name its folder: --countermeasures old_model:folder=runs/earlier/model."


def study(seen: Study, params: Params) -> Params:
    """The earlier model asked about the training rows."""
    if not params.weight:
        return params
    model: Any = params.model
    if model is None:
        from veridical.models.stored import open_model

        model = open_model(Path(params.folder))
    head, said = None, model.predict(seen.data.inputs(seen.train))
    if set(model.labels) == set(seen.data.labels) or model.kind != "encoder":
        said = in_order(said, model, seen.data.labels, name="old_model:folder")
    else:
        head = (model.network.head.weight.detach().float().numpy(), model.network.head.bias.detach().float().numpy())
    told = np.zeros((len(seen.data), said.shape[1]))
    told[seen.train] = as_logs(said)
    return replace(params, told=told, head=head)


def beside(seen: Pass, params: Params) -> Any:
    """Divergence (B,) of the answer from the earlier one."""
    import torch

    if not params.weight or params.told is None:
        return seen.logits.new_zeros(len(seen.logits))
    logits = seen.logits
    if params.head is not None:
        weight, bias = (torch.from_numpy(np.asarray(part, np.float32)).to(logits.device) for part in params.head)
        if weight.shape[1] != seen.states.shape[1]:
            raise InputError(
                f"The earlier head reads {weight.shape[1]} numbers a row, and this one {seen.states.shape[1]}: another encoder, "
                "or one of another task. Start from the earlier encoder (--model with its folder) and train for the earlier task."
            )
        logits = seen.states.float() @ weight.T + bias
    return params.weight * distance(logits, params.told[seen.rows], temperature=params.temperature)


class _ByTheWord:
    """A model that answers by the words good and bad."""

    kind, labels = "linear", ("neg", "pos")

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        good = np.array(["good" in str(text).split() for text in inputs], np.float64)
        return np.asarray(0.05 + 0.9 * np.stack([1 - good, good], axis=1))

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def toy() -> Toy:
    """The earlier model knew the word that decides; three labels in ten of the new rows are wrong."""
    settings = {"epochs": 20}
    return Toy(wrong_labels(0.3, n_fillers=3), against_the_word, settings=settings, params=Params(model=_ByTheWord()))


countermeasure = Countermeasure(params=Params(), off=Params(weight=0.0), toy=toy, lacking=lacking, study=study, beside=beside)
