"""How the arms of the repair stage are trained: as the run trains, with its countermeasures where the model family takes them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.progress import Progress
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.config import RunConfig
from veridical.pipeline.encoded_rows import dtype_of, encoded_rows
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import Dataset, IntArray
    from veridical.models.model import FloatArray
    from veridical.train._contract import Named
    from veridical.verify.fitting import Fit, Predict


def fit_of(folder: Path, *, kind: str, evidence: "Evidence", config: RunConfig, progress: Progress) -> "Fit":
    """The linear model itself; of an encoder the head alone, or all of it beyond --budget quick. folder: of the run."""
    if structure_of(config.task) is not None:
        from veridical.pipeline.answer_arms import answer_fit

        dtype: Any = dtype_of(folder, config=config)
        settings = replace(config.training, dtype=dtype)
        return answer_fit(folder, evidence.data, evidence.clusters, kind=kind, settings=settings, config=config)
    if kind == "linear":
        return linear_arms(evidence, config=config)
    cached = config.training.method().tuning.cached
    if config.budget != "quick" or (cached and config.countermeasures):
        return _full_arms(folder, evidence, config=config)
    return _head_arms(folder, evidence=evidence, config=config, progress=progress)


def taken_by_arms(config: RunConfig, *, kind: str) -> tuple[str, ...]:
    """The run's own countermeasures that its arms train with, as they were given: all but in the arms that retrain the head of an
    encoder alone, which can only weigh rows."""
    if kind != "encoder" or config.budget != "quick" or config.training.method().tuning.cached:
        return tuple(config.countermeasures)
    return tuple(text for text, _ in zip(config.countermeasures, _named(config), strict=True) if _weighs(text))


def _named(config: RunConfig) -> "Named":
    from veridical.train._knobs import called

    return tuple(called(text) for text in config.countermeasures)


def _weighs(text: str) -> bool:
    """Whether a countermeasure does no more than weigh rows, without a training before."""
    from veridical.train._knobs import called

    record = called(text)[1]
    return record.joints() == ("row_weights",) and record.study is None


def linear_arms(evidence: "Evidence", *, config: RunConfig) -> "Fit":
    """Arms of the linear family, weighted and read as the run's countermeasures say."""
    from veridical.models.linear import LinearParams, fit_linear
    from veridical.models.text_features import hashed
    from veridical.train.training import as_learned, fitting, linear_weights
    from veridical.verify.fitting import linear_fit

    data, c = evidence.data, config.training.linear_c
    named = fitting(config.countermeasures, model="linear", config=config.training)
    plain = linear_fit(evidence.folds.features, data.labels, c=c)
    if not named:
        return plain

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        arm = _arm(data, rows, codes)
        read, normalisers = as_learned(arm, rows, named, seed=seed)
        own = linear_weights(read, rows, named, given=weights, c=c, seed=seed)
        if read is arm:
            return plain(rows, codes, own, seed)
        features, params = hashed(read.inputs(rows)), LinearParams(c=c)
        model = fit_linear(features, codes, labels=data.labels, weights=own, seed=seed, params=params)
        model = replace(model, normalisers=normalisers)
        return lambda chosen: model.predict(data.inputs(chosen))

    return fit


def _arm(data: "Dataset", rows: "IntArray", codes: "IntArray") -> "Dataset":
    """The data with these rows for training and no others, under these labels."""
    splits, labels = np.full(len(data), "test", dtype=object), np.full(len(data), None, dtype=object)
    splits[rows], labels[rows] = "train", np.asarray(data.labels, dtype=object)[codes]
    return data.with_column("split", splits.tolist()).with_column("label", labels.tolist())


def _head_arms(folder: Path, *, evidence: "Evidence", config: RunConfig, progress: Progress) -> "Fit":
    from veridical.models.frozen_features import fit_head
    from veridical.train._contract import combined_row_weights
    from veridical.train._knobs import called

    data = evidence.data
    features = encoded_rows(folder, data, config=config, progress=progress)
    named = tuple(called(text) for text in taken_by_arms(config, kind="encoder"))

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        own = combined_row_weights(named, codes, len(data.labels), weights) if named else weights
        head = fit_head(features[rows], codes, n_classes=len(data.labels), weights=own)
        return lambda chosen: head.predict(features[chosen])

    return fit


def _full_arms(folder: Path, evidence: "Evidence", *, config: RunConfig) -> "Fit":
    """Every arm a training as that of the run, in the number format that was chosen for it; its answers are kept."""
    from veridical.train.training import train

    data, kept = evidence.data, TrainedAnswers(folder / "checkpoint" / "arms")
    cached = config.training.method().tuning.cached
    dtype: Any = dtype_of(folder, config=config)
    settings = replace(config.training, dtype=dtype)

    def fit(rows: "IntArray", codes: "IntArray", weights: "FloatArray | None", seed: int) -> "Predict":
        named = None if weights is None else {data.ids[row]: float(weight) for row, weight in zip(rows, weights, strict=True)}

        def answers(state: Path) -> "FloatArray":
            return train(
                _arm(data, rows, codes),
                model=config.model,
                countermeasures=config.countermeasures,
                config=settings,
                seed=seed,
                folder=folder / "checkpoint" if cached else state,
                clusters=evidence.clusters,
                weights=named,
                answering=np.setdiff1d(np.arange(len(data)), rows),
            ).probabilities

        said = kept.of(["repair", rows, codes, weights, seed], answers)

        def predict(chosen: "IntArray") -> "FloatArray":
            found = said[chosen]
            assert not np.isnan(found).any(), "An arm was asked about a row that it learned from."
            return found

        return predict

    return fit
