"""A SHA-256 of rows that does not depend on their order, and changes with any cell, any added and any missing row."""

import hashlib

import numpy as np
import pyarrow as pa

from veridical.dataset.rows import SCHEMA

BATCH_ROWS = 100_000


def fingerprint(table: pa.Table) -> str:
    """Hash of the sorted hashes of the rows, over the columns of SCHEMA. A null and an empty text differ."""
    digests: list[bytes] = []
    for batch in table.select(SCHEMA.names).to_batches(max_chunksize=BATCH_ROWS):
        columns = [_framed(batch.column(name).cast(pa.string()).to_pylist()) for name in SCHEMA.names]
        digests += [hashlib.sha256(b"".join(cells)).digest() for cells in zip(*columns, strict=True)]
    words = np.frombuffer(b"".join(digests), dtype=">u8").reshape(-1, 4)
    return hashlib.sha256(words[np.lexsort(words.T[::-1])].tobytes()).hexdigest()


def _framed(cells: list[str | None]) -> list[bytes]:
    """Each cell after its length, so that no two rows run together to the same bytes."""
    encoded = (None if cell is None else cell.encode() for cell in cells)
    return [b"-" if cell is None else b"%d:%b" % (len(cell), cell) for cell in encoded]
