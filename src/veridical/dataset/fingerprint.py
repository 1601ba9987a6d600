"""A SHA-256 of rows that does not depend on their order, and changes with any cell, any added and any missing row."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from veridical.dataset.rows import SCHEMA, Dataset

BATCH_ROWS = 100_000

TESTED = ("text", "second", "label")
"""What makes two test sets the same: not the ids, which depend on how a file was named or cut."""


def fingerprint(table: pa.Table, *, columns: Sequence[str] = SCHEMA.names) -> str:
    """Hash of the sorted hashes of the rows, over `columns`. A null and an empty text differ."""
    digests: list[bytes] = []
    names = list(columns)
    for batch in table.select(names).to_batches(max_chunksize=BATCH_ROWS):
        cells_of = [_framed(batch.column(name).cast(pa.string()).to_pylist()) for name in names]
        digests += [hashlib.sha256(b"".join(cells)).digest() for cells in zip(*cells_of, strict=True)]
    words = np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 4)
    return hashlib.sha256(words[np.lexsort(words.T[::-1])].tobytes()).hexdigest()


def fingerprint_of_test(data: Dataset) -> str:
    """Hash of the texts and labels of the test rows, or of all rows where every row is tested once."""
    rows = data.rows("test")
    return fingerprint(data.take(rows).table if len(rows) else data.table, columns=TESTED)


def _framed(cells: list[str | None]) -> list[bytes]:
    """Each cell after its length, so that no two rows run together to the same bytes."""
    encoded = (None if cell is None else cell.encode() for cell in cells)
    return [b"-" if cell is None else b"%d:%b" % (len(cell), cell) for cell in encoded]
