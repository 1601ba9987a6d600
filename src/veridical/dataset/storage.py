"""A Dataset as one Parquet file: kept rows, then those set aside with their reason; everything else in the file's metadata."""

import json
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.dataset.setting_aside import ASIDE_SCHEMA

KEY = b"veridical.dataset"
TABLES = ("table", "set_aside")


def save(data: Dataset, path: Path) -> None:
    """Write atomically. Raises SurroundingsError when the disk is full."""
    import pyarrow.parquet as pq

    kept = data.table.append_column("reason", pa.nulls(len(data), pa.string())).cast(ASIDE_SCHEMA)
    facts = {field.name: getattr(data, field.name) for field in fields(data) if field.name not in TABLES}
    whole = pa.concat_tables([kept, data.set_aside.cast(ASIDE_SCHEMA)])
    whole = whole.replace_schema_metadata({KEY: json.dumps(facts, ensure_ascii=False).encode()})
    write_with(path, lambda temporary: pq.write_table(whole, temporary, compression="zstd"))


def read(path: Path) -> Dataset:
    """What `save` wrote. Raises InputError for any other file."""
    import pyarrow.parquet as pq

    try:
        whole = pq.read_table(path)
        facts = json.loads((whole.schema.metadata or {})[KEY])
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        raise InputError(f"{path} is not a data set that veridical saved; data.parquet of a run folder is. Run again.") from error
    whole = whole.replace_schema_metadata(None)
    kept = pc.is_null(whole.column("reason"))
    facts |= {"labels": tuple(facts["labels"]), "warnings": tuple(facts["warnings"])}
    return Dataset(table=whole.filter(kept).select(SCHEMA.names), set_aside=whole.filter(pc.invert(kept)), **facts)
