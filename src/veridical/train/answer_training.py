"""`train_answers`: rows whose answers are structures in, a model and its answer to every row out."""

import time
from collections.abc import Sequence
from pathlib import Path

from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.answering import Answering
from veridical.models.answering_linear import LINEAR_HEADS, fit_linear_answering
from veridical.tasks._structures import needed_structure
from veridical.train._contract import Countermeasure, Named
from veridical.train.answered import Answered
from veridical.train.config import DEFAULTS, TrainConfig
from veridical.train.training import cut_validation, fitting
from veridical.train.watching import Watcher

ALLOWED = ("network", "rates", "mixed", "loss", "beside", "attack", "penalty", "after_step", "scored", "after")
"""Joints of countermeasures that work on classes inside rows; the others weigh or study rows by the one label they have."""


def train_answers(
    data: Dataset,
    *,
    model: str = "linear",
    countermeasures: Sequence[str | Countermeasure] = (),
    config: TrainConfig = DEFAULTS,
    metric: str | None = None,
    seed: int = 0,
    folder: Path | None = None,
    clusters: IntArray | None = None,
    watcher: Watcher | None = None,
    progress: Progress = silent,
) -> Answered:
    """Train `model` on the train rows and let it answer every row. metric: picks the epoch of an encoder; the other arguments as
    in `training.train`."""
    structure = needed_structure(data.task)
    named = fitting_answers(countermeasures, task=data.task, model=model, config=config)
    rows = data.rows("train")
    rows = rows[[data.answers[row] is not None for row in rows]]
    if len(rows) < 2:
        raise InputError("Training needs at least two labelled train rows. Check the columns and the split.")
    if model == "linear":
        started = time.monotonic()
        c = config.linear_c
        fitted = fit_linear_answering(data, rows, structure=structure, c=c, seed=seed, progress=progress)
        return answered(fitted, data, kind="linear", started=started)
    from veridical.models.weights import require_neural, resolve

    found = resolve(model)
    require_neural(f"--model {model}")
    from veridical.train.answer_encoder_training import AnswerRequest, train_answering_encoder

    if len(data.rows("valid")):
        valid = data.rows("valid")
    else:
        rows, valid = cut_validation(data, clusters=clusters, share=config.validation_share, seed=seed)
    request = AnswerRequest(data, structure, found, rows, valid, named, config, metric, seed, folder, progress, watcher)
    return train_answering_encoder(request)


def fitting_answers(countermeasures: Sequence[str | Countermeasure], *, task: str, model: str, config: TrainConfig) -> Named:
    """The countermeasures by name; those that have no place in this task, model or tuning are refused."""
    head = needed_structure(task).head
    named = fitting(countermeasures, model=model, config=config)
    for name, countermeasure in named:
        unfit = [joint for joint in countermeasure.joints() if joint not in ALLOWED]
        learns = countermeasure.study or countermeasure.prepare or countermeasure.texts or countermeasure.begin
        if head == "span" and countermeasure.loss:
            raise InputError(f"{name} replaces the loss of classes, and task {task} answers with places in a text. Leave it out.")
        if unfit or learns:
            raise InputError(f"{name} works on rows with one label each, which task {task} does not have. Leave it out.")
    if config.tuning == "head":
        raise InputError(f"--tuning head solves for one label a row, which task {task} does not have. Use last_layers.")
    if model == "linear" and head not in LINEAR_HEADS:
        raise InputError(f"There is no linear model for task {task}. Give an encoder, such as --model minilm.")
    return named


def answered(model: Answering, data: Dataset, *, kind: str, started: float) -> Answered:
    """What a fitted model answers to every row."""
    found = model.answer(data.inputs())
    return Answered(
        model, kind, tuple(data.ids), tuple(found.said), found.confidence, data.labels, None, time.monotonic() - started
    )
