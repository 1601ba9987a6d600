"""countermeasures.parquet: what every model trained with or without a countermeasure said in both exams, question by question.

With it anyone can compute the verdicts again: a question's share of its row's vote stands beside the answer.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.dataset.rows import IntArray
from veridical.verify.ballot_table import ballot_of, by_model, opened
from veridical.verify.countermeasure_verdict import LOCKED, Exams, Sat
from veridical.verify.exams import Exam
from veridical.verify.judging import Judging
from veridical.verify.scoring import Ballot, Labels, Yardstick

FILE = "countermeasures.parquet"
UNDER = "contract"
"""Name of the exam under the contract; that on the fold as it is is called LOCKED."""
PLAIN = "plain training"
"""What the arm without any of the countermeasures on trial is called."""


def schema(kind: pa.DataType) -> pa.Schema:
    """kind: of what is right and what was said."""
    plain = [("arm", pa.string()), ("exam", pa.string()), ("seed", pa.int64()), ("row", pa.string()), ("share", pa.float64())]
    said = [("cluster", pa.int64()), ("label", kind), ("predicted", kind), ("right", pa.bool_()), ("log_loss", pa.float64())]
    return pa.schema([*plain, *said])


SCHEMA = schema(pa.int64())
"""One line for each model and question. seed: the place of the model among its fellows. share: of the row's vote. label,
predicted: codes, places in the certificate's `labels`."""
SCHEMA_OF_ANSWERS = schema(pa.string())
"""The same where an answer is more than one label: label and predicted are answers as they are stored, log_loss is null."""
SAME = ("row", "share", "cluster", "label")


def write_exams(path: Path, exams: Exams, said: dict[str, Sat]) -> None:
    parts = []
    for name, sat in said.items():
        parts += _lines(name or PLAIN, sat.plain, LOCKED, exams, exam=exams.plain, ruler=exams.base)
        if exams.under is not None and exams.under_ruler is not None and sat.under is not None:
            parts += _lines(name or PLAIN, sat.under, UNDER, exams, exam=exams.under, ruler=exams.under_ruler)
    write_with(path, lambda target: pq.write_table(pa.concat_tables(parts), target, compression="zstd"))


def _lines(who: str, said: Ballot, name: str, exams: Exams, *, exam: Exam, ruler: Yardstick) -> list[pa.Table]:
    n, ids = len(exam.row), [exams.ids[row] for row in exam.row]
    tables, form = [], SCHEMA_OF_ANSWERS if said.log_loss is None else SCHEMA
    for seed, predicted in enumerate(said.predicted):
        asked = [[who] * n, [name] * n, [seed] * n, ids, exam.share, ruler.clusters, ruler.right]
        loss = [None] * n if said.log_loss is None else said.log_loss[seed]
        columns = [*asked, predicted, ruler.agrees(predicted), loss]
        tables.append(pa.table([pa.array(c, t) for c, t in zip(columns, form.types, strict=True)], schema=form))
    return tables


def read_exams(
    path: Path, *, judging: Callable[[Labels, IntArray], Judging], of_answers: bool, votes: str, contract: str
) -> tuple[Exams, dict[str, Sat]]:
    """Both exams without their texts, and what was said, by countermeasure (empty for none). judging: (what is right of the rows,
    their clusters) -> how they are judged. of_answers: the task has more than one label a row. contract: its name.

    Raises InputError where the file is missing, is not of this form, or its models were asked different questions.
    """
    table = opened(path, SCHEMA_OF_ANSWERS if of_answers else SCHEMA)
    plain, rows = by_model(path, table.filter(pc.equal(table["exam"], LOCKED)), same=SAME)
    ids, n = rows["row"].to_pylist(), len(rows)
    base = judging(rows["label"].to_numpy(), rows["cluster"].to_numpy()).ruler(np.arange(n, dtype=np.int64), votes=votes)
    said = {who: Sat(ballot_of(parts), None) for who, parts in plain.items()}
    under, asked = None, table.filter(pc.equal(table["exam"], UNDER))
    if len(asked):
        models, questions = by_model(path, asked, same=SAME)
        place = {row: at for at, row in enumerate(ids)}
        unknown = [row for row in questions["row"].to_pylist() if row not in place]
        if unknown or models.keys() != plain.keys():
            raise InputError(f"{path}: the two exams are of other rows or other models. Copy it again from the run.")
        row = np.array([place[name] for name in questions["row"].to_pylist()], np.int64)
        under = Exam([], row, questions["share"].to_numpy())
        said = {who: Sat(sat.plain, ballot_of(models[who])) for who, sat in said.items()}
    found = {"" if who == PLAIN else who: sat for who, sat in said.items()}
    return Exams(ids, base, Exam([], np.arange(n, dtype=np.int64), rows["share"].to_numpy()), under, contract), found
