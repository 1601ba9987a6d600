"""`--fail-on`: when a finished run should fail a build. Grammar: gap=3, found=CHECK, severity=serious; commas join several."""

from dataclasses import dataclass
from typing import Literal

from veridical.core.counted import counted
from veridical.core.errors import InputError, UnknownName
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import names

Kind = Literal["gap", "found", "severity"]
SEVERITIES = {"minor": 0.0, "moderate": 0.5, "serious": 0.9}
"""Lowest finding score of each word, 0..1. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Rule:
    """kind: gap (points between reported and honest), found (a check's name) or severity (a word)."""

    kind: Kind
    value: str


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of one --fail-on. Raises InputError on anything else."""
    return tuple(_rule(part.strip()) for part in text.split(",") if part.strip())


def _rule(part: str) -> Rule:
    kind, equals, value = part.partition("=")
    if not equals or not value:
        raise InputError(f"--fail-on got {part!r}; allowed: gap=POINTS, found=CHECK, severity=serious. Example: --fail-on gap=3")
    if kind == "gap":
        try:
            points = float(value)
        except ValueError:
            points = float("nan")
        if not points >= 0:
            raise InputError(f"--fail-on gap= got {value!r}; it must be points, 0 or more. Example: --fail-on gap=3")
        return Rule("gap", value)
    if kind == "found":
        if value not in names("veridical.audit"):
            raise UnknownName("check", value, names("veridical.audit"), "See: veridical list checks")
        return Rule("found", value)
    if kind == "severity":
        if value not in SEVERITIES:
            raise UnknownName("severity", value, SEVERITIES)
        return Rule("severity", value)
    raise UnknownName("--fail-on rule", kind, ("gap", "found", "severity"))


def reasons(rules: tuple[Rule, ...], *, audit: AuditRecord, ledger: Ledger | None) -> list[str]:
    """One sentence per rule that is met; empty: the build may pass."""
    met: list[str] = []
    for rule in rules:
        if rule.kind == "gap":
            met += _gap(float(rule.value), ledger)
        elif rule.kind == "found":
            record = audit.check(rule.value)
            if record is not None and record.status == "found":
                met.append(f"{rule.value} found {counted(record.n_found, 'row')}.")
        else:
            least = SEVERITIES[rule.value]
            worst = [c.check for c in audit.checks if any(finding.score >= least for finding in c.findings)]
            if worst:
                met.append(f"Findings of severity {rule.value} or worse: {', '.join(worst)}.")
    return met


def _gap(allowed: float, ledger: Ledger | None) -> list[str]:
    if ledger is None:
        return []
    gap = 100 * (ledger.reported.value - ledger.honest.value)
    if gap <= allowed:
        return []
    return [f"Reported is {gap:.1f} points above honest; --fail-on allows {allowed:g}."]
