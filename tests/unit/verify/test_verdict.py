"""What a verdict says of a loss that nobody saw: ruled out, or not."""

from dataclasses import replace

import pytest

from veridical.core.estimate import Estimate
from veridical.core.run_record import Arm, RoutedArm
from veridical.report.sentences import translated
from veridical.verify import countermeasure_verdict
from veridical.verify.verdict import Trial, against_both, judged


def gain(low: float, value: float, high: float) -> Estimate:
    return Estimate(value, low, high, 0.95, 400, 390, "paired")


def arm(kind: str, gained: Estimate) -> Arm:
    placebo = gained if kind == "training" else None
    return Arm("drop_duplicates", "", kind, "", 9, None, None, None, gained, placebo, 0.4, 0.4 if placebo else None, 1.1)


@pytest.mark.parametrize(("kind", "p_better"), [("training", 0.4), ("measurement", 0.4), ("measurement", 0.001)])
def test_harmless_says_which_loss_cannot_be_ruled_out(kind, p_better):
    (wide,) = judged([Trial(arm(kind, gain(-2.34, 0.1, 2.5)), p_better, 0.6)])
    assert wide.outcome == "harmless"
    assert "A loss over 1 point cannot be ruled out" in wide.why
    assert "up to 2.3 may be lost" in wide.why
    assert "可能损失多达 2.3 分" in translated(wide.why, "zh")


@pytest.mark.parametrize(
    ("low", "said"),
    [
        (-1.03, "cannot be ruled out: by the lower end of the 95 % interval up to 1.03 may be lost"),
        (-1.004, "cannot be ruled out: by the lower end of the 95 % interval up to 1.004 may be lost"),
        (-0.95, "is ruled out: by the lower end of the 95 % interval at most 1.0 are lost"),
        (-0.51, "is ruled out: by the lower end of the 95 % interval at most 0.6 are lost"),
    ],
)
def test_what_may_be_lost_lies_on_the_side_that_is_said(low, said):
    (arm_of,) = judged([Trial(arm("training", gain(low, 0.1, 2.5)), 0.4, 0.6)])
    assert f"A loss over 1 point {said}" in arm_of.why


def test_a_gain_that_only_the_correction_hides_is_said():
    """Three repairs, p = 0.03 each before Holm's correction."""
    hidden = replace(arm("training", gain(0.1, 2.7, 5.1)), p_untouched=0.03)
    for one in judged([Trial(hidden, 0.4, 0.6)] * 3):
        assert one.outcome == "harmless"
        assert "Alone it would be; the outcome is corrected for the number of repairs, the interval is not." in one.why


@pytest.mark.parametrize("unknown", ["p_untouched", "p_placebo"])
def test_a_p_value_that_is_not_known_never_holds(unknown):
    lacking = replace(arm("training", gain(0.1, 2.7, 5.1)), **{"p_untouched": 0.001, "p_placebo": 0.001, unknown: None})
    with pytest.raises(AssertionError):
        judged([Trial(lacking, against_both(lacking), 0.99)])


def test_a_gain_over_untouched_that_is_not_known_never_holds():
    lacking = replace(arm("training", gain(0.1, 2.7, 5.1)), p_untouched=None)
    with pytest.raises(AssertionError):
        judged([Trial(lacking, 0.06, 0.99)])


def test_an_interval_that_the_test_does_not_follow_is_said():
    (one,) = judged([Trial(arm("training", gain(0.1, 2.7, 5.1)), 0.4, 0.6)])
    assert one.outcome == "harmless"
    assert "Its interval leaves out 0; the test, which swaps the two on whole clusters, does not (p = 0.400)." in one.why
    assert "Alone" not in one.why


@pytest.mark.parametrize("kind", ["training", "measurement"])
def test_harmless_over_many_rows_rules_a_loss_over_a_point_out(kind):
    (narrow,) = judged([Trial(arm(kind, gain(-0.6, 0.1, 0.8)), 0.4, 0.6)])
    assert narrow.outcome == "harmless"
    assert "A loss over 1 point is ruled out" in narrow.why
    assert "at most 0.6 are lost" in narrow.why
    assert "最多损失 0.6 分" in translated(narrow.why, "zh")


def test_a_countermeasure_that_is_harmless_says_the_same():
    tried = RoutedArm(replace(arm("countermeasure", gain(-3.0, 0.0, 3.0)), mde=4.2), "noise", "locked", None, "5 models each")
    outcome, why = countermeasure_verdict._verdict(tried, better=0.5, worse=0.5)
    assert outcome == "harmless"
    assert why.endswith("A loss over 1 point cannot be ruled out: by the lower end of the 95 % interval up to 3.0 may be lost.")


@pytest.mark.parametrize(
    ("placebo", "english", "chinese"),
    [
        (gain(0.4, 3.9, 7.5), "may do as well", "也可能有同样效果"),
        (gain(-5.0, -3.0, -1.0), "did better", "效果更好"),
    ],
)
def test_a_gain_that_its_placebo_may_share_is_harmless_and_says_so(placebo, english, chinese):
    found = replace(arm("training", gain(1.3, 3.7, 6.4)), p_untouched=0.01, p_placebo=0.06, gain_over_placebo=placebo)
    (one,) = judged([Trial(found, 0.06, 0.99)])
    assert one.outcome == "harmless"
    assert f"as much meddling aimed at nothing {english}. A loss over 1 point is ruled out" in one.why
    assert chinese in translated(one.why, "zh")
    assert "meddling" not in translated(one.why, "zh")
