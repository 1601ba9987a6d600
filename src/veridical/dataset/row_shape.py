"""How rows stand in a file and in the table where they are more than a text and a label: tokens and tags, a question and its
answers, a set of labels, two entities in a text. All that a row holds is stored as strings; a task says how they are written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from veridical.core.errors import InputError
from veridical.dataset.rows import SCHEMA

STORED = ("text", "second", "label")
"""Roles whose cells a shape may write otherwise than the file does."""


class BadCell(ValueError):
    """A cell that cannot be used; its message is the reason for which the row is set aside."""


@dataclass(frozen=True, slots=True)
class RowShape:
    """options: names on the command line -> the role each stands for. guesses: role -> column names tried before the general
    ones. needed: roles without which there is no row to learn from. cells: role -> (cell) -> what is stored; raises BadCell.
    agree: (text, second, label) as stored -> why the row cannot be used, empty where it can. notation: (labels as stored, as
    declared or None) -> (labels in the one notation used here, name of the notation of the file); raises InputError. names:
    labels as stored -> the names that answers are made of, sorted. beside: further roles, whose columns are read with the text;
    whole: (text, their cells) -> the text with what they say. classes: a row has one label, and neither notation nor names."""

    options: Mapping[str, str]
    guesses: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]
    cells: Mapping[str, Callable[[str], str]]
    agree: Callable[[str, str | None, str | None], str]
    notation: Callable[[Sequence[str], str | None], tuple[list[str], str]] = lambda labels, declared: (list(labels), "")
    names: Callable[[Sequence[str]], tuple[str, ...]] = lambda labels: ()
    beside: tuple[str, ...] = ()
    whole: Callable[[str, Sequence[str | None]], str] = lambda text, beside: text
    classes: bool = False


def rewritten(table: pa.Table, shape: RowShape) -> tuple[pa.Table, pa.Array]:
    """The table (columns of SCHEMA) with cells as they are stored, and why each row cannot be used, null where it can."""
    columns = {role: table.column(role).to_pylist() for role in STORED}
    reasons: list[str | None] = [None] * table.num_rows
    for role, read in shape.cells.items():
        cells = columns[role]
        for row, cell in enumerate(cells):
            if cell is None or reasons[row]:
                continue
            try:
                cells[row] = read(cell)
            except BadCell as bad:
                reasons[row] = str(bad)
    for row, (text, second, label) in enumerate(zip(*columns.values(), strict=True)):
        if reasons[row] is None and text is not None:
            reasons[row] = shape.agree(text, second, label) or None
    for role, cells in columns.items():
        table = table.set_column(table.schema.get_field_index(role), SCHEMA.field(role), pa.array(cells, pa.string()))
    return table, pa.array(reasons, pa.string())


def in_one_notation(table: pa.Table, shape: RowShape, *, declared: str | None) -> tuple[pa.Table, str]:
    """The table with every label in the notation used here, and the name of the file's own."""
    labels = table.column("label").to_pylist()
    given = [label for label in labels if label is not None]
    said, name = shape.notation(given, declared)
    ahead = iter(said)
    changed = pa.array([None if label is None else next(ahead) for label in labels], pa.string())
    return table.set_column(table.schema.get_field_index("label"), SCHEMA.field("label"), changed), name


def refuse_option(shape: RowShape | None, given: Mapping[str, str | None], *, task: str) -> None:
    """An option that names a column of another task's rows would silently do nothing."""
    allowed = shape.options if shape else {}
    for option, column in given.items():
        if column is not None and option not in allowed:
            own = ", ".join(f"--{name.replace('_', '-')}" for name in allowed) or "--text and --label"
            raise InputError(f"--{option.replace('_', '-')} names a column that task {task} does not have; it reads {own}.")
