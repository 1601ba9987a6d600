"""Features of a run's rows by its encoder as it came, before it was trained: computed once, kept beside the training's state."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.progress import Progress
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import is_address
from veridical.pipeline.config import RunConfig
from veridical.pipeline.job import CHECKPOINT, Job

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.models.frozen_features import Float32


def encoded_rows(folder: Path, data: "Dataset", *, config: RunConfig, progress: Progress) -> "Float32":
    """(N, D). folder: of the run. In the number format that its training chose."""
    from veridical.models.frozen_features import frozen_features
    from veridical.models.weights import resolve

    return frozen_features(
        data.inputs(),
        weights=resolve(config.model),
        folder=folder / CHECKPOINT,
        max_length=config.training.max_length,
        dtype="bfloat16" if dtype_of(folder, config=config) == "bfloat16" else "float32",
        progress=progress,
    )


def encoder_of(job: Job, data: "Dataset") -> "Callable[[], Float32 | None] | None":
    """What encodes the rows of the run, once its training has chosen a number format; None where it trains no encoder, or (by the
    call) one that was tuned on labels before, which may be those of these rows."""
    config = job.config
    if config.predictions or config.model == "linear" or is_callable_name(config.model) or is_address(config.model):
        return None
    return partial(_untuned, job, data)


def _untuned(job: Job, data: "Dataset") -> "Float32 | None":
    from veridical.models.weights import resolve

    if resolve(job.config.model).tuned:
        return None
    return encoded_rows(job.path, data, config=job.chosen, progress=job.progress)


def dtype_of(folder: Path, *, config: RunConfig) -> str:
    """The number format that training chose for this run; as configured where it did not have to choose."""
    choices = folder / CHECKPOINT / "choices.json"
    if config.training.dtype != "auto" or not choices.is_file():
        return config.training.dtype
    return str(json.loads(choices.read_text(encoding="utf-8"))["choices"]["dtype"])
