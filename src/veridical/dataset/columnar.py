"""Parquet and Arrow files, and cells of any Arrow type as bytes. Class labels stored as numbers become their names."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.errors import InputError


def names(path: Path) -> list[str]:
    return list(_schema(path).names)


def _schema(path: Path) -> pa.Schema:
    import pyarrow.parquet as pq

    try:
        return _arrow(path).schema if path.suffix == ".arrow" else pq.read_schema(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InputError:
    kind = "an Arrow" if path.suffix == ".arrow" else "a Parquet"
    return InputError(
        f"{path} cannot be read as {kind} file ({str(error).splitlines()[0][:120].rstrip('.')}). Write the file again."
    )


def _arrow(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as file:
        try:
            return pa.ipc.open_stream(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_file(file).read_all()


def read(path: Path, *, columns: list[str], lists: bool = False) -> pa.Table:
    """The named columns as bytes; lists as JSON where they are allowed."""
    import pyarrow.parquet as pq

    try:
        table = _arrow(path).select(columns) if path.suffix == ".arrow" else pq.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(path, error) from error
    classes = _class_names(_schema(path).metadata or {})
    made = {}
    for name in columns:
        column, known = table.column(name), classes.get(name)
        nested = lists and pa.types.is_nested(column.type)
        made[name] = _listed(column, known) if nested else _bytes(column, known, f"{path}: {name!r}")
    return pa.table(made)


def _listed(column: pa.ChunkedArray, classes: list[str] | None) -> pa.ChunkedArray:
    """Lists and records as JSON; numbers of class labels become their names."""
    cells: list[bytes | None] = []
    for value in column.to_pylist():
        if isinstance(value, list) and classes:
            value = [classes[v] if isinstance(v, int) and 0 <= v < len(classes) else v for v in value]
        cells.append(None if value is None else json.dumps(value, ensure_ascii=False).encode())
    return pa.chunked_array([pa.array(cells, pa.binary())])


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Names of class labels that the `datasets` library leaves in a file's schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    except ValueError:
        return {}
    # A list of class labels is {"feature": {"names": ...}}, in older files [{"names": ...}].
    inner = {name: kind[0] if isinstance(kind, list) and kind else kind for name, kind in features.items()}
    inner = {name: kind.get("feature", kind) if isinstance(kind, dict) else {} for name, kind in inner.items()}
    return {name: kind["names"] for name, kind in inner.items() if isinstance(kind, dict) and kind.get("names")}


def _bytes(column: pa.ChunkedArray, classes: list[str] | None, place: str) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _bytes(column.cast(kind.value_type), classes, place)
    if classes and pa.types.is_integer(kind):
        known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(classes)))
        return pa.chunked_array([pa.array(classes)]).take(pc.if_else(known, column, None)).cast(pa.binary())
    if pa.types.is_floating(kind):
        return pa.chunked_array([pa.array([_number(value) for value in column.to_pylist()], pa.binary())])
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return column.cast(pa.binary())
    try:
        return column.cast(pa.string()).cast(pa.binary())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InputError(f"{place} holds {kind}; a text, number or true/false is allowed. Flatten that column.") from error


def _number(value: Any) -> bytes | None:
    if value is None or value != value:  # a NaN is not equal to itself
        return None
    return str(int(value) if float(value).is_integer() else value).encode()
