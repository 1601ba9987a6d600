"""arms.parquet: what every model of every arm said of every locked row, so that anyone can compute the verdicts again."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.verify.scoring import Ballot, Yardstick

FILE = "arms.parquet"


def schema(kind: pa.DataType) -> pa.Schema:
    """kind: of what is right and what was said."""
    plain = [("arm", pa.string()), ("seed", pa.int64()), ("row", pa.string()), ("cluster", pa.int64())]
    return pa.schema([*plain, ("label", kind), ("predicted", kind), ("right", pa.bool_()), ("log_loss", pa.float64())])


SCHEMA = schema(pa.int64())
"""One line for each model and locked row. seed: the place of the model among its fellows.
label, predicted: codes, places in the certificate's `labels`."""
SCHEMA_OF_ANSWERS = schema(pa.string())
"""The same where an answer is more than one label: label and predicted are answers as they are stored, log_loss is null."""


def write_ballots(path: Path, ballots: dict[str, Ballot], *, ruler: Yardstick, ids: list[str]) -> None:
    """ids: of the ruler's rows (L,)."""
    parts = [
        _lines(who, seed, said, ruler=ruler, ids=ids) for who, said in ballots.items() for seed in range(len(said.predicted))
    ]
    write_with(path, lambda target: pq.write_table(pa.concat_tables(parts), target, compression="zstd"))


def _lines(who: str, seed: int, said: Ballot, *, ruler: Yardstick, ids: list[str]) -> pa.Table:
    n, predicted = len(ids), said.predicted[seed]
    form = SCHEMA_OF_ANSWERS if predicted.dtype == object else SCHEMA
    loss = [None] * n if said.log_loss is None else said.log_loss[seed]
    columns = [[who] * n, [seed] * n, ids, ruler.clusters, ruler.right, predicted, ruler.agrees(predicted), loss]
    return pa.table([pa.array(c, t) for c, t in zip(columns, form.types, strict=True)], schema=form)


def read_ballots(path: Path, *, of_answers: bool = False) -> tuple[dict[str, Ballot], pa.Table]:
    """The ballots by arm, and the lines of one model: rows, clusters and labels, which all models share.

    of_answers: the task has more than one label a row. Raises InputError where the file is missing, is not of this form, or its
    models were asked about different rows.
    """
    table = opened(path, SCHEMA_OF_ANSWERS if of_answers else SCHEMA)
    models, shared = by_model(path, table, same=("row", "cluster", "label"))
    return {who: ballot_of(parts) for who, parts in models.items()}, shared


def opened(path: Path, form: pa.Schema) -> pa.Table:
    """A table of answers. Raises InputError where the file is missing or has other columns."""
    if not path.is_file():
        raise InputError(
            f"There is no {path}: the statistics cannot be computed again. Put the file back beside the certificate."
        )
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(
            f"{path} cannot be read as Parquet ({' '.join(str(error).split())}). Copy it again from the run."
        ) from error
    if not table.schema.equals(form):
        got, needed = (", ".join(f"{field.name} ({field.type})" for field in found) for found in (table.schema, form))
        raise InputError(f"{path} has columns {got}; needed: {needed}.")
    return table


def by_model(path: Path, table: pa.Table, *, same: tuple[str, ...]) -> tuple[dict[str, list[pa.Table]], pa.Table]:
    """The lines of each model of each arm, and the columns that are the `same` for all models."""
    models: dict[str, list[pa.Table]] = {}
    shared: pa.Table | None = None
    for start, stop in _blocks(table):
        part = table.slice(start, stop - start)
        rows = part.select(list(same))
        shared = rows if shared is None else shared
        if not rows.equals(shared):
            raise InputError(f"{path}: the models of {part['arm'][0]} were asked about other rows or labels than the first ones.")
        models.setdefault(part["arm"][0].as_py(), []).append(part)
    if shared is None:
        raise InputError(f"{path} holds no models. Copy it again from the run.")
    return models, shared


def _blocks(table: pa.Table) -> list[tuple[int, int]]:
    """Where one model's lines begin and end."""
    arms = table["arm"].combine_chunks().dictionary_encode().indices.to_numpy()
    keys = np.column_stack([arms, table["seed"].to_numpy()])
    edges = [0, *(np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1).tolist(), len(keys)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def ballot_of(parts: list[pa.Table]) -> Ballot:
    """One arm: the lines of each of its models."""
    predicted = np.stack([p["predicted"].to_numpy() for p in parts])
    without_loss = any(p["log_loss"].null_count for p in parts)
    return Ballot(predicted, None if without_loss else np.stack([p["log_loss"].to_numpy() for p in parts]))
