"""What a task brings whose answer is more than one label."""

from typing import TYPE_CHECKING

from veridical.core.errors import InputError
from veridical.core.plugins import get

if TYPE_CHECKING:
    from veridical.tasks._contract import Structure


def structure_of(task: str) -> "Structure | None":
    """None for a task with one label a row."""
    found: Structure | None = get("veridical.tasks", "task", task).structure
    return found


def needed_structure(task: str) -> "Structure":
    """Raises InputError for a task with one label a row."""
    found = structure_of(task)
    if found is None:
        raise InputError(f"Task {task} has one label a row. Use ner, multilabel or qa here.")
    return found
