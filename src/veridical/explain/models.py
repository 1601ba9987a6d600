"""The scored model as something whose training rows can be traced: a fit as a whole, a tuned encoder by gradients."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from veridical.core.explain_record import Validation
from veridical.core.progress import Progress
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.explain.attribution import Asked
from veridical.explain.logistic import Logistic, of_head, standardised
from veridical.explain.validation import ValidationParams, validated
from veridical.models.encoder import EncoderModel
from veridical.models.frozen_features import Float32, fit_head
from veridical.models.lexical_normalisation import read_through
from veridical.models.linear import LinearModel, LinearParams, fit_linear, weighted
from veridical.models.model import FloatArray
from veridical.models.text_features import hashed
from veridical.models.tokens import Tokens
from veridical.models.trained_answers import TrainedAnswers
from veridical.train._contract import Named, combined_row_weights
from veridical.train._knobs import called
from veridical.train.config import TrainConfig
from veridical.train.training import NO_ROWS, as_rewritten, linear_weights, train, validation_part

FEWEST_CLUSTERS = 20
"""Clusters of train from which leaving out a twentieth of them leaves out at least one. Ours; no source."""
ROW_BY_ROW = {"row_weights", "loss", "rates", "network", "mixed", "attack", "penalty", "after_step", "scored", "after"}
"""Joints that read no other row than the one at hand, so that a row of weight 0 teaches nothing there."""
USUAL = ValidationParams.subsets
"""Trainings that check a linear model, and that a sentence proposes for an encoder."""


@dataclass(frozen=True, eq=False)
class Traced:
    """points: of each component asked for, by training row, (n,). validations: one each, None where it was not looked at.
    retrainings: how many trainings the validations rest on."""

    points: tuple[FloatArray, ...]
    validations: tuple[Validation | None, ...]
    why: str
    retrainings: int = 0


class Traceable(Protocol):
    """A model and how it was trained."""

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, retrainings: int | None, progress: Progress) -> Traced:
        """clusters: of every row of the data set, (N,). retrainings: trainings without some rows that check it; None: as many as
        this kind of model usually gets."""
        ...


@dataclass(frozen=True, eq=False)
class TracedLinear:
    """The linear model: one solve a component, checked by training it again without some rows."""

    model: LinearModel
    data: Dataset
    countermeasures: Sequence[str]
    c: float = LinearParams.c
    """The penalty it was trained with."""

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, retrainings: int | None, progress: Progress) -> Traced:
        wanted = USUAL if retrainings is None else retrainings
        rows, params = self.data.rows("train"), LinearParams(c=self.c)
        codes, labels = self.data.codes[rows], self.data.labels
        named = tuple(called(text) for text in self.countermeasures)
        read = self.model.normalisers  # kept as they are: which words are common is not counted again without some rows
        learned = as_rewritten(self.data, rows, named, seed=seed)
        learned = learned.with_inputs(rows, read_through(learned.inputs(rows), read)) if read else learned
        features = hashed([*learned.inputs(rows), *read_through(asked.inputs, read)])
        mine, theirs = np.arange(len(rows)), np.arange(len(rows), features.matrix.shape[0])
        columns = np.searchsorted(features.hashes, self.model.hashes)
        seen = weighted(features.matrix[:, columns], self.model.idf).astype(np.float64)
        found = linear_weights(learned, rows, named, given=None, c=self.c, seed=seed)
        whole = np.ones(len(rows)) if found is None else found
        fitted = Logistic(seen[mine], codes, whole, self.model.weights.astype(np.float64), self.model.bias, self.c)
        points = _influences(fitted, seen[theirs], asked.pulls, progress)

        def refit(kept: IntArray) -> FloatArray:
            own = linear_weights(learned, rows[kept], named, given=None, c=self.c, seed=seed)
            again = fit_linear(features.rows(mine[kept]), codes[kept], labels=labels, weights=own, seed=seed, params=params)
            at = np.searchsorted(features.hashes, again.hashes)
            return again.predict_features(features.matrix[theirs][:, at])

        if not wanted or len(np.unique(clusters[rows])) < FEWEST_CLUSTERS:
            why = FEW_WHY if wanted else LINEAR_UNCHECKED
            return Traced(points, (None,) * len(points), why)
        checked = validated(
            points, asked.pulls, refit, now=fitted.predict(seen[theirs]), clusters=clusters[rows],
            rng=stream(seed, "explain"), progress=lambda done, of: progress("retrain", done, of),
            params=ValidationParams(subsets=wanted),
        )  # fmt: skip
        return Traced(points, tuple(checked), LINEAR_WHY, wanted)


def _influences(fitted: Logistic, asked: Any, pulls: Sequence[FloatArray], progress: Progress) -> tuple[FloatArray, ...]:
    """One solve a component. asked: features of the asked rows (t, d)."""
    points = []
    for number, pull in enumerate(pulls):
        progress("influence", number, len(pulls))
        points.append(fitted.influence(fitted.gradient(asked, pull)))
    progress("influence", len(points), len(points))
    return tuple(points)


LINEAR_WHY = (
    "Influence of each training row on the component, with one solve for all; checked by training again without some rows."
)
LINEAR_UNCHECKED = (
    "Influence of each training row on the component, with one solve for all; nothing was trained again to check it."
)
FEW_WHY = "Influence of each training row on the component; train has too few independent rows to check it by training again."
TRACKED = "Gradients of all trained weights at the best checkpoint (TracIn)."
SOLVED = "Influence of each training row on the head, with one solve for all."
CHECKED = "It was checked by training the encoder again without some rows; what that confirms got the size of its points there."
UNCHECKED = "Nothing was trained again, so the figures order the rows and are no points."


def _confirmed(said: Validation) -> bool:
    """Whether points order the rows rightly, in the direction they say."""
    return said.counted is not None and said.counted.low > 0 and (said.slope or 0.0) > 0


def price(seconds: float) -> str:
    """How long a check would take, in one sentence. seconds: that the training of the run took."""
    minutes = USUAL * seconds / 60
    said = f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.1f}"
    return f"To check it, give --retrainings {USUAL}: about {said} minutes, {USUAL} times what the training of the run took."


@dataclass(frozen=True, eq=False)
class TracedEncoder:
    """A tuned encoder: gradient products over all that was trained, or one solve a component where its head alone was; checked by
    training it again where that is asked for. name: of the weights it was tuned from. seconds: that its training took. kept:
    where answers are kept."""

    model: EncoderModel
    data: Dataset
    name: str
    countermeasures: Sequence[str]
    config: TrainConfig
    seconds: float
    kept: TrainedAnswers

    def trace(self, asked: Asked, *, clusters: IntArray, seed: int, retrainings: int | None, progress: Progress) -> Traced:
        rows = self.data.rows("train")
        learned, valid = validation_part(self.data, clusters=clusters, share=self.config.validation_share, seed=seed)
        how, found = (SOLVED, self._solved) if self.config.method().tuning.cached else (TRACKED, self._tracked)
        influences = found(asked, learned, progress=progress)
        points = [np.zeros(len(rows)) for _ in influences]
        for mine, influence in zip(points, influences, strict=True):
            mine[np.searchsorted(rows, learned)] = influence
        if not retrainings or len(np.unique(clusters[learned])) < FEWEST_CLUSTERS:
            why = FEW_WHY if retrainings else f"{how} {UNCHECKED} {price(self.seconds)}"
            return Traced(tuple(points), (None,) * len(points), why)

        def refit(kept: IntArray) -> FloatArray:
            dropped = np.setdiff1d(learned, learned[kept])
            key = ["retrained", [self.data.ids[row] for row in dropped], list(asked.inputs)]
            return self.kept.of(key, lambda state: self.without(dropped, asked, valid, clusters=clusters, seed=seed, state=state))

        checked = validated(
            influences, asked.pulls, refit, now=self.model.predict(asked.inputs), clusters=clusters[learned],
            rng=stream(seed, "explain"), progress=lambda done, of: progress("retrain", done, of),
            params=ValidationParams(subsets=retrainings),
        )  # fmt: skip
        sized = tuple(
            mine * (said.slope or 0.0) if _confirmed(said) else mine for mine, said in zip(points, checked, strict=True)
        )
        return Traced(sized, tuple(checked), f"{how} {CHECKED}", retrainings)

    def _tracked(self, asked: Asked, learned: IntArray, *, progress: Progress) -> tuple[FloatArray, ...]:
        """By row of `learned`. In retrainings it did as well as the last layer alone or better, and that better than a solve on
        the final states (docs/guide/which-rows.md)."""
        from veridical.explain._tracin import step_sizes, tracked

        network, model = self.model.network, self.model
        factors: dict[str, float] = {}
        for _, c in map(called, self.countermeasures):
            for name, factor in (c.rates(network, c.params) if c.rates else {}).items():
                factors[name] = factors.get(name, 1.0) * factor
        follow = partial(
            tracked, network, step_sizes(network, self.config, factors), theirs=model.tokens(asked.inputs),
            mine=self._tokens(learned), codes=self.data.codes[learned], row_weights=self._weights(learned), dtype=model.dtype,
        )  # fmt: skip
        found = []
        for number, pull in enumerate(asked.pulls):
            progress("influence", number, len(asked.pulls))
            found.append(follow(pull, progress=progress))
        progress("influence", len(found), len(found))
        return tuple(found)

    def _solved(self, asked: Asked, learned: IntArray, *, progress: Progress) -> tuple[FloatArray, ...]:
        """The same where the head alone learned, as one convex fit."""
        states, theirs = self._states(self._tokens(learned), progress), self._states(self.model.tokens(asked.inputs), progress)
        codes, own = self.data.codes[learned], self._weights(learned)
        head = fit_head(states, codes, n_classes=len(self.data.labels), weights=own)
        fitted = of_head(head, states, codes, row_weights=own)
        return _influences(fitted, standardised(head, theirs), asked.pulls, progress)

    def _weights(self, learned: IntArray) -> FloatArray:
        """Of the rows that were learned, as far as countermeasures weigh rows without a training before, (n,)."""
        weighing: Named = tuple((name, c) for name, c in map(called, self.countermeasures) if c.row_weights and not c.study)
        return combined_row_weights(weighing, self.data.codes[learned], len(self.data.labels), None)

    def without(
        self, dropped: IntArray, asked: Asked, valid: IntArray, *, clusters: IntArray, seed: int, state: Path
    ) -> FloatArray:
        """What the encoder answers, trained as in the run but for the `dropped` rows; validation rows stay those of the run.

        Where nothing reads one row for another the rows stay in their batches with weight 0: in other batches every row would be
        met in another order, and that moves answers more than a twentieth of the rows does.
        """
        splits = self.data.splits.astype(object).copy()
        splits[valid] = "valid"
        data, weights = self.data.with_column("split", splits.tolist()), None
        if all(set(c.joints()) <= ROW_BY_ROW and not c.study for _, c in map(called, self.countermeasures)):
            weights = {data.ids[row]: 0.0 for row in dropped} or None
        else:
            left = np.setdiff1d(np.arange(len(data)), dropped)
            data, clusters = data.take(left), clusters[left]
        cached = self.config.method().tuning.cached
        dtype: Any = self.model.dtype
        attention: Any = self.model.attention
        done = train(
            data,
            model=self.name,
            countermeasures=self.countermeasures,
            config=replace(self.config, dtype=dtype, attention=attention),
            seed=seed,
            folder=self.kept.folder if cached else state,
            clusters=clusters,
            weights=weights,
            answering=NO_ROWS,
        )
        assert done.model is not None
        return done.model.predict(asked.inputs)

    def _tokens(self, rows: IntArray) -> Tokens:
        return self.model.tokens(self.data.inputs(rows))

    def _states(self, tokens: Tokens, progress: Progress) -> Float32:
        from veridical.models._encoder_network import predict_logits

        rows, model = np.arange(len(tokens)), self.model
        return predict_logits(model.network, tokens, rows, dtype=model.dtype, progress=progress, features=True)
