"""`--fail-on`: when a finished run should fail a build. Grammar: gap=3, found=CHECK, severity=serious; commas join several.
found takes the name of a probe too, where the verb runs probes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from veridical.core.counted import counted
from veridical.core.errors import InputError, UnknownName
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Ledger
from veridical.core.plugins import names
from veridical.core.probe_record import ProbeRecord

Kind = Literal["gap", "found", "severity"]
SEVERITIES = {"minor": 0.0, "moderate": 0.5, "serious": 0.9}
"""Lowest finding score of each word, 0..1. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Rule:
    """kind: gap (points between reported and honest), found (the name of a check or a probe) or severity (a word)."""

    kind: Kind
    value: str


def parse(text: str, *, wanted: Sequence[str] | None = None) -> tuple[Rule, ...]:
    """The rules of one --fail-on. Raises InputError on anything else. wanted: the probes and sets of them that will run; None
    where the verb runs none."""
    return tuple(_rule(part.strip(), wanted) for part in text.split(",") if part.strip())


def _rule(part: str, wanted: Sequence[str] | None) -> Rule:
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
            _refuse_absent(value, wanted)
        return Rule("found", value)
    if kind == "severity":
        if value not in SEVERITIES:
            raise UnknownName("severity", value, SEVERITIES)
        return Rule("severity", value)
    raise UnknownName("--fail-on rule", kind, ("gap", "found", "severity"))


def _refuse_absent(name: str, wanted: Sequence[str] | None) -> None:
    """Raise InputError for what is no check, unless it is a probe that will run: a build must not pass because nobody looked."""
    if wanted is None:
        raise UnknownName("check", name, names("veridical.audit"), "See: veridical list checks")
    known = names("veridical.probe")
    if name not in known:
        raise UnknownName("check or probe", name, [*names("veridical.audit"), *known], "See: veridical list")
    from veridical.probe._runner import chosen_probes

    if name not in chosen_probes(wanted):
        raise InputError(f"--fail-on found={name}: that probe does not run. Add it: --probes {name}")


def reasons(
    rules: tuple[Rule, ...], *, audit: AuditRecord, ledger: Ledger | None, probes: ProbeRecord | None = None
) -> list[str]:
    """One sentence per rule that is met; empty: the build may pass."""
    met: list[str] = []
    for rule in rules:
        if rule.kind == "gap":
            met += _gap(float(rule.value), ledger)
        elif rule.kind == "found":
            record, probe = audit.check(rule.value), probes.probe(rule.value) if probes else None
            if record is not None and record.status == "found":
                met.append(f"{rule.value} found {counted(record.n_found, 'row')}.")
            elif probe is not None and probe.status == "found":
                met.append(f"{rule.value} found: {', '.join(m.name for m in probe.measures if m.status == 'found')}.")
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
