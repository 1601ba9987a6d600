"""The model that a run judges: trained here, or brought along as a callable, an address or a file of predictions."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.progress import Progress
from veridical.core.proportion import wilson
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import is_address
from veridical.models.external import callable_model, read_predictions
from veridical.pipeline.config import RunConfig, calls_of

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import Dataset
    from veridical.models.endpoint import EndpointModel
    from veridical.models.external import AskedTwice, CallableModel
    from veridical.models.model import FloatArray
    from veridical.train.trained import Trained
    from veridical.train.watching import Watcher, Watchers

SHOWN_LABELS = 5
"""Labels that a warning names. Ours; no source."""
ANSWERS = "answers.jsonl"
"""What an address has answered so far: a run that is taken up again does not ask (and pay) twice."""


def _changing(found: "AskedTwice") -> str:
    share, low, high = (100 * part for part in (found.changed / found.n, *wilson(found.changed, found.n)))
    return (
        f"asked twice, {found.changed} of {found.n} test texts get another label ({share:.0f} % [{low:.0f}, {high:.0f}]); its "
        "score is one draw of many."
    )


def _never_named(name: str, answers: "FloatArray", *, data: "Dataset") -> tuple[str, ...]:
    """A label may be left out of an answer and then counts as 0; one that is left out of all may have been forgotten.
    answers: probabilities (N, C), NaN where there is none."""
    known = answers[np.isfinite(answers).all(axis=1)]
    never = np.flatnonzero((known == 0).all(axis=0)) if len(known) else np.zeros(0, np.int64)
    if not len(never):
        return ()
    tested = data.rows("test") if len(data.rows("test")) else np.arange(len(data))
    lost = int(np.isin(data.codes[tested], never).sum())
    labels = ", ".join(repr(data.labels[code]) for code in never[:SHOWN_LABELS])
    return (
        f"{name} gives {len(never)} of {len(data.labels)} labels ({labels}{', ...' if len(never) > SHOWN_LABELS else ''}) no "
        f"probability in any of {len(known)} answers, so {lost} of {len(tested)} tested rows cannot be answered rightly. If "
        "answers leave labels out by mistake, give all of them.",
    )


@contextmanager
def watched(run: Path, config: RunConfig) -> "Iterator[Watchers]":
    """Those who look on while the model of a run is trained: training.jsonl, and the trackers that were asked for."""
    from veridical.train.tracking import FOLDER, Tracked
    from veridical.train.training_log import FILE, TrainingLog
    from veridical.train.watching import Watchers

    log = TrainingLog(run / FILE)
    about = {"model": config.model, "seed": config.seed, "task": config.task, **asdict(config.training)}
    plain = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in about.items()}
    tracked = [Tracked(config.track, run / FOLDER, log, run.resolve().name, plain)] if config.track else []
    try:
        yield Watchers([log, *tracked])  # the log first: trackers are told from it
    finally:
        for tracker in tracked:
            tracker.close()
        log.close()


def trained_model(
    evidence: "Evidence", *, config: RunConfig, folder: Path, watcher: "Watcher | None" = None, progress: Progress
) -> "Trained":
    """Every row's probabilities and, where there is one to ask, the model. `folder` is for what must outlive a kill."""
    from veridical.train.trained import Trained
    from veridical.train.training import train

    data = evidence.data
    if config.predictions:
        probabilities = read_predictions(Path(config.predictions), data=data)
        never = _never_named("The file of predictions", probabilities, data=data)
        ids = tuple(data.ids)
        return Trained(None, "predictions", ids, probabilities, data.labels, None, 0.0, external=True, warnings=never)
    if is_callable_name(config.model):
        began = time.monotonic()
        model = callable_model(config.model, labels=data.labels)
        return _brought(model, model.predict(data.inputs()), data=data, name=config.model, began=began)
    if is_address(config.model):
        from veridical.models.endpoint import EndpointModel

        began = time.monotonic()
        served = EndpointModel(config.model, labels=data.labels, calls=calls_of(config), progress=progress)
        answers = served.predict(data.inputs(), keep=folder / ANSWERS)
        return _brought(served, answers, data=data, name=config.model, began=began)
    return train(
        data,
        model=config.model,
        countermeasures=config.countermeasures,
        config=config.training,
        seed=config.seed,
        folder=folder,
        clusters=evidence.clusters,
        watcher=watcher,
        progress=progress,
    )


def _brought(
    model: "CallableModel | EndpointModel", answers: "FloatArray", *, data: "Dataset", name: str, began: float
) -> "Trained":
    """A model that came with its answers, and whether it gives them twice."""
    from veridical.train.trained import Trained

    tested = data.rows("test") if len(data.rows("test")) else None  # without a test set every row is tested
    found = model.asked_twice(data.inputs(tested))
    changing = (f"{name} changes its answers: {_changing(found)}",) if found.changed else ()
    warnings = (*_never_named(name, answers, data=data), *changing)
    seconds = time.monotonic() - began
    return Trained(model, model.kind, tuple(data.ids), answers, data.labels, None, seconds, external=True, warnings=warnings)
