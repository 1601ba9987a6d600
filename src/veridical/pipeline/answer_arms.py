"""How arms of the repair stage are trained where an answer is more than one label, and the repaired model after them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.atomic_write import write_json
from veridical.core.progress import Progress
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.config import RunConfig

if TYPE_CHECKING:
    import numpy.typing as npt

    from veridical.dataset.rows import Dataset, IntArray
    from veridical.models.model import FloatArray
    from veridical.train._contract import Countermeasure
    from veridical.train.config import TrainConfig
    from veridical.verify.fitting import Fit, Predict
    from veridical.verify.scoring import Labels

NEEDS_TRAINING = (
    "Every arm of an encoder whose answers are more than one label is a full training, which --budget quick does not do. Use "
    "--budget standard."
)


def untried(kind: str, config: RunConfig) -> str:
    """Why no repair is tried on such a model, empty where they are."""
    return NEEDS_TRAINING if kind == "encoder" and config.budget == "quick" else ""


def answer_fit(
    folder: Path, data: "Dataset", clusters: "IntArray", *, kind: str, settings: "TrainConfig", config: RunConfig
) -> "Fit":
    """The linear model itself; an encoder trained anew, all of it, whose answers are kept in the folder of the run. Rows have no
    weights. settings: how an encoder is trained, in the number format that was chosen for the run."""
    if kind == "linear":
        return _linear(data, config=config)
    return _encoder(data, clusters, kept=TrainedAnswers(folder / "checkpoint" / "arms"), settings=settings, config=config)


def _linear(data: "Dataset", *, config: RunConfig) -> "Fit":
    from veridical.models.answering_linear import fit_linear_answering
    from veridical.tasks._structures import needed_structure

    structure = needed_structure(data.task)

    def fit(rows: "IntArray", answers: "Labels", weights: "FloatArray | None", seed: int) -> "Predict":
        model = fit_linear_answering(data, rows, structure=structure, seed=seed, c=config.training.linear_c)
        return lambda chosen: _as_array(model.answer(data.inputs(chosen)).said)

    return fit


def _encoder(data: "Dataset", clusters: "IntArray", *, kept: TrainedAnswers, settings: "TrainConfig", config: RunConfig) -> "Fit":
    from veridical.train.answer_training import train_answers

    def fit(rows: "IntArray", answers: "Labels", weights: "FloatArray | None", seed: int) -> "Predict":
        splits, labels = np.full(len(data), "test", dtype=object), np.full(len(data), None, dtype=object)
        splits[rows], labels[rows] = "train", answers

        def trained(state: Path) -> list[str]:
            done = train_answers(
                data.with_column("split", splits.tolist()).with_column("label", labels.tolist()),
                model=config.model,
                countermeasures=config.countermeasures,
                config=settings,
                metric=config.metric,
                seed=seed,
                folder=state,
                clusters=clusters,
            )
            return [str(said) for said in done.said]

        said = kept.said(["repair", rows, answers.tolist(), seed], trained)
        return lambda chosen: said[chosen]

    return fit


def _as_array(said: Any) -> "npt.NDArray[Any]":
    return np.array(said, dtype=object)


def train_answers_again(
    folder: Path,
    better: "Dataset",
    *,
    countermeasures: "Sequence[str | Countermeasure]",
    clusters: "IntArray",
    config: RunConfig,
    progress: Progress,
) -> None:
    """model_repaired/: the model of the run, trained on the repaired rows with these countermeasures."""
    from veridical.train.answer_training import train_answers

    model = train_answers(
        better,
        model=config.model,
        countermeasures=countermeasures,
        config=config.training,
        metric=config.metric,
        seed=config.seed,
        folder=folder / "checkpoint" / "repaired",
        clusters=clusters,
        progress=progress,
    ).model
    assert model is not None
    model.save(folder / "model_repaired")
    write_json(folder / "model_repaired" / "roles.json", {**better.roles, "notation": better.notation})
