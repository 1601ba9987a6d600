"""`veridical review`: which answers to read, and the account after they were read. Works on what a finished run stored alone."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from veridical.core import run_record
from veridical.core.allowed import refuse_below
from veridical.core.atomic_write import refuse_other
from veridical.core.errors import InputError
from veridical.core.run_record import RunRecord
from veridical.ledger.review import UNSURE, ReviewParams, allocation, draw
from veridical.pipeline.answer_reviewing import AnswerRun
from veridical.pipeline.label_reviewing import LabelRun
from veridical.pipeline.read_labels import look_again
from veridical.pipeline.review_file import Side, StoredReview, doubts, drawn_sheet, read_review, texts_of, write_review
from veridical.pipeline.run_folder import held
from veridical.pipeline.sheet_file import ANSWER, as_written, is_unanswered, read_lines, write_lines
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset, IntArray

COLUMNS = ("id", "text", "label", ANSWER)
IMAGINED = 5
"""Imagined rounds of answers from which the width that a review would buy is averaged. Ours; no source."""


class ReviewedRun(Protocol):
    """A finished run whose rows can be reviewed; one class where rows have one label, one where they have more."""

    @property
    def ids(self) -> set[str]:
        """Of all rows that a sheet may ask about."""

    def side(self, name: str) -> Side:
        """The rows of `test` or `train`."""

    def shown(self, data: "Dataset", row: int) -> str:
        """The label of a row as a sheet shows it."""

    def answer(self, row: str, cell: str) -> str:
        """What a filled-in cell says, as it is stored. Raises InputError with what is wrong and what is allowed."""

    def account(self, answers: Mapping[str, str]) -> "Ledger":
        """The ledger under these answers."""

    def imagined_width(self, side: Side, chosen: "IntArray", answers: Mapping[str, str], *, round: int) -> float:
        """Width of the honest interval, a share, were the chosen rows answered as is expected of them."""


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What a sheet holds. before, after: width of the honest interval now, and about the one that its answers would buy, in
    points. measures: whether noise is not in the interval before, so that the answers measure it rather than narrow a range.
    structured: whether an answer is more than one label."""

    n_rows: int
    before: float
    after: float
    measures: bool
    structured: bool


def write_sheet(run: Path, *, rows: int, out: Path, train: bool = False) -> Written:
    """Write the rows to review. train: rows of train instead of the test set. How they were drawn is stored in the run first."""
    refuse_other(out, made="a review sheet without answers", ours=lambda path: is_unanswered(path, columns=COLUMNS))
    _refuse_unfinished(run)
    with held(run):
        record = _refuse_unfinished(run)
        assert record.ledger is not None
        opened, stored = _opened(run, record), read_review(run)
        refuse_below("--rows", rows, low=1, example=150)
        side = opened.side("train" if train else "test")
        done = np.flatnonzero(np.isin(side.ids, list(stored.answers)))
        given = allocation(side.strata, side.weights, rows=rows, done=done, params=ReviewParams())
        _refuse_no_chance(side, given, done=done, rows=rows)
        chosen = draw(side.strata, given, done=done, seed=record.seed)
        if not len(chosen):
            raise InputError(f"{run} has no {side.name} row left that is not reviewed, so none can be written.")
        lines = _sheet_lines(run, opened, [side.ids[at] for at in chosen])
        drawn = drawn_sheet(side.name, side.strata, ids=side.ids, given=given, chosen=chosen, done=done)
        if drawn not in stored.sheets:
            write_review(run, StoredReview(stored.answers, (*stored.sheets, drawn)))
        write_lines(lines, out, columns=COLUMNS)
    widths = [opened.imagined_width(side, chosen, stored.answers, round=k) for k in range(IMAGINED)]
    noise = next((c for c in record.ledger.components if c.name == "noise"), None)
    measures = noise is not None and noise.status == "skipped"
    return Written(
        n_rows=len(chosen),
        before=100 * record.ledger.honest.width,
        after=100 * float(np.mean(widths)),
        measures=measures,
        structured=structure_of(record.task) is not None,
    )


def take_answers(run: Path, *, answers: Path) -> RunRecord:
    """Recompute run.json and the reports with the answers of a sheet added to earlier ones.

    Answers to rows that no sheet drew, and a sheet drawn from other rows than the run has now, are said in the account's notes.
    """

    def added(stored: Mapping[str, str], opened: ReviewedRun) -> dict[str, str]:
        read = read_sheet(answers, opened)
        if not read:
            raise InputError(f"{answers} holds no answers. Fill in the column answer with a label or {UNSURE}.")
        _refuse_of_other_rows(run, answers, opened, option="--answers")
        return {**stored, **read}

    return _accounted(run, added)


def withdraw_answers(run: Path, *, answers: Path) -> RunRecord:
    """The same without the answers to the rows that a sheet answers, whatever it says of them."""

    def left(stored: Mapping[str, str], opened: ReviewedRun) -> dict[str, str]:
        named = {as_written(row["id"]) for row in _lines(answers, option="--withdraw") if row[ANSWER].strip()}
        _refuse_of_other_rows(run, answers, opened, option="--withdraw")
        if not named & set(stored):
            raise InputError(f"{run} holds no answer to a row that {answers} answers, so there is nothing to withdraw.")
        return {row: answer for row, answer in stored.items() if row not in named}

    return _accounted(run, left)


