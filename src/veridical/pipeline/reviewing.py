"""`veridical review`: which labels to read, and the account after they were read. Works on the tables of a finished run alone."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import probe_record, run_record
from veridical.core.atomic_write import refuse_other
from veridical.core.errors import InputError, nearest
from veridical.core.randomness import stream
from veridical.core.run_record import RunRecord
from veridical.ledger.accounting import account_tables
from veridical.ledger.contract import read_contract
from veridical.ledger.review import UNSURE, Frame, Review, ReviewParams, allocation, draw, frame
from veridical.ledger.tables import Tables, read_tables
from veridical.pipeline import records
from veridical.pipeline.label_review import look_again
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.review_file import StoredReview, doubts, drawn_sheet, read_review, write_review
from veridical.pipeline.run_folder import held
from veridical.pipeline.sheet_file import ANSWER, as_written, is_unanswered, read_lines, write_lines

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import IntArray
    from veridical.models.model import FloatArray

COLUMNS = ("id", "text", "label", ANSWER)
IMAGINED = 5
"""Imagined rounds of answers from which the width that a review would buy is averaged. Ours; no source."""


@dataclass(frozen=True, eq=False)
class _Side:
    """Rows that may be reviewed: of the test set, or of train. n rows. weights: what each counts in the honest score, (n,)."""

    name: str
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
    return _Side("test", ids, tables.codes, tables.predicted, strata, weights)


def _train_side(tables: Tables) -> _Side:
    train = tables.train
    n, ids = len(train.ids), [str(row) for row in train.ids]
    none = np.zeros(n, dtype=bool)
    strata = frame(train.noise(), ids=ids, codes=train.codes, predicted=train.predicted, leaked=none, params=ReviewParams())
    return _Side("train", ids, train.codes, train.predicted, strata, np.full(n, 1 / max(n, 1)))


def _side(tables: Tables, name: str) -> _Side:
    return _train_side(tables) if name == "train" else _test_side(tables)


def write_sheet(run: Path, *, rows: int, out: Path, train: bool = False) -> tuple[int, float, float]:
    """Write the rows to review; (how many, width of the honest interval now, width that the answers would buy), in points.

    train: rows of train instead of the test set. How the rows were drawn is stored in the run first.
    """
    refuse_other(out, made="a review sheet without answers", ours=lambda path: is_unanswered(path, columns=COLUMNS))
    _refuse_unfinished(run)
    with held(run):
        record, tables = _finished(run)
        assert record.ledger is not None
        stored = read_review(run)
        if rows < 1:
            raise InputError(f"--rows is {rows}; it must be 1 or more, for example 150.")
        side = _side(tables, "train" if train else "test")
        done = np.flatnonzero(np.isin(side.ids, list(stored.answers)))
        given = allocation(side.strata, side.weights, rows=rows, done=done, params=ReviewParams())
        chosen = draw(side.strata, given, done=done, seed=record.seed)
        if not len(chosen):
            raise InputError(f"{run} has no {side.name} row left that is not reviewed, so none can be written.")
        lines = _sheet_lines(run, [side.ids[at] for at in chosen])
        drawn = drawn_sheet(side.name, side.strata, ids=side.ids, given=given, chosen=chosen, done=done)
        if drawn not in stored.sheets:
            write_review(run, StoredReview(stored.answers, (*stored.sheets, drawn)))
        write_lines(lines, out, columns=COLUMNS)
    widths = [
        account(run, record, tables, {**stored.answers, **_imagined(side, chosen, record=record, round=k)}).honest.width
        for k in range(IMAGINED)
    ]
    return len(chosen), 100 * record.ledger.honest.width, 100 * float(np.mean(widths))


def take_answers(run: Path, *, answers: Path) -> tuple[RunRecord, int]:
    """Recompute run.json and the reports with the answers of a sheet added to earlier ones; (record, answers in the sheet).

    Answers to rows that no sheet drew, and a sheet drawn from other rows than the run has now, are said in the account's notes.
    """
    _refuse_unfinished(run)
    with held(run):
        record, tables = _finished(run)
        read = read_sheet(answers, ids={str(row) for row in (*tables.ids, *tables.train.ids)}, labels=record.labels)
        if not read:
            raise InputError(f"{answers} holds no answers. Fill in the column answer with a label or {UNSURE}.")
        stored = read_review(run)
        every = {**stored.answers, **read}
        frames = {name: _side(tables, name).strata.sha256 for name in {sheet.of for sheet in stored.sheets}}
        ledger = account(run, record, tables, every)
        ledger = dataclasses.replace(ledger, notes=(*ledger.notes, *doubts(stored, frames=frames, answered=every)))
        reviewed = dataclasses.replace(record, ledger=ledger)
        write_review(run, StoredReview(every, stored.sheets))
        run_record.save(reviewed, run)
        look_again(run, reviewed)
        from veridical.report.html import report

        for format in ("html", "md"):
            report(run, format=format, lang=record.config.get("lang", "en"))
    return reviewed, len(read)


def account(run: Path, record: RunRecord, tables: Tables, answers: Mapping[str, str]) -> "Ledger":
    """The ledger of a run under these answers."""
    assert record.ledger is not None
    contract = run / "contract.yaml"
    audit = records.read_audit(run)
    return account_tables(
        tables,
        task=record.task,
        labels=record.labels,
        contract=read_contract(contract, stored=True) if contract.is_file() else None,
        review=Review(answers) if answers else None,
        metric=record.metric,
        floors=record.ledger.floors,
        candidates=[finding.evidence for finding in audit.findings("label_words")],
        probes=probe_record.read(run),
        seed=record.seed,
    )


def stored_answers(run: Path) -> Mapping[str, str]:
    return read_review(run).answers


def read_sheet(path: Path, *, ids: set[str], labels: tuple[str, ...]) -> dict[str, str]:
    """Row id -> answer; blank answers left out. Raises InputError for ids and labels that the run does not have."""
    known = {label.casefold(): label for label in labels}
    found: dict[str, str] = {}
    for row in read_lines(path, columns=COLUMNS, made_by="veridical review", option="--answers"):
        answer, row_id = as_written(row[ANSWER].strip()), as_written(row["id"])
        if not answer:
            continue
        if row_id not in ids:
            raise InputError(f"{path} answers for row {row_id!r}, which this run would not ask about. Use its own sheet.")
        answer = answer if answer in labels else known.get(answer.casefold(), answer)
        if answer not in labels and answer.casefold() != UNSURE:
            allowed = ", ".join([*labels, UNSURE][:20])
            raise InputError(
                f"{path}: row {row_id!r} has the answer {answer!r}, which is no label.{nearest(answer, labels)} "
                f"Allowed: {allowed}; or leave it blank."
            )
        answer = answer if answer in labels else UNSURE
        if found.get(row_id, answer) != answer:
            raise InputError(f"{path} answers row {row_id!r} twice: {found[row_id]!r} and {answer!r}. Keep one of them.")
        found[row_id] = answer
    return found


def _refuse_unfinished(run: Path) -> RunRecord:
    record = run_record.read(run)
    if not record.complete or record.ledger is None:
        raise InputError(f"The run in {run} is not finished. Give the same command again, then review it.")
    need_one_label(
        run, record, verb="review", why="draws rows by the chance that their label is wrong",
        instead="Read the rows of the findings in report.html, correct them in the file, and run again.",
    )  # fmt: skip
    return record


def _finished(run: Path) -> tuple[RunRecord, Tables]:
    return _refuse_unfinished(run), read_tables(run / "tables.npz")


def _imagined(side: _Side, chosen: "IntArray", *, record: RunRecord, round: int) -> dict[str, str]:
    """Answers as the noise model expects them: the label stands, or is wrong with its modelled chance."""
    rng = stream(record.seed, f"imagined review/{round}")
    wrong = rng.random(len(chosen)) < side.strata.wrong[chosen]
    other = np.where(side.predicted == side.codes, (side.codes + 1) % len(record.labels), side.predicted)
    codes = np.where(wrong, other[chosen], side.codes[chosen])
    return {side.ids[at]: record.labels[code] for at, code in zip(chosen, codes, strict=True)}


def _sheet_lines(run: Path, ids: list[str]) -> list[tuple[str, str, str, str]]:
    """What the sheet says of each row, in the order of COLUMNS."""
    from veridical.dataset.storage import read

    stored = run / "data.parquet"
    if not stored.is_file():
        raise InputError(f"{run} keeps no texts (--no-text), so there is nothing to read. Run again without --no-text.")
    data = read(stored)
    position = {row: at for at, row in enumerate(data.ids)}
    lines = []
    for row in ids:
        at = position[row]
        text = data.texts[at] if data.seconds is None else f"{data.texts[at]} ||| {data.seconds[at]}"
        lines.append((row, text, data.labels[data.codes[at]], ""))
    return lines
