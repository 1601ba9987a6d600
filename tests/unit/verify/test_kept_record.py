"""The account in run.json adds up, whatever the contract is called."""

import pytest

from veridical.verify.kept_record import adds_up


def scored(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def record(name="shop", *, under=0.79, shortcut=1.0):
    parts = [("leakage", "measurement", 10.0), ("noise", "measurement", None), ("shortcut", "transfer", shortcut)]
    components = [{"name": n, "kind": kind, "points": p if p is None else {"value": p}} for n, kind, p in parts]
    return {
        "reported": scored(0.9), "honest": scored(0.8), "components": components,
        "contract": {"name": name, "honest": scored(under)},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["shop", "honest", "reported"])
def test_an_account_that_adds_up_holds(name):
    assert adds_up(record(name)).holds


def test_without_a_contract_the_measurement_alone_counts():
    assert adds_up({**record(), "contract": None}).holds


def test_a_score_under_the_contract_that_does_not_fit_is_said():
    wrong = adds_up(record(under=0.6))
    assert wrong.holds is False
    assert "honest minus the points of its components is not the score under the contract" in wrong.why
