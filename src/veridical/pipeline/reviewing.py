"""`veridical review`: which labels to read, and the account after they were read. Works on the tables of a finished run alone."""

import csv
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import run_record
from veridical.core.atomic_write import write_json, write_with
from veridical.core.errors import InputError, nearest
from veridical.core.randomness import stream
from veridical.core.run_record import RunRecord
from veridical.ledger.accounting import account_tables
from veridical.ledger.contract import read_contract
from veridical.ledger.review import UNSURE, Frame, Review, ReviewParams, allocation, draw, frame
from veridical.ledger.tables import Tables, read_tables
from veridical.pipeline import records
from veridical.pipeline.run_folder import held

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import IntArray
    from veridical.models.model import FloatArray

COLUMNS = ("id", "text", "label", "answer")
FORMAT = 1
IMAGINED = 5
"""Imagined rounds of answers from which the width that a review would buy is averaged. Ours; no source."""


@dataclass(frozen=True, eq=False)
class _Side:
    """Rows that may be reviewed: of the test set, or of train. n rows. weights: what each counts in the honest score, (n,)."""

    ids: list[str]
    codes: "IntArray"
    predicted: "IntArray"
    strata: Frame
    weights: "FloatArray"


def _test_side(tables: Tables) -> _Side:
    people, ids = tables.people, [str(row) for row in tables.ids]
    weights = people.vote if people.leaked.all() else people.projection(~people.leaked) @ people.target
    strata = frame(
        tables.noise, ids=ids, codes=tables.codes, predicted=tables.predicted, leaked=people.leaked, params=ReviewParams()
    )
    return _Side(ids, tables.codes, tables.predicted, strata, weights)


def _train_side(tables: Tables) -> _Side:
    train = tables.train
    n, ids = len(train.ids), [str(row) for row in train.ids]
    none = np.zeros(n, dtype=bool)
    strata = frame(train.noise(), ids=ids, codes=train.codes, predicted=train.predicted, leaked=none, params=ReviewParams())
    return _Side(ids, train.codes, train.predicted, strata, np.full(n, 1 / max(n, 1)))


def write_sheet(run: Path, *, rows: int, out: Path, train: bool = False) -> tuple[int, float, float]:
    """Write the rows to review; (how many, width of the honest interval now, width that the answers would buy), in points.

    train: rows of train instead of the test set.
    """
    record, tables = _finished(run)
    assert record.ledger is not None
    answers = stored_answers(run)
    if rows < 1:
        raise InputError(f"--rows is {rows}; it must be 1 or more, for example 150.")
    side = _train_side(tables) if train else _test_side(tables)
    done = np.flatnonzero(np.isin(side.ids, list(answers)))
    given = allocation(side.strata, side.weights, rows=rows, done=done, params=ReviewParams())
    chosen = draw(side.strata, given, done=done, seed=record.seed)
    if not len(chosen):
        raise InputError(f"{run} has no {'train' if train else 'test'} row left that is not reviewed, so none can be written.")
    _write_sheet(run, [side.ids[at] for at in chosen], out)
    widths = [
        account(run, record, tables, {**answers, **_imagined(side, chosen, record=record, round=k)}).honest.width
        for k in range(IMAGINED)
    ]
    return len(chosen), 100 * record.ledger.honest.width, 100 * float(np.mean(widths))


def take_answers(run: Path, *, answers: Path) -> tuple[RunRecord, int]:
    """Recompute run.json and the reports with the answers of a sheet added to earlier ones; (record, answers in the sheet)."""
    with held(run):
        record, tables = _finished(run)
        read = read_sheet(answers, ids={str(row) for row in (*tables.ids, *tables.train.ids)}, labels=record.labels)
        if not read:
            raise InputError(f"{answers} holds no answers. Fill in the column answer with a label or {UNSURE}.")
        every = {**stored_answers(run), **read}
        ledger = account(run, record, tables, every)
        reviewed = dataclasses.replace(record, ledger=ledger)
        write_json(run / "review.json", {"format": FORMAT, "answers": every})
        run_record.save(reviewed, run)
        from veridical.report.html import report

        for format in ("html", "md"):
            report(run, format=format, lang=record.config.get("lang", "en"))
    return reviewed, len(read)


