"""The scored model's recipe, trained again on other rows; features are computed once for all fits."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.errors import VeridicalError
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.encoder import EncoderModel
from veridical.models.linear import LinearParams, fit_linear
from veridical.models.model import FloatArray
from veridical.models.text_features import HashedText, hashed
from veridical.probe._subject import Recipe, Subject
from veridical.train._knobs import called
from veridical.train.training import as_learned, linear_weights, train, validation_part


@dataclass(frozen=True, eq=False)
class LinearAgain:
    """Fits the linear model, with the recipe's countermeasures. stands_in: whether it is another model than the scored one."""

    data: Dataset
    recipe: Recipe
    what: str = "the linear model"
    stands_in: bool = False

    @cached_property
    def _features(self) -> HashedText:
        return hashed(self.data.inputs())

    def predict(self, train: IntArray, on: IntArray, *, seed: int, times: IntArray | None = None) -> FloatArray:
        """Probabilities (len(on), C) after training on the rows `train`, in this order, each counted `times` times."""
        codes = self.data.codes[train]
        named = tuple(called(text) for text in self.recipe.countermeasures)
        given = None if times is None else times.astype(np.float64)
        params, labels = LinearParams(c=self.recipe.config.linear_c), self.data.labels
        data, normalisers = as_learned(self.data, train, named, seed=seed)
        weights = linear_weights(data, train, named, given=given, c=params.c, seed=seed)
        same = data is self.data
        features = self._features.rows(train) if same else hashed(data.inputs(train))
        model = fit_linear(features, codes, labels=labels, weights=weights, seed=seed, params=params)
        if not same:
            return replace(model, normalisers=normalisers).predict(self.data.inputs(on))
        columns = np.searchsorted(self._features.hashes, model.hashes)
        return model.predict_features(self._features.matrix[on][:, columns])


@dataclass(frozen=True, eq=False)
class HeadAgain:
    """Fits a linear head on the features of the encoder as it comes: what can be trained often of a model that takes minutes.
    stands_in: False only where the scored model is such a head."""

    data: Dataset
    features: Any
    stands_in: bool = True
    what: str = "a head on the frozen features of the encoder"

    def predict(self, train: IntArray, on: IntArray, *, seed: int, times: IntArray | None = None) -> FloatArray:
        """As `LinearAgain.predict`; nothing in it depends on the seed."""
        from veridical.models.frozen_features import fit_head

        weights = None if times is None else times.astype(np.float64)
        head = fit_head(self.features[train], self.data.codes[train], n_classes=len(self.data.labels), weights=weights)
        return head.predict(self.features[on])


@dataclass(frozen=True, eq=False)
class EncoderAgain:
    """Trains the scored encoder again as its run did, with another seed: it deals the order of rows, the new head and the
    validation rows where these are cut from train."""

    subject: Subject
    recipe: Recipe

    @property
    def moved_by_seed(self) -> bool:
        """A head alone is solved for: there a seed can change nothing but which rows are cut from train."""
        if not self.recipe.config.method().tuning.cached:
            return True
        subject, share = self.subject, self.recipe.config.validation_share
        clusters = subject.evidence.clusters
        here, there = (validation_part(subject.data, clusters=clusters, share=share, seed=subject.seed + k)[0] for k in (0, 1))
        return not np.array_equal(here, there)

    def predict(self, on: IntArray, *, seed: int) -> FloatArray:
        """Probabilities (len(on), C). They are kept where the subject has a place for them, and so is the state of a training
        that was interrupted."""
        if self.subject.kept is None:
            return self._trained(on, seed=seed, folder=None)
        key = ["another seed", seed, [self.subject.data.ids[row] for row in on]]
        return self.subject.kept.of(key, lambda folder: self._trained(on, seed=seed, folder=folder))

    def _trained(self, on: IntArray, *, seed: int, folder: Path | None) -> FloatArray:
        subject, recipe, config = self.subject, self.recipe, self.recipe.config
        if isinstance(subject.model, EncoderModel):  # as it was on the machine of the run
            dtype: Any = subject.model.dtype
            attention: Any = subject.model.attention
            config = replace(config, dtype=dtype, attention=attention)
        done = train(
            subject.data, model=recipe.model, countermeasures=recipe.countermeasures, config=config, seed=seed, folder=folder,
            clusters=subject.evidence.clusters, answering=on, progress=subject.progress,
        )  # fmt: skip
        return np.asarray(done.probabilities[on])


Again = LinearAgain | HeadAgain


def retraining(subject: Subject) -> Again | str:
    """How the subject can be trained again often, for an encoder by what stands in for it; a sentence where it cannot."""
    recipe = subject.recipe
    if recipe is None:
        return "The model was not trained by veridical, so it cannot be trained again. Run with --model linear to look at that."
    rows = subject.data.rows("train")
    if len(np.unique(subject.data.codes[rows][subject.data.codes[rows] >= 0])) < 2:
        return "There are no train rows of two classes to train on again."
    if recipe.model == "linear":
        return LinearAgain(subject.data, recipe)
    if subject.budget != "thorough":
        return (
            f"Training {recipe.model} again and again takes too long. With --budget thorough a head on its frozen features is "
            "trained in its place; --model linear is trained again itself."
        )
    from veridical.models.frozen_features import frozen_features
    from veridical.models.weights import resolve

    try:
        features = frozen_features(
            subject.data.inputs(), weights=resolve(recipe.model), max_length=recipe.config.max_length, progress=subject.progress
        )
    except VeridicalError as error:
        return str(error)
    alone = recipe.config.method().tuning.cached and not recipe.countermeasures
    return HeadAgain(subject.data, features, stands_in=not alone)
