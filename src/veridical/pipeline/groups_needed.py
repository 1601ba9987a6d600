"""Countermeasures that need groups: whether the data can give them is said before the rows are read, and before the audit."""

from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.errors import InputError
from veridical.pipeline.config import RunConfig

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.train._contract import Named


def _needing(config: RunConfig) -> "Named":
    """The countermeasures of the configuration that compare groups."""
    if not config.countermeasures:
        return ()
    from veridical.train.training import fitting

    named = fitting(config.countermeasures, model=config.model, config=config.training)
    return tuple((name, countermeasure) for name, countermeasure in named if countermeasure.needs_groups)


def refuse_no_group_column(source: Path, config: RunConfig) -> None:
    """Raise InputError where groups are needed, none is named, and no column of the file is called like one."""
    if config.group or not (needing := _needing(config)):
        return
    from veridical.dataset.files import columns_in, splits_of
    from veridical.dataset.roles import NAMES, could_be

    files = splits_of(source)
    there = columns_in(files.get("train") or next(iter(files.values())))
    if not could_be("group", there):
        name = needing[0][0]
        raise InputError(
            f"{name} needs a column that divides the train rows into a few large groups; none is named, and no column of "
            f"{source.name} ({', '.join(there)}) is called {' or '.join(NAMES['group'])}. Name one with --group COLUMN, or leave "
            f"{name} out."
        )


def refuse_unfit_groups(data: "Dataset", config: RunConfig) -> None:
    """Raise InputError where groups are needed and the column does not divide the rows into a few large ones."""
    from veridical.train._contract import refuse_without_groups

    refuse_without_groups(_needing(config), data)
