"""The data set every stage passes on: one Arrow table of rows, never edited in place."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Text = str | tuple[str, str]
"""What a model reads for one row: a text, or a pair of texts."""

SPLITS = ("train", "valid", "test")
SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # stable, unique over all splits
        ("split", pa.string()),  # one of SPLITS
        ("text", pa.string()),
        ("second", pa.string()),  # null when the task has one text
        ("label", pa.string()),  # null only where labels are unknown (predict)
        ("group", pa.string()),
        ("source", pa.string()),
        ("time", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows with roles.

    table: columns of SCHEMA. labels: label names, sorted, or as graded; a label's code is its position. set_aside: rows that
    could not be used (columns of SCHEMA plus `reason`); rows in the files == table rows + set_aside rows. roles: role -> the
    user's column name. warnings: sentences for the user. fingerprint: SHA-256 of the rows as loaded.
    """

    task: str
    table: pa.Table
    labels: tuple[str, ...]
    set_aside: pa.Table
    roles: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fingerprint: str = ""
    split_how: str = "given"
    """How train and test came about: given, random, clusters or folds."""
    notation: str = ""
    """How the files write answers of more than one label; empty where there is one way."""

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def ids(self) -> list[str]:
        return list(self.table.column("id").to_pylist())

    @cached_property
    def texts(self) -> list[str]:
        return list(self.table.column("text").to_pylist())

    @cached_property
    def seconds(self) -> list[str] | None:
        """Second texts of a pair task, else None."""
        column = self.table.column("second")
        return None if column.null_count == len(column) else [t or "" for t in column.to_pylist()]

    @cached_property
    def codes(self) -> IntArray:
        """Label codes, shape (N,); -1 where a label is missing or unknown."""
        found = pc.index_in(self.table.column("label"), value_set=pa.array(self.labels, pa.string()))
        return np.asarray(pc.fill_null(found, -1).to_numpy(), dtype=np.int64)

    @cached_property
    def answers(self) -> list[str | None]:
        """Labels as they are stored, None where a row has none."""
        return list(self.table.column("label").to_pylist())

    @cached_property
    def splits(self) -> npt.NDArray[Any]:
        return np.asarray(self.table.column("split").to_pylist(), dtype=object)

    def rows(self, split: str) -> IntArray:
        """Positions of the rows of one split, ascending."""
        return np.flatnonzero(self.splits == split).astype(np.int64)

    def inputs(self, rows: IntArray | None = None) -> list[Text]:
        """What a model reads, for the given row positions (default: all)."""
        chosen = range(len(self)) if rows is None else rows
        if self.seconds is None:
            return [self.texts[i] for i in chosen]
        return [(self.texts[i], self.seconds[i]) for i in chosen]

    def take(self, rows: IntArray) -> "Dataset":
        """The same data set with only these rows, in this order. Labels keep their codes."""
        return replace(self, table=self.table.take(pa.array(rows)))

    def with_column(self, name: str, values: list[str | None]) -> "Dataset":
        position = self.table.schema.get_field_index(name)
        return replace(self, table=self.table.set_column(position, SCHEMA.field(name), pa.array(values, pa.string())))

    def with_inputs(self, rows: IntArray, inputs: Sequence[Text]) -> "Dataset":
        """The same data set with these texts, or pairs of texts, at `rows`."""
        firsts, seconds = list(self.texts), None if self.seconds is None else list(self.seconds)
        for row, text in zip(rows.tolist(), inputs, strict=True):
            if isinstance(text, str):
                firsts[row] = text
            elif seconds is not None:
                firsts[row], seconds[row] = text
        changed = self.with_column("text", list(firsts))
        return changed if seconds is None else changed.with_column("second", list(seconds))
