"""Ids: the user's own, unchanged wherever they are unique; else made from the split or file and the row's number."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.errors import InputError


def made(name: str, n_rows: int) -> pa.Array:
    """train-1, train-2 ...: the first row of data is number 1."""
    return pa.array(np.char.add(f"{name}-", np.arange(1, n_rows + 1).astype(str)) if n_rows else [], pa.string())


def refuse_repeated(ids: pa.ChunkedArray, *, place: str, column: str) -> None:
    """Raise InputError for an id that is missing or stands twice, naming the rows."""
    missing = pc.or_kleene(pc.is_null(ids), pc.equal(ids, ""))
    if pc.any(missing).as_py():
        row = pc.index(missing, value=True).as_py() + 1
        raise InputError(
            f"{place}, row {row}: the id column {column!r} is empty; every row needs one. Fill it in or choose another --id."
        )
    if pc.count_distinct(ids).as_py() == len(ids):
        return
    counts = pc.value_counts(ids)
    repeated = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))[0].as_py()
    rows = np.flatnonzero(pc.equal(ids, repeated).to_numpy()) + 1
    raise InputError(
        f"{place}: the id {repeated!r} stands in rows {rows[0]} and {rows[1]} (column {column!r}); ids must be unique. "
        "Make them unique or choose another --id."
    )


def unique_over_files(tables: dict[str, pa.Table]) -> tuple[dict[str, pa.Table], str | None]:
    """The tables with ids that no two share: where files share some, test keeps its ids; others get their split's name."""
    ids = pa.chunked_array([chunk for table in tables.values() for chunk in table.column("id").chunks], pa.string())
    if pc.count_distinct(ids).as_py() == len(ids):
        return tables, None
    changed = {}
    for split, table in tables.items():
        column = table.column("id")
        if split != "test":
            column = pc.binary_join_element_wise(split, column, "-")
        changed[split] = table.set_column(0, "id", column)
    again = pa.chunked_array([chunk for table in changed.values() for chunk in table.column("id").chunks], pa.string())
    if pc.count_distinct(again).as_py() != len(again):
        raise InputError(
            "The same ids stand in two files; ids must be unique over all of them. Make them unique or leave out --id."
        )
    return (
        changed,
        "The same ids stand in two files: rows of the test keep theirs, others are called by split and id, like 'train-7'.",
    )
