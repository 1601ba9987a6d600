"""The scored model's recipe, trained again on other rows; features are computed once for all fits."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from veridical.core.errors import VeridicalError
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.linear import LinearParams, fit_linear
from veridical.models.model import FloatArray
from veridical.models.text_features import HashedText, hashed
from veridical.probe._subject import Recipe, Subject
from veridical.train._knobs import called
from veridical.train.training import as_learned, linear_weights


@dataclass(frozen=True, eq=False)
class LinearAgain:
    """Fits the linear model, with the recipe's countermeasures. moved_by_seed: whether the seed changes anything."""

    data: Dataset
    recipe: Recipe
    what: str = "the linear model"
    moved_by_seed: bool = True

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
    """Fits a linear head on the features of the encoder as it comes: what can be trained often of a model that takes minutes."""

    data: Dataset
    features: Any
    what: str = "a head on the frozen features of the encoder"
    moved_by_seed: bool = False

    def predict(self, train: IntArray, on: IntArray, *, seed: int, times: IntArray | None = None) -> FloatArray:
        """As `LinearAgain.predict`; nothing in it depends on the seed."""
        from veridical.models.frozen_features import fit_head

        weights = None if times is None else times.astype(np.float64)
        head = fit_head(self.features[train], self.data.codes[train], n_classes=len(self.data.labels), weights=weights)
        return head.predict(self.features[on])


Again = LinearAgain | HeadAgain


def retraining(subject: Subject, *, linear_only: bool = False) -> Again | str:
    """How the subject can be trained again; a sentence where it cannot."""
    recipe = subject.recipe
    if recipe is None:
        return "The model was not trained by veridical, so it cannot be trained again. Run with --model linear to look at that."
    rows = subject.data.rows("train")
    if len(np.unique(subject.data.codes[rows][subject.data.codes[rows] >= 0])) < 2:
        return "There are no train rows of two classes to train on again."
    if recipe.model == "linear":
        return LinearAgain(subject.data, recipe)
    if linear_only or subject.budget != "thorough":
        return f"Training {recipe.model} again and again takes too long here. Use --budget thorough, or look at --model linear."
    from veridical.models.frozen_features import frozen_features
    from veridical.models.weights import resolve

    try:
        features = frozen_features(
            subject.data.inputs(), weights=resolve(recipe.model), max_length=recipe.config.max_length, progress=subject.progress
        )
    except VeridicalError as error:
        return str(error)
    return HeadAgain(subject.data, features)
