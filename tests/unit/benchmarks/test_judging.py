"""Known answers of the honesty benchmark's own arithmetic."""

import numpy as np
import pytest
from benchmarks.honesty.judging import Judged, interval_score, ratio_interval, verdict, verdict_of_draws
from benchmarks.honesty.run import covered_alone, summarise


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


def test_draws_of_one_cell_are_one_cell_with_the_mean_of_their_errors():
    right, wrong = Judged(0.80, 0.78, 0.82, 0.80), Judged(0.86, 0.84, 0.88, 0.80)
    found = verdict_of_draws([[right, wrong], [wrong, wrong]])
    assert (found.cells, found.coverage) == (2, 0.25)
    assert found.error == pytest.approx(4.5)  # cells of 3 and 6 points
    assert found.error_se == pytest.approx(1.5)


def test_a_ratio_of_errors_comes_with_what_few_cells_leave_open():
    rng = np.random.default_rng(1)
    others = rng.exponential(size=400)
    low, high = ratio_interval(1.1 * others, others)
    assert (low, high) == (pytest.approx(1.1), pytest.approx(1.1))
    many, few = (ratio_interval(np.abs(rng.normal(size=n)), np.abs(rng.normal(size=n))) for n in (4000, 40))
    assert 0.9 < many[0] < 1.0 < many[1] < 1.1
    assert few[1] - few[0] > 5 * (many[1] - many[0])


def told(points, standard_error, truth, status="measured", error=0.0):
    component = {"points": points, "standard_error": standard_error, "status": status}
    true = {"component_truth": {"leakage": truth}, "component_truth_error": {"leakage": error}}
    return {"reviewed": {"components": {"leakage": component}}, **true}


def test_coverage_of_a_component_alone_is_within_two_standard_errors():
    cells = [told(2.0, 1.0, 3.9), told(2.0, 1.0, 4.0), told(2.0, 1.0, 0.1), told(2.0, 0.5, 0.9)]
    assert covered_alone("leakage", "reviewed", cells) == 0.5
    assert covered_alone("leakage", "reviewed", [*cells, told(2.0, 1.0, 2.0, status="bounded")]) is None


def test_a_truth_known_to_an_error_widens_what_counts_as_held():
    assert covered_alone("leakage", "reviewed", [told(2.0, 0.6, 3.5), told(2.0, 0.6, 3.5, error=0.8)]) == 0.5


def test_worlds_without_a_truth_do_not_count():
    other = {"reviewed": {"components": {"leakage": told(9, 1, 0)["reviewed"]["components"]["leakage"]}}, "component_truth": {}}
    assert covered_alone("leakage", "reviewed", [told(2.0, 1.0, 2.5), other]) == 1.0


def cell(seed, *, reviewed, larger):
    def score(value):
        return {"honest": {"value": value, "low": value - 0.01, "high": value + 0.01}, "contract": None, "components": {}}

    return {
        "world": "w", "base": "b", "seed": seed, "truth": 0.80, "truth_contract": None, "habits": {}, "reviewed_again": [],
        "no_review": score(0.70), "reviewed": score(reviewed), "reviewed_and_train": score(0.80), "oracle": score(0.81),
        "reviewed_more": {"300": [score(value) for value in larger]},
    }  # fmt: skip


def test_larger_reviews_are_judged_beside_the_usual_one_by_all_their_samples(capsys):
    cells = [cell(0, reviewed=0.83, larger=(0.80, 0.82)), cell(1, reviewed=0.85, larger=(0.78, 0.80))]
    for one in cells:
        one["habits"] = {"as reported": one["oracle"]["honest"]}
    found = summarise(cells)["honest"]
    assert found["reviewed_300"]["error"] == pytest.approx(1.0)  # 0, 2, 2 and 0 points
    assert (found["reviewed_300"]["error_to_oracle"], found["reviewed_300"]["coverage"]) == (pytest.approx(1.0), 0.5)
    assert found["reviewed"]["error_to_oracle"] == pytest.approx(4.0)
    del cells[0]["reviewed_more"]
    assert "reviewed_300" not in summarise(cells)["honest"]
