"""What probes found, as it stands in probes.json. Computed in `probe/`, drawn in `report/`; readable without torch."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate

FORMAT = 1
FILE = "probes.json"
REVISIONS = "contrast_file"
"""Name of the outcome on revisions that someone has written."""
SUITE = "suite_file"
"""Name of the outcome on a suite of tests that someone has written."""
GIVEN = (REVISIONS, SUITE)
"""Outcomes on a user's own files; no budget limits them."""
ALPHA = 0.05
"""A measure counts as found up to this p value, corrected over the measures of its probe. Convention."""
ProbeStatus = Literal["found", "not_detected", "described", "skipped"]
MeasureStatus = Literal["found", "not_detected", "described"]
Unit = Literal["share", "points", "nats", "ratio", "rows"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measured quantity of a probe.

    unit: share (0..1), points (percentage points), nats, ratio or rows. null: the value where nothing is wrong; None for a
    quantity that only describes (it then has no status but `described`). worse: the side of null on which the trouble lies.
    mde: the smallest departure from null seen with 80 % power at this size, in the measure's unit; required where null is given.
    p: p value of "equal to null", None where the status rests on the interval alone. about: what it is, one sentence.
    """

    name: str
    estimate: Estimate
    unit: Unit
    about: str
    null: float | None = None
    worse: Literal["above", "below", "both"] = "above"
    mde: float | None = None
    p: float | None = None
    status: MeasureStatus = "described"

    def __post_init__(self) -> None:
        if self.null is not None and self.mde is None:
            raise ValueError(f"measure {self.name!r} has a null value but no smallest visible effect")


@dataclass(frozen=True, slots=True)
class Curve:
    """Estimates along one axis: accuracy over a query budget, coverage over a threshold, score over the size of train."""

    name: str
    axis: str
    at: tuple[float, ...]
    estimates: tuple[Estimate, ...]
    about: str


@dataclass(frozen=True, slots=True)
class Example:
    """One row that shows it. before, after: what the model read; said_before, said_after: what it answered (label and share)."""

    row: str
    before: str
    after: str
    said_before: str
    said_after: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Questions put to the model. asked: inputs wanted; unique: different ones; forwards: inputs the model really computed
    (an answer from the cache is none); changed: share of answers that differed when the same input was asked again, None where
    that was not looked at."""

    asked: int = 0
    unique: int = 0
    forwards: int = 0
    seconds: float = 0.0
    changed: float | None = None


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """One probe. status: found where a measure departs from its null, `not_detected` where none does, described where no measure
    has a null, skipped where it could not look (`why` says what is missing)."""

    probe: str
    status: ProbeStatus
    n_rows: int
    summary: str
    why: str
    measures: tuple[Measure, ...]
    curves: tuple[Curve, ...]
    examples: tuple[Example, ...]
    params: dict[str, Any]
    counts: Counts
    seconds: float
    notes: tuple[str, ...] = ()

    def measure(self, name: str) -> Measure | None:
        return next((m for m in self.measures if m.name == name), None)


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """All probes of one model, in the order they ran."""

    probes: tuple[ProbeOutcome, ...]
    seed: int
    metric: str
    budget: str
    fingerprints: dict[str, str] = field(default_factory=dict)

    def probe(self, name: str) -> ProbeOutcome | None:
        return next((p for p in self.probes if p.probe == name), None)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "ProbeRecord":
        plain = {k: record[k] for k in ("seed", "metric", "budget", "fingerprints")}
        return cls(probes=tuple(_outcome(p) for p in record["probes"]), **plain)


def _outcome(record: dict[str, Any]) -> ProbeOutcome:
    measures = tuple(Measure(**{**m, "estimate": Estimate.from_json(m["estimate"])}) for m in record["measures"])
    curves = tuple(
        Curve(**{**c, "at": tuple(c["at"]), "estimates": tuple(Estimate.from_json(e) for e in c["estimates"])})
        for c in record["curves"]
    )
    return ProbeOutcome(
        **{
            **record,
            "measures": measures,
            "curves": curves,
            "examples": tuple(Example(**e) for e in record["examples"]),
            "counts": Counts(**record["counts"]),
            "notes": tuple(record["notes"]),
        }
    )


def save(record: ProbeRecord, folder: Path) -> Path:
    path = folder / FILE
    write_json(path, record.to_json())
    return path


def read(folder: Path) -> ProbeRecord | None:
    """The record of a run folder; None when nothing was probed. Raises InputError for a file that is not ours."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). Make it again with: veridical probe {folder} --fresh") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path} has format {got!r}; this veridical reads format {FORMAT}. Probe again with --fresh.")
    try:
        found = ProbeRecord.from_json(record)
        dict(found.fingerprints)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is damaged ({error}). Make it again with: veridical probe {folder} --fresh") from error
    return found
