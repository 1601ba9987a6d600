"""The inside of a tuned encoder as arrays: features before and after tuning, and the decision made from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from veridical.core.errors import InputError, SurroundingsError
from veridical.core.finding import Skipped
from veridical.dataset.rows import IntArray, Text
from veridical.models.frozen_features import frozen_features
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.weights import Weights, require_neural, resolve
from veridical.probe._subject import Subject

NO_INSIDE = "A {kind} model has no representation to look into. Train one of an encoder: veridical run --model minilm."
NO_BASE = "The weights that this encoder was tuned from are not known. Train it with veridical, which remembers them."


@runtime_checkable
class Inside(Protocol):
    """before, after: pooled features (N, D) of the untuned and of the tuned encoder. decide: features (N, D) of the tuned one to
    probabilities (N, C)."""

    def before(self, inputs: Sequence[Text]) -> FloatArray: ...

    def after(self, inputs: Sequence[Text]) -> FloatArray: ...

    def decide(self, features: FloatArray) -> FloatArray: ...


@dataclass(frozen=True)
class EncoderInside:
    """model: an EncoderModel. Both sides use the model's number type and kernels, so equal weights give equal bits."""

    model: Any
    base: Weights

    def before(self, inputs: Sequence[Text]) -> FloatArray:
        found = frozen_features(
            inputs, weights=self.base, max_length=self.model.max_length, dtype=self.model.dtype, attention=self.model.attention
        )
        return np.asarray(found, np.float64)

    def after(self, inputs: Sequence[Text]) -> FloatArray:
        from veridical.models._encoder_network import predict_logits

        distinct: dict[Text, int] = {}
        place = np.array([distinct.setdefault(text, len(distinct)) for text in inputs], np.int64)
        tokens = self.model.tokens(list(distinct))
        found = predict_logits(self.model.network, tokens, np.arange(len(tokens)), dtype=self.model.dtype, features=True)
        return np.asarray(found[place], np.float64)

    def decide(self, features: FloatArray) -> FloatArray:
        head = self.model.network.head
        weights, bias = (part.detach().cpu().numpy().astype(np.float64) for part in (head.weight, head.bias))
        return softmax(features @ weights.T + bias)


def inside_of(subject: Subject) -> Inside | Skipped:
    """What can be looked into, or why it cannot."""
    model = subject.model
    if isinstance(model, Inside):
        return model
    if model is None or model.kind != "encoder":
        return Skipped(NO_INSIDE.format(kind=subject.trained.kind))
    if subject.recipe is None:
        return Skipped(NO_BASE)
    try:
        require_neural("Looking into an encoder")
        base = resolve(subject.recipe.model)
    except (InputError, SurroundingsError) as error:
        return Skipped(str(error))
    named = getattr(model, "base", "")
    if named and not named.endswith(base.sha256):
        return Skipped(f"{subject.recipe.model} now holds other weights than those this model was tuned from ({named}).")
    return EncoderInside(model, base)


def rows_to_read(subject: Subject, rng: np.random.Generator, *, fewest: int) -> tuple[IntArray, int] | Skipped:
    """Rows of train on which linear readers are fitted, then rows of test that they are asked about; how many the first are."""
    train = subject.data.rows("train")
    train = rng.permutation(train[subject.data.codes[train] >= 0])[: subject.limit(400, 1500, 5000)]
    test = subject.rows[subject.sample(subject.limit(300, 1000, 5000), rng)]
    if min(len(train), len(test)) < fewest:
        return Skipped(
            f"{len(train)} train rows and {len(test)} unleaked test rows are there; readers need {fewest} of each. "
            "Give more rows."
        )
    return np.concatenate([train, test]).astype(np.int64), len(train)
