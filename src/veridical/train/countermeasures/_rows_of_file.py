"""Rows that a knob names by their file."""

from collections.abc import Sequence
from pathlib import Path

from veridical.core.errors import InputError
from veridical.dataset.loading import load, load_inputs
from veridical.dataset.rows import Dataset, Text


def rows_of(path: str, *, data: Dataset, name: str, with_labels: bool) -> Dataset:
    """The rows of a file, all of them; read without labels, many may have one id. Raises InputError where they have another shape
    than the data set's."""
    found = load(Path(path), split="folds") if with_labels else load_inputs(Path(path), ids_repeat=True)
    if (found.seconds is None) != (data.seconds is None):
        mine, theirs = ("single texts", "pairs") if data.seconds is None else ("pairs", "single texts")
        raise InputError(f"{path}, named by {name}, holds {theirs}, and the rows are {mine}. Give rows of the same shape.")
    return found


def labelled(rows: Sequence[tuple[Text, str]], labels: Sequence[str], *, path: str, name: str) -> None:
    """Raise InputError for a label that the task does not have."""
    strange = sorted({label for _, label in rows} - set(labels))
    if strange:
        raise InputError(
            f"{path}, named by {name}, has the label {strange[0]!r}, which no train row has (known: {', '.join(labels[:5])}). "
            "Give rows of the same labels."
        )
