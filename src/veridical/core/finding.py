"""What a check says: found (which rows, how bad, on what evidence), clean (over how many rows) or skipped (why)."""

from dataclasses import dataclass, field
from typing import Any, Literal

from veridical.core.estimate import Estimate

Status = Literal["found", "clean", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong with one row (or, with `row` empty, with the data set as a whole).

    score: severity 0..1, 1 is worst. reason: a short sentence for a person. evidence: the span, word or figure it rests on.
    other_row: the id of the second row of a pair, if any. repair: the name of the repair that answers it, if any.
    """

    row: str
    split: str
    score: float
    reason: str
    evidence: str = ""
    other_row: str = ""
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The check could not look; `why` says what was missing and how to provide it."""

    why: str


@dataclass(frozen=True, slots=True)
class Looked:
    """The check looked at `n_rows` rows. No findings means clean; the runner, not the check, says so."""

    n_rows: int
    findings: tuple[Finding, ...] = ()
    summary: str = ""
    measures: dict[str, Estimate] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """The outcome of one check, as written to audit.json (findings themselves go to findings.parquet)."""

    check: str
    status: Status
    n_rows: int
    n_found: int
    summary: str
    why: str
    measures: dict[str, Estimate]
    params: dict[str, Any]
    seconds: float
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """All checks of one audit, in the order they ran."""

    checks: tuple[CheckRecord, ...]
    seed: int

    def check(self, name: str) -> CheckRecord | None:
        return next((c for c in self.checks if c.check == name), None)

    def findings(self, name: str) -> tuple[Finding, ...]:
        record = self.check(name)
        return record.findings if record else ()
