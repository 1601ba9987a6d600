"""Make, apply and undo edits. Rows in = rows kept + rows set aside, always; the input can be rebuilt from what is left."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from veridical.core.errors import InputError
from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.rows import SCHEMA, SPLITS, Dataset
from veridical.repair._contract import Edit

REASON = "reason"


def set_aside(data: Dataset, row: int, *, reason: str, check: str, repair: str) -> Edit:
    """Take the row at this position out of the data, keeping it whole in the edit."""
    whole = {name: data.table.column(name)[row].as_py() for name in SCHEMA.names}
    return Edit(data.ids[row], "set_aside", "", json.dumps(whole, ensure_ascii=False), "", reason, check, repair)


def relabel(data: Dataset, row: int, label: str, *, reason: str, check: str, repair: str) -> Edit:
    """Give the row another label."""
    before = data.labels[data.codes[row]] if data.codes[row] >= 0 else ""
    return Edit(data.ids[row], "relabel", "label", before, label, reason, check, repair)


def move(data: Dataset, row: int, split: str, *, reason: str, check: str, repair: str) -> Edit:
    """Move the row to another split."""
    return Edit(data.ids[row], "move", "split", str(data.splits[row]), split, reason, check, repair)


def weigh(data: Dataset, row: int, weight: float, *, reason: str, check: str, repair: str) -> Edit:
    """Let the row count `weight` times in training. The table has no weights: they live in the edit log alone."""
    return Edit(data.ids[row], "weight", "weight", "1", repr(weight), reason, check, repair)


def apply_edits(data: Dataset, edits: Sequence[Edit]) -> Dataset:
    """The data after the edits, in their order. Pure. Raises InputError where an edit does not belong to this data."""
    labels, splits = data.table.column("label").to_pylist(), [str(s) for s in data.splits]
    place = {row: position for position, row in enumerate(data.ids)}
    reasons: dict[int, str] = {}
    for edit in edits:
        at = place.get(edit.row)
        if at is None or at in reasons:
            raise InputError(f"Edit of row {edit.row!r} by {edit.repair}: the data holds no such row. {_OTHER_DATA}")
        if edit.action == "set_aside":
            reasons[at] = f"{edit.repair}: {edit.reason}"
        elif edit.action == "relabel":
            labels[at] = _changed(edit, labels[at] or "", allowed=data.labels)
        elif edit.action == "move":
            splits[at] = _changed(edit, splits[at], allowed=SPLITS)
    changed = data.with_column("label", labels).with_column("split", list(splits))
    kept = changed.take(np.array([i for i in range(len(data)) if i not in reasons], dtype=np.int64))
    out = changed.table.take(pa.array(sorted(reasons), pa.int64()))
    out = out.append_column(REASON, pa.array([reasons[i] for i in sorted(reasons)], pa.string()))
    repaired = replace(kept, set_aside=pa.concat_tables([data.set_aside, out], promote_options="default"))
    assert len(data) == len(repaired) + len(reasons)
    return repaired


_OTHER_DATA = "The edit log belongs to other data; use the log and the data of one run folder."


def _changed(edit: Edit, now: str, *, allowed: Iterable[str]) -> str:
    if now != edit.before or edit.after not in allowed:
        raise InputError(
            f"Edit of row {edit.row!r} by {edit.repair}: {edit.field} is {now!r}, to go from {edit.before!r} to {edit.after!r}. "
            f"Allowed: {', '.join(allowed)}. {_OTHER_DATA}"
        )
    return edit.after


def restore(repaired: Dataset, edits: Sequence[Edit]) -> Dataset:
    """The input, rebuilt from the repaired data and the edits alone. Row order may differ; the fingerprint may not.

    Raises InputError when the result is not the data that was loaded.
    """
    rows = {row["id"]: row for row in repaired.table.to_pylist()}
    back: set[str] = set()
    for edit in reversed(edits):
        if edit.action == "set_aside":
            rows[edit.row] = json.loads(edit.before)
            back.add(edit.row)
        elif edit.action in ("relabel", "move"):
            if edit.row not in rows:
                raise InputError(f"Edit of row {edit.row!r} by {edit.repair}: the repaired data holds no such row. {_OTHER_DATA}")
            rows[edit.row][edit.field] = edit.before or None
    table = pa.Table.from_pylist(list(rows.values()), schema=SCHEMA)
    out = repaired.set_aside
    stays = pa.array([i for i, row in enumerate(out.column("id").to_pylist()) if row not in back], pa.int64())
    rebuilt = replace(repaired, table=table, set_aside=out.take(stays))
    if repaired.fingerprint and fingerprint(rebuilt.table) != repaired.fingerprint:
        raise InputError(
            f"The rebuilt rows do not have the fingerprint taken at load, {repaired.fingerprint[:12]}. {_OTHER_DATA}"
        )
    return rebuilt


def row_weights(data: Dataset, edits: Sequence[Edit]) -> npt.NDArray[np.float64] | None:
    """Training weight of each row of `data` (N,), mean 1 over train rows; None where no edit weighs anything."""
    named = {edit.row: float(edit.after) for edit in edits if edit.action == "weight"}
    if not named:
        return None
    weights = np.array([named.get(row, 1.0) for row in data.ids])
    train = data.rows("train")
    return np.asarray(weights / weights[train].mean()) if len(train) else weights