def account(run: Path, record: RunRecord, tables: Tables, answers: dict[str, str]) -> "Ledger":
    """The ledger of a run under these answers."""
    assert record.ledger is not None
    contract = run / "contract.yaml"
    audit = records.read_audit(run)
    return account_tables(
        tables,
        task=record.task,
        labels=record.labels,
        contract=read_contract(contract) if contract.is_file() else None,
        review=Review(answers) if answers else None,
        metric=record.metric,
        floors=record.ledger.floors,
        candidates=[finding.evidence for finding in audit.findings("label_words")],
        seed=record.seed,
    )


def stored_answers(run: Path) -> dict[str, str]:
    path = run / "review.json"
    if not path.is_file():
        return {}
    answers: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["answers"]
    return answers


def read_sheet(path: Path, *, ids: set[str], labels: tuple[str, ...]) -> dict[str, str]:
    """Row id -> answer; blank answers left out. Raises InputError for ids and labels that the run does not have."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            sheet = csv.DictReader(file)
            columns = sheet.fieldnames or []
            for needed in ("id", "answer"):
                if needed not in columns:
                    raise InputError(
                        f"{path} has no column {needed!r}; it must be a sheet that veridical review wrote, with the columns "
                        f"{', '.join(COLUMNS)}."
                    )
            rows = list(sheet)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The sheet {path} cannot be read ({error}). Save it as CSV in UTF-8.") from error
    found: dict[str, str] = {}
    for row in rows:
        answer = (row["answer"] or "").strip()
        if not answer:
            continue
        if row["id"] not in ids:
            raise InputError(f"{path} answers for row {row['id']!r}, which this run would not ask about. Use its own sheet.")
        if answer not in labels and answer != UNSURE:
            allowed = ", ".join([*labels, UNSURE][:20])
            raise InputError(
                f"{path}: row {row['id']!r} has the answer {answer!r}, which is no label.{nearest(answer, labels)} "
                f"Allowed: {allowed}; or leave it blank."
            )
        found[row["id"]] = answer
    return found


def _finished(run: Path) -> tuple[RunRecord, Tables]:
    record = run_record.read(run)
    if not record.complete or record.ledger is None:
        raise InputError(f"The run in {run} is not finished. Give the same command again, then review it.")
    return record, read_tables(run / "tables.npz")


def _imagined(side: _Side, chosen: "IntArray", *, record: RunRecord, round: int) -> dict[str, str]:
    """Answers as the noise model expects them: the label stands, or is wrong with its modelled chance."""
    rng = stream(record.seed, f"imagined review/{round}")
    wrong = rng.random(len(chosen)) < side.strata.wrong[chosen]
    other = np.where(side.predicted == side.codes, (side.codes + 1) % len(record.labels), side.predicted)
    codes = np.where(wrong, other[chosen], side.codes[chosen])
    return {side.ids[at]: record.labels[code] for at, code in zip(chosen, codes, strict=True)}


def _write_sheet(run: Path, ids: list[str], out: Path) -> None:
    from veridical.dataset.storage import read

    stored = run / "data.parquet"
    if not stored.is_file():
        raise InputError(f"{run} keeps no texts (--no-text), so there is nothing to read. Run again without --no-text.")
    data = read(stored)
    position = {row: at for at, row in enumerate(data.ids)}

    def write(path: Path) -> None:
        # With a byte order mark spreadsheets read Chinese as UTF-8.
        with path.open("w", encoding="utf-8", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(COLUMNS)
            for row in ids:
                at = position[row]
                text = data.texts[at] if data.seconds is None else f"{data.texts[at]} ||| {data.seconds[at]}"
                sheet.writerow([row, text, data.labels[data.codes[at]], ""])

    write_with(out, write)
