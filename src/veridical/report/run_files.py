"""What a report draws: the files of a run folder, those that may be absent included."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core import explain_record, probe_record, run_record
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.explain_record import ExplainedRow, ExplainRecord
from veridical.core.finding import CheckRecord, Finding
from veridical.core.plugins import get, names
from veridical.core.probe_record import ProbeRecord
from veridical.core.run_record import RunRecord

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN_PER_CHECK = 500
"""Findings of one check that a report shows, worst first. From the goal: 500 rows a check."""


SHOWN_PER_COMPONENT = 10
"""Rows of one component that a report shows. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Row:
    """The texts and the label of one row that a report may show."""

    split: str
    text: str
    second: str
    label: str


@dataclass(frozen=True, slots=True)
class Explained:
    """rows: component -> its first rows. stale: the account has changed since; then nothing of it is shown."""

    record: ExplainRecord
    rows: dict[str, list[ExplainedRow]]
    stale: bool


@dataclass(frozen=True)
class RunFiles:
    """checks: findings cut to the worst; CheckRecord.n_found still counts all. rows is None when the run keeps no texts.

    predicted: row id -> predicted label, for the rows shown. edits: (repair, action) -> how many.
    """

    folder: Path
    record: RunRecord
    checks: tuple[CheckRecord, ...]
    rows: dict[str, Row] | None
    predicted: dict[str, str]
    edits: dict[tuple[str, str], int]
    probes: ProbeRecord | None = None
    explained: Explained | None = None
    certificate: str = ""


def read_run_files(folder: Path, *, shown: int = SHOWN_PER_CHECK) -> RunFiles:
    """All a report needs. Only run.json must be there. Raises InputError when it is not, or when a file is damaged."""
    record = run_record.read(folder)
    checks = _checks(folder, shown=shown)
    wanted = {row for check in checks for finding in check.findings for row in (finding.row, finding.other_row) if row}
    rows = _table(folder / "rows.parquet", ["id", "split", "text", "second", "label"])
    predictions = _table(folder / "predictions.parquet", ["id", "predicted"])
    edits = _table(folder / "edits.parquet", ["repair", "action"])
    texts = None if rows is None else _rows(rows, wanted)
    predicted = {} if predictions is None else _predicted(predictions, wanted)
    texts, predicted = _as_read(record.task, texts, predicted)
    return RunFiles(
        folder=folder,
        record=record,
        checks=checks,
        rows=texts,
        predicted=predicted,
        edits={} if edits is None else dict(Counter((str(e["repair"]), str(e["action"])) for e in edits.to_pylist())),
        probes=probe_record.read(folder),
        explained=_explained(folder, record),
        certificate=_certificate(folder),
    )


NOTHING = "–"
"""How an answer is shown that says: nothing is there."""


def _as_read(task: str, rows: dict[str, Row] | None, predicted: dict[str, str]) -> tuple[dict[str, Row] | None, dict[str, str]]:
    """Answers of more than one label as a reader sees them, and a question before its text."""
    structure = get("veridical.tasks", "task", task).structure if task in names("veridical.tasks") else None
    if structure is None or rows is None:
        return rows, predicted
    shown = {row: structure.shown(one.text, one.label) or NOTHING for row, one in rows.items() if one.label}
    said = {row: structure.shown(rows[row].text, answer) or NOTHING for row, answer in predicted.items() if row in rows}
    asked = structure.head == "span"
    changed = {
        row: Row(one.split, *((one.second, one.text) if asked else (one.text, one.second)), shown.get(row, one.label))
        for row, one in rows.items()
    }
    return changed, said


def _certificate(folder: Path) -> str:
    """The hash that certificate.json gives itself; empty where there is none, or it is damaged (veridical verify says how)."""
    try:
        found = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(found.get("sha256", "")) if isinstance(found, dict) else ""


def _explained(folder: Path, record: RunRecord) -> Explained | None:
    found = explain_record.read(folder)
    if found is None or record.ledger is None:
        return None
    if found.ledger_sha256 != explain_record.ledger_sha256(record.ledger):
        return Explained(replace(found, components=()), {}, stale=True)
    named = [c.component for c in found.components if c.rows]
    rows = {name: explain_record.read_rows(folder, component=name, rows=SHOWN_PER_COMPONENT) for name in named}
    return Explained(found, rows, stale=False)


def _table(path: Path, columns: list[str]) -> "pa.Table | None":
    """The named columns of a Parquet file (those it has); None when there is no file."""
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        there = set(pq.read_schema(path).names)
        return pq.read_table(path, columns=[name for name in columns if name in there])
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())}). Run again with --fresh.") from error


def _only(table: "pa.Table", wanted: set[str]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pc.is_in(table.column("id"), value_set=pa.array(sorted(wanted), pa.string()))
    return list(table.filter(keep).to_pylist())


def _rows(table: "pa.Table", wanted: set[str]) -> dict[str, Row]:
    return {
        str(row["id"]): Row(*(str(row.get(name) or "") for name in ("split", "text", "second", "label")))
        for row in _only(table, wanted)
    }


def _predicted(table: "pa.Table", wanted: set[str]) -> dict[str, str]:
    return {str(row["id"]): str(row["predicted"]) for row in _only(table, wanted) if row.get("predicted") is not None}


def _checks(folder: Path, *, shown: int) -> tuple[CheckRecord, ...]:
    path = folder / "audit.json"
    if not path.is_file():
        return ()
    try:
        audit = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). Run again with --fresh.") from error
    findings = _table(
        folder / "findings.parquet", ["row", "split", "check", "score", "reason", "evidence", "other_row", "repair"]
    )
    return tuple(_check(record, findings, shown=shown) for record in audit["checks"])


def _check(record: dict[str, Any], table: "pa.Table | None", *, shown: int) -> CheckRecord:
    import pyarrow.compute as pc

    worst: tuple[Finding, ...] = ()
    if table is not None:
        mine = table.filter(pc.equal(table.column("check"), record["check"]))
        mine = mine.take(pc.sort_indices(mine, sort_keys=[("score", "descending"), ("row", "ascending")])[:shown])
        worst = tuple(
            Finding(**{name: row[name] or "" for name in row if name not in ("check", "score")}, score=row["score"])
            for row in mine.to_pylist()
        )
    return CheckRecord(
        check=record["check"],
        status=record["status"],
        n_rows=record["n_rows"],
        n_found=record["n_found"],
        summary=record["summary"],
        why=record["why"],
        measures={name: Estimate.from_json(value) for name, value in record["measures"].items()},
        params=record["params"],
        seconds=record["seconds"],
        findings=worst,
    )
