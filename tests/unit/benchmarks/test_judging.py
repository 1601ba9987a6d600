"""Known answers of the honesty benchmark's own arithmetic."""

import pytest
from benchmarks.honesty.judging import Judged, interval_score, verdict


def test_interval_score_is_the_width_when_the_truth_is_inside():
    assert interval_score(Judged(0.8, 0.75, 0.85, 0.8)) == pytest.approx(0.10)


def test_interval_score_adds_forty_times_the_miss():
    assert interval_score(Judged(0.8, 0.75, 0.85, 0.87)) == pytest.approx(0.10 + 40 * 0.02)
    assert interval_score(Judged(0.8, 0.75, 0.85, 0.73)) == pytest.approx(0.10 + 40 * 0.02)


def test_verdict_of_two_cells():
    found = verdict([Judged(0.80, 0.78, 0.82, 0.81), Judged(0.90, 0.89, 0.91, 0.87)])
    assert found.cells == 2
    assert found.error == pytest.approx(2.0)  # |-1| and |+3|
    assert found.error_se == pytest.approx(1.0)  # standard deviation sqrt(2) over sqrt(2)
    assert found.bias == pytest.approx(1.0)
    assert found.coverage == 0.5
    assert found.width == pytest.approx(3.0)
