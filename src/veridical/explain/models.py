"""The scored model as something whose training rows can be traced: the linear model whole, a tuned encoder by its last layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from veridical.core.explain_record import Validation
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.explain.attribution import Asked
from veridical.explain.logistic import Logistic
from veridical.explain.validation import validated
from veridical.models.encoder import EncoderModel
from veridical.models.linear import LinearModel, LinearParams, fit_linear, weighted
from veridical.models.model import FloatArray
from veridical.models.text_features import hashed
from veridical.train._knobs import called
from veridical.train.config import TrainConfig
from veridical.train.training import as_learned, cut_validation, linear_weights

FEWEST_CLUSTERS = 20
"""Clusters of train from which leaving out a twentieth of them leaves out at least one. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Traced:
    """points: of each component asked for, by training row, (n,). validations: one each, None where it was not looked at."""

    points: tuple[FloatArray, ...]
    validations: tuple[Validation | None, ...]
    why: str


class Traceable(Protocol):
    """A model and how it was trained."""

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, progress: Progress) -> Traced:
        """clusters: of every row of the data set, (N,)."""
        ...


@dataclass(frozen=True, eq=False)
class TracedLinear:
    """The linear model: one solve a component, checked by training it again without some rows."""

    model: LinearModel
    data: Dataset
    countermeasures: Sequence[str]
    c: float = LinearParams.c
    """The penalty it was trained with."""

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, progress: Progress) -> Traced:
        train, params = self.data.rows("train"), LinearParams(c=self.c)
        codes, labels = self.data.codes[train], self.data.labels
        named = tuple(called(text) for text in self.countermeasures)
        learned = as_learned(self.data, train, named, seed=seed)
        features = hashed([*learned.inputs(train), *asked.inputs])
        mine, theirs = np.arange(len(train)), np.arange(len(train), features.matrix.shape[0])
        columns = np.searchsorted(features.hashes, self.model.hashes)
        seen = weighted(features.matrix[:, columns], self.model.idf).astype(np.float64)
        found = linear_weights(learned, train, named, given=None, c=self.c, seed=seed)
        whole = np.ones(len(train)) if found is None else found
        fitted = Logistic(seen[mine], codes, whole, self.model.weights.astype(np.float64), self.model.bias, self.c)
        points = []
        for number, pull in enumerate(asked.pulls):
            progress("influence", number, len(asked.pulls))
            points.append(fitted.influence(fitted.gradient(seen[theirs], pull)))
        progress("influence", len(points), len(points))

        def refit(kept: IntArray) -> FloatArray:
            own = linear_weights(learned, train[kept], named, given=None, c=self.c, seed=seed)
            again = fit_linear(features.rows(mine[kept]), codes[kept], labels=labels, weights=own, seed=seed, params=params)
            at = np.searchsorted(features.hashes, again.hashes)
            return again.predict_features(features.matrix[theirs][:, at])

        checked: Sequence[Validation | None] = [None] * len(points)
        if len(np.unique(clusters[train])) >= FEWEST_CLUSTERS:
            checked = validated(
                points, asked.pulls, refit, now=fitted.predict(seen[theirs]), clusters=clusters[train],
                rng=stream(seed, "explain"), progress=lambda done, of: progress("retrain", done, of),
            )  # fmt: skip
        return Traced(tuple(points), tuple(checked), LINEAR_WHY if checked[0] else FEW_WHY)


LINEAR_WHY = (
    "Influence of each training row on the component, with one solve for all; checked by training again without some rows."
)
FEW_WHY = "Influence of each training row on the component; train has too few independent rows to check it by training again."
ENCODER_WHY = (
    "Gradients of the last layer at the best checkpoint (TracIn); not checked by training again, so the figures order the rows "
    "and are no points."
)


@dataclass(frozen=True, eq=False)
class TracedEncoder:
    """A tuned encoder: gradient products of its last layer. Unchecked, since one training takes minutes."""

    model: EncoderModel
    data: Dataset
    config: TrainConfig

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, progress: Progress) -> Traced:
        train, learned = self.data.rows("train"), self.data.rows("train")
        if not len(self.data.rows("valid")):
            learned, _ = cut_validation(self.data, clusters=clusters, share=self.config.validation_share, seed=seed)
        head: Any = self.model.network.head
        weights, bias = (tensor.detach().cpu().numpy().astype(np.float64) for tensor in (head.weight, head.bias))
        fitted = Logistic(
            self._states(self.data.inputs(train), progress), self.data.codes[train],
            np.isin(train, learned).astype(np.float64), weights, bias, np.inf,
        )  # fmt: skip
        states = self._states(asked.inputs, progress)
        step = self.config.learning_rate * self.config.head_rate * self.config.epochs
        points = tuple(fitted.tracked(fitted.gradient(states, pull), step=step) for pull in asked.pulls)
        return Traced(points, (None,) * len(points), ENCODER_WHY)

    def _states(self, inputs: Sequence[Any], progress: Progress) -> FloatArray:
        from veridical.models._encoder_network import predict_logits

        tokens, model = self.model.tokens(inputs), self.model
        rows = np.arange(len(tokens))
        found = predict_logits(model.network, tokens, rows, dtype=model.dtype, progress=progress, features=True)
        return found.astype(np.float64)
