"""What an earlier task needs of the encoder is held near its start, the rest may move (elastic weight consolidation).

What it measures: how much each number of the encoder matters for its states, or for an earlier model's answers (the diagonal of
the Fisher information, one row at a time); it adds half the squared distance from the start, weighed by that.
Why it inflates a score: a model forgets what it knew while it learns new rows, and a test set of such rows does not show it.
How it errs: a few texts say little of what matters elsewhere; the diagonal overlooks what numbers do together.
Source: Kirkpatrick et al. 2017, arXiv:1612.00796. Without `old`, the Fisher information is that of the states with a spread of 1,
which needs no earlier head; that, and scaling it to mean 1 so that `strength` compares with l2_sp, is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Start, Study, Toy
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._rows_of_file import rows_of
from veridical.train.countermeasures._toys import against_the_word, wrong_labels

CEILING = 100.0
"""Largest weight of a number, in means, so that a few do not stop training. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of ewc."""

    strength: float = field(default=0.1, metadata=between(0))
    """Factor on half the weighed squared distance, >= 0; 0 is off. Ours, as in l2_sp."""
    rows: int = field(default=100, metadata=between(1))
    """Texts of which the information is taken, >= 1. Ours; no source."""
    file: str = field(default="", metadata=a_file())
    """File with rows of the earlier task; empty: the training rows."""
    old: str = field(default="", metadata=a_file())
    """Folder of the earlier model, where training starts from its encoder: its answers are held. Empty: the states are."""
    earlier: tuple[Text, ...] = field(default=(), repr=False, compare=False)
    """Texts of the file."""
    head: tuple[FloatArray, FloatArray] | None = field(default=None, repr=False, compare=False)
    """weight (C, D) and bias (C,) of the earlier model's head."""
    information: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    """Diagonal of the Fisher information by name of the tensor, with mean 1."""


def study(seen: Study, params: Params) -> Params:
    """Files read."""
    if not params.strength:
        return params
    earlier = (
        tuple(rows_of(params.file, data=seen.data, name="ewc:file", with_labels=False).inputs())
        if params.file
        else params.earlier
    )
    return replace(params, earlier=earlier, head=_head_of(params.old) if params.old else params.head)


def _head_of(folder: str) -> tuple[FloatArray, FloatArray]:
    from veridical.models.stored import open_model

    model: Any = open_model(Path(folder))
    if model.kind != "encoder":
        raise InputError(f"{folder}, named by ewc:old, is a model of kind {model.kind}. Name the folder of an encoder.")
    return model.network.head.weight.detach().double().numpy(), model.network.head.bias.detach().double().numpy()


def texts(params: Params) -> Sequence[Text]:
    """Those of the earlier task."""
    return params.earlier


def begin(start: Start, params: Params) -> Params:
    """The information of the encoder as it starts."""
    import torch

    if not params.strength:
        return params
    read, rows = (start.read_texts, np.arange(len(params.earlier))) if params.earlier else (start.read_rows, start.train)
    chosen = start.rng.permutation(rows)[: params.rows]
    own = {name: p for name, p in start.parameters.items() if not name.startswith("head.")}
    found = {name: torch.zeros_like(p) for name, p in own.items()}
    for row in chosen:
        states = read(np.array([row])).states
        pull = torch.from_numpy(_pull(states.detach().cpu().numpy()[0], params, start.rng)).to(states.device, states.dtype)
        gradients = torch.autograd.grad((states[0] * pull).sum(), list(own.values()), allow_unused=True)
        for total, gradient in zip(found.values(), gradients, strict=True):
            if gradient is not None:
                total += gradient.square()
    mean = sum(float(total.sum()) for total in found.values()) / max(1, sum(total.numel() for total in found.values()))
    return replace(params, information={n: (t / max(mean, 1e-30)).clamp(max=CEILING) for n, t in found.items()})


def _pull(states: FloatArray, params: Params, rng: np.random.Generator) -> FloatArray:
    """Gradient (D,) of a log-likelihood by the states, for an answer drawn from the model itself: squared, its mean is the
    information."""
    if params.head is None:
        return rng.standard_normal(len(states))
    weight, bias = params.head
    logits = weight @ states + bias
    said = np.exp(logits - logits.max())
    said /= said.sum()
    return np.asarray((np.eye(len(said))[rng.choice(len(said), p=said)] - said) @ weight)


def penalty(parameters: Mapping[str, Any], start: Mapping[str, Any], params: Params) -> Any:
    """A scalar."""
    zero = next(iter(parameters.values())).new_zeros(())
    if params.information is None:
        return zero
    moved = [(weight * (parameters[name] - start[name]).square()).sum() for name, weight in params.information.items()]
    return params.strength / 2 * sum(moved, zero)


def toy() -> Toy:
    """As that of l2_sp."""
    return Toy(wrong_labels(0.3, n_fillers=3), against_the_word, settings={"epochs": 20, "learning_rate": 6e-3})


countermeasure = Countermeasure(
    params=Params(), off=Params(strength=0.0), toy=toy, study=study, texts=texts, begin=begin, penalty=penalty
)
