"""Candidates: what data and probes point at stands in the account without points, and gives way to what a contract declares."""

import pytest

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component
from veridical.core.probe_record import Counts, Measure, ProbeOutcome, ProbeRecord
from veridical.ledger.candidates import candidates, made_of_data

EVIDENCE = "word 'zanzibar': 40 of 41 rows are pos"


def measure(name: str, value: float, *, unit: str = "points", status: str = "found") -> Measure:
    estimate = Estimate(value, value - 1, value + 1, 0.95, 100, 100, "made up")
    return Measure(name, estimate, unit, "about", null=0.03 if unit == "share" else 0.0, mde=1.0, status=status)


def outcome(probe: str, *measures: Measure) -> ProbeOutcome:
    return ProbeOutcome(probe, "found", 100, "said", "", measures, (), (), {}, Counts(), 0.1)


def record(*outcomes: ProbeOutcome) -> ProbeRecord:
    return ProbeRecord(outcomes, 0, "accuracy", "quick")


def test_words_of_the_check_and_of_the_probe_are_one_candidate():
    probes = record(outcome("shortcuts", measure("transplant_nile", 9.0), measure("transplant_zanzibar", 31.5)))
    (found,) = candidates([EVIDENCE], probes, declared=())
    assert (found.name, found.kind, found.status, found.points) == ("shortcut", "transfer", "candidate", None)
    assert found.details == {"words": ["zanzibar", "nile"]}  # what costs most first
    assert found.rows == 2
    assert EVIDENCE in found.why
    assert "zanzibar 31.5 points; nile 9.0 points" in found.why


def test_what_was_not_found_is_no_candidate():
    quiet = record(
        outcome("shortcuts", measure("transplant_nile", 9.0, status="not_detected"), measure("length_only", 9.0)),
        outcome("robustness", measure("loss (ocr, 30 %)", -3.0), measure("flips (ocr, 30 %)", 30.0)),
        outcome("fairness", measure("equalized_odds_difference", 0.4, unit="share")),
        outcome("shift", measure("told_apart: train to test", 0.9, unit="share"), measure("lost: a to b", -2.0)),
    )
    (found,) = candidates([], quiet, declared=())
    assert (found.name, found.status) == ("shortcut", "skipped")
    assert candidates([], None, declared=()) == (found,)


@pytest.mark.parametrize(
    ("probe", "name", "player", "says"),
    [
        ("robustness", "loss (ocr, 30 %)", "fragility", "loss (ocr, 30 %) 12.5 points"),
        ("shift", "lost: train to test", "shift", "lost: train to test 12.5 points"),
        ("shift", "left_out: yelp", "shift", "left_out: yelp 12.5 points"),
    ],
)
def test_what_a_probe_found_waits_for_a_contract(probe, name, player, says):
    probes = record(outcome(probe, measure(name, 12.5)))
    by_name = {found.name: found for found in candidates([], probes, declared=())}
    assert by_name[player].points is None
    assert (by_name[player].kind, by_name[player].status) == ("transfer", "candidate")
    assert says in by_name[player].why
    assert "--contract" in by_name[player].why
    assert player not in {found.name for found in candidates([], probes, declared={player})}


@pytest.mark.parametrize(
    ("status", "visible", "declared"),
    [("not_detected", 0.05, False), ("found", 0.05, True), ("not_detected", 0.051, True)],
)
def test_points_lost_between_texts_that_are_alike_are_no_candidate_for_a_shift(status, visible, declared):
    seen = Estimate(0.53, 0.5, 0.56, 0.95, 100, 100, "made up")
    told = Measure("told_apart: train to test", seen, "share", "about", null=0.5, mde=visible, status=status)
    probes = record(outcome("shift", told, measure("lost: train to test", 9.5)))
    by_name = {found.name: found.why for found in candidates([], probes, declared=())}
    assert ("shift" in by_name) == declared
    if declared:
        assert ("wrong labels may look like this too: train to test." in by_name["shift"]) == (status == "not_detected")


def test_a_gap_between_groups_is_said_beside_that_of_random_groups():
    probes = record(outcome("fairness", measure("metric_gap", 0.21, unit="share")))
    groups = next(found for found in candidates([], probes, declared={"shortcut"}) if found.name == "groups")
    assert "Groups differ by 21.0 points, groups dealt at random by 3.0" in groups.why


def test_players_of_a_contract_are_not_taken_for_candidates():
    own, declared = candidates([EVIDENCE], None, declared=())[0], {"declared": True}
    assert made_of_data(own)
    assert not made_of_data(Component("groups", "transfer", "skipped", None, None, 0, "why", details=declared))
    points = Estimate(1.0, 0.0, 2.0, 0.95, 10, 10, "made up")
    assert not made_of_data(Component("shortcut", "transfer", "measured", points, 1.0, 3, "why"))
    assert not made_of_data(Component("reuse", "measurement", "skipped", None, None, 0, "why"))
