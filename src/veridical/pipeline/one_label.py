"""Verbs that need one label a row say so of runs of other tasks, before any work."""

from pathlib import Path

from veridical.core.errors import InputError
from veridical.core.run_record import RunRecord
from veridical.tasks._structures import structure_of


def need_one_label(run: Path, record: RunRecord, *, why: str, instead: str) -> None:
    """Raises InputError for a run whose answers are more than one label. why: a sentence, what the verb does with it."""
    if structure_of(record.task) is not None:
        raise InputError(f"{run} is a run of task {record.task}, whose rows do not have one label each. {why} {instead}")
