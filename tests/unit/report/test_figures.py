"""Figures as they are written."""

import pytest

from veridical.core.estimate import Estimate
from veridical.report.figures import band, points


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (9.86, 11.7, "[+9.9, +11.7]"),
        (0.04, 1.2, "[+0.04, +1.2]"),
        (-1.2, -0.003, "[-1.2, -0.003]"),
        (0.0, 0.0, "[0.0, 0.0]"),
        (-1e-12, 0.5, "[0.0, +0.5]"),
    ],
)
def test_an_interval_that_leaves_out_0_does_not_look_as_if_it_held_it(low: float, high: float, written: str) -> None:
    assert band(Estimate((low + high) / 2, low, high, 0.95, 10, 10, "made up")) == written


def test_points_have_a_sign_unless_they_round_to_nothing() -> None:
    assert [points(value) for value in (10.83, -0.04, 0.04, -3.0)] == ["+10.8", "0.0", "0.0", "-3.0"]
