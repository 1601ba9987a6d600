"""What a run's configuration says of its rows: whether an answer is one label or a structure, where passes run, which columns."""

from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.errors import InputError
from veridical.core.progress import Progress
from veridical.pipeline.config import RunConfig

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.tasks._contract import Task

TASK_COLUMNS = ("tokens", "tags", "context", "question", "answers", "first_entity", "second_entity")
"""Settings that name columns of single tasks."""


def use_engine(config: RunConfig) -> None:
    """Passes over the texts run where the configuration says."""
    from veridical.dataset.engine import Engine, choose

    choose(Engine("ray" if config.engine == "ray" else "local", config.engine_address))


def load_as_configured(source: Path, config: RunConfig, progress: Progress) -> "Dataset":
    from veridical.core.plugins import get
    from veridical.dataset.loading import load
    from veridical.dataset.row_shape import refuse_option

    task: Task = get("veridical.tasks", "task", config.task)
    shape = task.structure.shape if task.structure else task.shape
    own = {name: getattr(config, name) for name in TASK_COLUMNS}
    refuse_option(shape, own, task=config.task)
    if shape and shape.classes and config.second and "second" not in shape.options.values():
        raise InputError(f"--second names a second text, which task {config.task} does not have. Leave it out.")
    roles = {shape.options[name]: column for name, column in own.items() if shape and column is not None}
    return load(
        source,
        shape=shape,
        beside={role: column for role, column in roles.items() if role in shape.beside} if shape else None,
        notation=config.tag_scheme,
        order=config.order if task.ordered else None,
        test=config.test,
        valid=config.valid,
        task=config.task,
        text=roles.get("text", config.text),
        second=roles.get("second", config.second),
        label=roles.get("label", config.label),
        id=config.id,
        group=config.group,
        source=config.source,
        time=config.time,
        split_column=config.split_column,
        split=config.split,
        test_share=config.test_share,
        seed=config.seed,
        progress=progress,
    )
