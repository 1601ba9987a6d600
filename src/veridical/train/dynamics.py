"""What training saw of every row in every epoch: loss, margin, correctness. After Swayamdipta et al. 2020 (arXiv:2009.10795)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from veridical.core.atomic_write import write_with
from veridical.dataset.rows import IntArray

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class EpochDynamics:
    """One epoch; each array has one entry for each row of the data set, NaN where the row was not seen.

    loss: negative log-probability of the row's label, unweighted. margin: logit of the label minus the largest other logit
    (Pleiss et al. 2020, arXiv:2001.10528); right where it is above 0. Training rows as they passed through the loop, before the
    step that used them; validation rows at the end of the epoch.
    """

    loss: Float32
    margin: Float32


def empty(n_rows: int) -> EpochDynamics:
    return EpochDynamics(np.full(n_rows, np.nan, np.float32), np.full(n_rows, np.nan, np.float32))


def note(into: EpochDynamics, rows: IntArray, logits: Float32, codes: IntArray) -> None:
    """Write loss and margin of `rows` from their logits (B, C) into the epoch's arrays."""
    at = np.arange(len(rows))
    raised = logits - logits.max(axis=1, keepdims=True)
    into.loss[rows] = np.log(np.exp(raised).sum(axis=1)) - raised[at, codes]
    others = logits.copy()
    others[at, codes] = -np.inf
    into.margin[rows] = logits[at, codes] - others.max(axis=1)


def note_marks(into: EpochDynamics, rows: IntArray, logits: Float32, codes: IntArray, *, row: IntArray) -> None:
    """The same where a row holds several classes: its mean loss, and the smallest of their margins, so that a row is right where
    all of it is. row: place in `rows` of each of the logits (M, C)."""
    kept = rows[row] >= 0
    logits, codes, row = logits[kept], codes[kept], row[kept]
    each = empty(len(codes))
    note(each, np.arange(len(codes)), logits, codes)
    counts = np.bincount(row, minlength=len(rows))
    seen = np.flatnonzero((counts > 0) & (rows >= 0))
    sums = np.bincount(row, each.loss.astype(np.float64), minlength=len(rows))
    least = np.full(len(rows), np.inf, np.float32)
    with np.errstate(invalid="ignore"):  # a logit that is no number is noted as it is; the loop says so
        np.minimum.at(least, row, each.margin)
    into.loss[rows[seen]] = sums[seen] / counts[seen]
    into.margin[rows[seen]] = least[seen]


def by_row(epoch: EpochDynamics, owner: IntArray, *, n_rows: int) -> EpochDynamics:
    """Dynamics of windows as those of the rows they were cut from: mean loss, smallest margin."""
    found = empty(n_rows)
    seen = ~np.isnan(epoch.loss)
    counts = np.bincount(owner[seen], minlength=n_rows)
    some = counts > 0
    found.loss[some] = (np.bincount(owner[seen], epoch.loss[seen].astype(np.float64), minlength=n_rows) / np.maximum(counts, 1))[
        some
    ]
    least = np.full(n_rows, np.inf, np.float32)
    np.minimum.at(least, owner[seen], epoch.margin[seen])
    found.margin[some] = least[some]
    return found


def as_table(epochs: Sequence[EpochDynamics], *, ids: Sequence[str], valid: IntArray) -> pa.Table:
    """Columns row (id), epoch (from 1), part (train or valid), loss, margin, correct; rows of the data set in table order."""
    in_valid = np.isin(np.arange(len(ids)), valid)
    seen = [np.flatnonzero(~np.isnan(epoch.loss)) for epoch in epochs]
    rows = np.concatenate([np.zeros(0, np.int64), *seen])
    numbers = np.repeat(np.arange(1, len(epochs) + 1), [len(s) for s in seen])
    loss = np.concatenate([np.zeros(0, np.float32), *(e.loss[s] for e, s in zip(epochs, seen, strict=True))])
    margin = np.concatenate([np.zeros(0, np.float32), *(e.margin[s] for e, s in zip(epochs, seen, strict=True))])
    return pa.table(
        {
            "row": pa.array([ids[i] for i in rows], pa.string()),
            "epoch": pa.array(numbers, pa.int32()),
            "part": pa.array(np.where(in_valid[rows], "valid", "train").tolist(), pa.string()),
            "loss": pa.array(loss, pa.float32()),
            "margin": pa.array(margin, pa.float32()),
            "correct": pa.array(margin > 0, pa.bool_()),
        }
    )


def save(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    write_with(path, lambda temporary: pq.write_table(table, temporary))
