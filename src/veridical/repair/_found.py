"""From findings to row positions: what every repair starts from."""

from collections.abc import Iterable

import numpy as np

from veridical.core.finding import AuditRecord, Finding
from veridical.dataset.rows import Dataset, IntArray

Asked = tuple[str, Finding]
"""The check that asked for a repair of a row, and its finding."""


def found_rows(data: Dataset, audit: AuditRecord, checks: Iterable[str], *, partners: bool) -> dict[int, Asked]:
    """Position -> worst finding of `checks` about that row, with its check, ascending; partners: also the other rows of pairs.

    Rows that are no longer in the data are left out.
    """
    place = {row: position for position, row in enumerate(data.ids)}
    worst: dict[int, Asked] = {}
    for check in checks:
        for finding in audit.findings(check):
            for row in (finding.row, finding.other_row) if partners else (finding.row,):
                at = place.get(row)
                if at is not None and (at not in worst or finding.score > worst[at][1].score):
                    worst[at] = (check, finding)
    return dict(sorted(worst.items()))


def members(codes: IntArray, chosen: Iterable[int], allowed: IntArray) -> list[IntArray]:
    """For each code (N,) that a chosen row has: the `allowed` rows with that code. Codes in ascending order."""
    wanted = np.unique(codes[np.fromiter(chosen, dtype=np.int64)])
    inside = allowed[np.isin(codes[allowed], wanted)]
    inside = inside[np.argsort(codes[inside], kind="stable")]
    cuts = np.flatnonzero(np.diff(codes[inside])) + 1
    return [part.astype(np.int64) for part in np.split(inside, cuts) if len(part)]


def oldest_first(data: Dataset, rows: IntArray) -> list[int]:
    """Rows by time where the data has times, then by id; independent of row order."""
    times = data.table.column("time").to_pylist()
    return sorted((int(r) for r in rows), key=lambda r: (times[r] or "", data.ids[r]))
