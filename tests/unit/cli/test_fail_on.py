"""--fail-on: the grammar, and when it is met."""

import pytest

from veridical.cli._fail_on import parse, reasons
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord, CheckRecord, Finding
from veridical.core.ledger_record import Ledger
from veridical.core.probe_record import Counts, Measure, ProbeOutcome, ProbeRecord


def _estimate(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01, 0.95, 100, 90, "test")


LEDGER = Ledger("accuracy", "clusters", _estimate(0.96), _estimate(0.85), None, (), {})


def _audit(check: str, score: float) -> AuditRecord:
    finding = Finding("r1", "test", score, "because")
    return AuditRecord((CheckRecord(check, "found", 10, 1, "", "", {}, {}, 0.1, (finding,)),), 0)


CLEAN = AuditRecord((), 0)


@pytest.mark.parametrize(("rule", "met"), [("gap=3", True), ("gap=10.99", True), ("gap=11.5", False), ("", False)])
def test_gap(rule: str, met: bool) -> None:
    assert bool(reasons(parse(rule), audit=CLEAN, ledger=LEDGER)) is met
    assert not reasons(parse(rule), audit=CLEAN, ledger=None)


def test_severity_and_joined_rules() -> None:
    assert reasons(parse("severity=serious"), audit=_audit("x", 0.95), ledger=LEDGER)
    assert not reasons(parse("severity=serious"), audit=_audit("x", 0.5), ledger=LEDGER)
    assert len(reasons(parse("severity=minor, gap=1"), audit=_audit("x", 0.5), ledger=LEDGER)) == 2


@pytest.mark.parametrize(
    "text", ["gap", "gap=", "gap=many", "gap=-1", "gap=nan", "found=no_such_check", "severity=bad", "speed=3"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse(text)


def _probes(status: str) -> ProbeRecord:
    measure = Measure("transplant_soup", _estimate(0.5), "points", "about", null=0.0, mde=1.0, status=status)
    outcome = ProbeOutcome("shortcuts", status, 100, "", "", (measure,), (), (), {}, Counts(), 0.1)
    return ProbeRecord((outcome,), 0, "accuracy", "quick")


def test_a_probe_can_fail_a_build_if_it_runs() -> None:
    rules = parse("found=shortcuts", wanted=("cheap", "shortcuts"))
    (said,) = reasons(rules, audit=CLEAN, ledger=LEDGER, probes=_probes("found"))
    assert said == "shortcuts found: transplant_soup."
    assert not reasons(rules, audit=CLEAN, ledger=LEDGER, probes=_probes("not_detected"))
    with pytest.raises(InputError, match="Add it: --probes shortcuts"):
        parse("found=shortcuts", wanted=("cheap",))
    with pytest.raises(InputError, match="Did you mean 'shortcuts'"):
        parse("found=shortcut", wanted=())
    with pytest.raises(InputError, match="check"):
        parse("found=shortcuts")  # of a verb that runs no probes
