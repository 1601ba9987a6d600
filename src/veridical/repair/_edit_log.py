"""edits.parquet: one row per edit, in the order they were made."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.repair._contract import Edit

COLUMNS = pa.schema([(field.name, pa.string()) for field in fields(Edit)])


def write_edits(edits: Sequence[Edit], path: Path) -> Path:
    table = pa.Table.from_pylist([asdict(edit) for edit in edits], schema=COLUMNS)
    write_with(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))
    return path


def read_edits(path: Path) -> tuple[Edit, ...]:
    """The edits of a run, oldest first. Raises InputError when the file is missing or is no edit log."""
    if not path.is_file():
        raise InputError(f"{path} does not exist, so there is no edit log. A run without --no-repair writes one.")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a Parquet file ({error}). Run again with --fresh.") from error
    if table.schema.names != COLUMNS.names:
        raise InputError(
            f"{path} has columns {table.schema.names}, not those of an edit log: {COLUMNS.names}. Run again with --fresh."
        )
    return tuple(Edit(**row) for row in table.to_pylist())
