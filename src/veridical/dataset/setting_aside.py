"""Which rows cannot be used, and why. Everything else about a row is left as it is."""

import pyarrow as pa
import pyarrow.compute as pc

from veridical.dataset.rows import SCHEMA

MAX_CELL_BYTES = 1_000_000
"""Largest text that is used, in bytes of UTF-8: 1 MB. Ours; no source."""
LABEL = "label missing"
UNSEEN = "test label unseen in train"
ASIDE_SCHEMA = pa.schema([*SCHEMA, pa.field("reason", pa.string())])


def decoded(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.Array]:
    """The column as text, and which cells could not be decoded or hold a NUL byte (those with replacement characters)."""
    chunks, damaged = [], []
    for chunk in column.chunks:
        held = pc.fill_null(pc.match_substring(chunk, "\0"), fill_value=False)
        try:
            chunks.append(chunk.cast(pa.string()))
            damaged.append(held)
        except pa.ArrowInvalid:
            cells = [_decode(cell) for cell in chunk.to_pylist()]
            chunks.append(pa.array([text for text, _ in cells], pa.string()))
            damaged.append(pc.or_(held, pa.array([bad for _, bad in cells], pa.bool_())))
    flags = pa.chunked_array(damaged, pa.bool_())
    return pa.chunked_array(chunks, pa.string()), flags.combine_chunks()


def _decode(cell: bytes | None) -> tuple[str | None, bool]:
    if cell is None:
        return None, False
    try:
        return cell.decode("utf-8"), False
    except UnicodeDecodeError:
        return cell.decode("utf-8", "replace"), True


def reasons(table: pa.Table, *, damaged: pa.Array, with_labels: bool) -> pa.Array:
    """Why each row cannot be used, null where it can; the first reason that holds. table: columns of SCHEMA."""
    pair = table.column("second").null_count < table.num_rows
    cases = [(damaged, "cannot be decoded")]
    for role, what in (("text", "text"), ("second", "second text")) if pair else (("text", "text"),):
        column = table.column(role)
        cases.append(
            (pc.greater(pc.fill_null(pc.binary_length(column), 0), MAX_CELL_BYTES), f"{what} over {MAX_CELL_BYTES:,} bytes")
        )
        cases.append((pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), ""), f"{what} empty"))
    if with_labels:
        cases.append((pc.is_null(table.column("label")), LABEL))
    found = pa.nulls(table.num_rows, pa.string())
    for condition, reason in reversed(cases):
        whole = condition.combine_chunks() if isinstance(condition, pa.ChunkedArray) else condition
        found = pc.if_else(whole, reason, found)
    return found


def apart(table: pa.Table, reason: pa.Array) -> tuple[pa.Table, pa.Table]:
    """(rows without a reason, rows with one and the reason)."""
    kept = table.filter(pc.is_null(reason))
    aside = table.append_column("reason", reason).filter(pc.is_valid(reason)).cast(ASIDE_SCHEMA)
    return kept, aside