def _accounted(run: Path, changed: Callable[[Mapping[str, str], ReviewedRun], dict[str, str]]) -> RunRecord:
    """Store the changed answers and all that follows from them."""
    _refuse_unfinished(run)
    with held(run):
        record = _refuse_unfinished(run)
        opened, stored = _opened(run, record), read_review(run)
        every = changed(stored.answers, opened)
        frames = {name: opened.side(name).strata.sha256 for name in {sheet.of for sheet in stored.sheets}}
        ledger = opened.account(every)
        ledger = dataclasses.replace(ledger, notes=(*ledger.notes, *doubts(stored, frames=frames, answered=every)))
        reviewed = dataclasses.replace(record, ledger=ledger)
        write_review(run, StoredReview(every, stored.sheets))
        run_record.save(reviewed, run)
        look_again(run, reviewed)
        from veridical.report.html import report

        for format in ("html", "md"):
            report(run, format=format, lang=record.config.get("lang", "en"))
    return reviewed


def recounted(run: Path) -> "Ledger":
    """The account of a finished run once more, from its stored tables and the answers taken so far."""
    record = _refuse_unfinished(run)
    return _opened(run, record).account(stored_answers(run))


def stored_answers(run: Path) -> Mapping[str, str]:
    return read_review(run).answers


def read_sheet(path: Path, reviewed: ReviewedRun) -> dict[str, str]:
    """Row id -> answer as it is stored; blank ones left out. Raises InputError for ids and answers that the run does not have."""
    found: dict[str, str] = {}
    ids, cells = reviewed.ids, dict[str, str]()
    for row in _lines(path, option="--answers"):
        cell, row_id = as_written(row[ANSWER].strip()), as_written(row["id"])
        if not cell:
            continue
        if row_id not in ids:
            raise InputError(f"{path} answers for row {row_id!r}, which this run would not ask about. Use its own sheet.")
        try:
            answer = reviewed.answer(row_id, cell)
        except InputError as error:
            raise InputError(f"{path}: row {row_id!r} has the answer {cell!r}, {error}; or leave it blank.") from error
        if found.get(row_id, answer) != answer:
            raise InputError(f"{path} answers row {row_id!r} twice: {cells[row_id]!r} and {cell!r}. Keep one of them.")
        found[row_id], cells[row_id] = answer, cell
    return found


SPOILT, SPOILT_ROWS = 0.1, 3
"""Share of the rows of a sheet, and rows, of which a spreadsheet may have changed text or label. Ours; no source."""
COMPARED = 1000
"""Letters and digits of a text by which a sheet's row is known again: spreadsheets cut long cells. Ours; no source."""


def _lines(path: Path, *, option: str) -> list[dict[str, str]]:
    return read_lines(path, columns=COLUMNS, made_by="veridical review", option=option)


def _refuse_of_other_rows(run: Path, path: Path, reviewed: ReviewedRun, *, option: str) -> None:
    """A sheet of other rows may hold the same ids, where these are places. Most of its texts or labels are then others; a few
    differ where a spreadsheet lost or rewrote them."""
    given = {as_written(row["id"]): row for row in _lines(path, option=option) if row[ANSWER].strip()}
    given = {row: cells for row, cells in given.items() if row in reviewed.ids}
    if not given or not (run / "data.parquet").is_file():
        return
    shown = _sheet_lines(run, reviewed, list(given))
    for place, column in ((1, "text"), (2, "label")):
        pairs = [(line[0], _bare(as_written(given[line[0]].get(column, ""))), _bare(line[place])) for line in shown]
        other = [row for row, said, known in pairs if said and said != known]
        if len(other) > min(len(pairs) / 2, max(SPOILT_ROWS, SPOILT * len(pairs))):
            raise InputError(
                f"{path} shows another {column} than this run has for {len(other)} of {len(pairs)} rows, {other[0]!r} first: it "
                "was written for other rows. Use the sheet that veridical review wrote for this run."
            )


def _bare(cell: str) -> str:
    """Letters and digits alone: what a spreadsheet leaves of a cell, however it writes blanks, capitals and signs."""
    return "".join(character for character in cell.casefold() if character.isalnum())[:COMPARED]


def _refuse_unfinished(run: Path) -> RunRecord:
    record = run_record.read(run)
    if not record.complete or record.ledger is None:
        raise InputError(f"The run in {run} is not finished. Give the same command again, then review it.")
    return record


def _opened(run: Path, record: RunRecord) -> ReviewedRun:
    structure = structure_of(record.task)
    return LabelRun.opened(run, record) if structure is None else AnswerRun.opened(run, record, structure)


def _refuse_no_chance(side: Side, given: "IntArray", *, done: "IntArray", rows: int) -> None:
    """A row that no sheet can ask about leaves its part of the account to a guess."""
    if not side.each:
        return
    left = np.bincount(side.strata.stratum, minlength=len(given)) - np.bincount(side.strata.stratum[done], minlength=len(given))
    kinds = int((left > 0).sum())
    if rows < kinds:
        raise InputError(
            f"--rows is {rows}, and {kinds} kinds of rows are left to ask about; at least one row of each is needed, so that "
            f"every row has a chance to be read. Give {kinds} or more, for example 150."
        )


def _sheet_lines(run: Path, reviewed: ReviewedRun, ids: list[str]) -> list[tuple[str, str, str, str]]:
    """What the sheet says of each row, in the order of COLUMNS."""
    data = texts_of(run)
    position = {row: at for at, row in enumerate(data.ids)}
    lines = []
    for row in ids:
        at = position[row]
        text = data.texts[at] if data.seconds is None else f"{data.texts[at]} ||| {data.seconds[at]}"
        lines.append((row, text, reviewed.shown(data, at), ""))
    return lines
