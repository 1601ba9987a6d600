"""What a run keeps of a review: how rows were drawn, and what is wrong with answers that were not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.ledger.test_review import NONE, setting

from veridical.core.errors import InputError
from veridical.ledger.review import ReviewParams, allocation, draw, inclusion
from veridical.pipeline.review_file import StoredReview, doubts, drawn_sheet, read_review, write_review

N = 600
IDS = [f"r{k}" for k in range(N)]
WEIGHTS = np.full(N, 1 / N)


def _drawn(rows: int, *, done: np.ndarray = NONE, seed: int = 0):
    _, strata, _, _ = setting(N)
    given = allocation(strata, WEIGHTS, rows=rows, done=done, params=ReviewParams())
    chosen = draw(strata, given, done=done, seed=seed)
    return strata, given, chosen, drawn_sheet("test", strata, ids=IDS, given=given, chosen=chosen, done=done)


def test_the_chance_of_each_row_is_how_often_it_is_drawn():
    strata, given, _, _ = _drawn(150)
    times = np.zeros(N)
    for seed in range(400):
        times[draw(strata, given, done=NONE, seed=seed)] += 1
    chance = inclusion(strata, given, done=NONE)[strata.stratum]
    # 400 draws: three standard errors of a share are at most 7.5 points; 600 rows, so four of them are asked for.
    assert np.abs(times / 400 - chance).max() < 4 * np.sqrt(0.25 / 400)
    # Within a stratum the chances are equal: its mean is known far better.
    for h in np.unique(strata.stratum):
        assert times[strata.stratum == h].mean() / 400 == pytest.approx(chance[strata.stratum == h][0], abs=1e-9)


def test_chances_sum_to_the_rows_drawn_and_weights_to_the_rows_there_are():
    strata, given, chosen, sheet = _drawn(150)
    assert inclusion(strata, given, done=NONE)[strata.stratum].sum() == pytest.approx(150)
    assert set(sheet.inclusion_probability) == {IDS[at] for at in chosen}
    reached = sum(stratum.rows for stratum in sheet.strata if stratum.drawn)
    assert sum(1 / chance for chance in sheet.inclusion_probability.values()) == pytest.approx(reached)
    assert sum(stratum.drawn for stratum in sheet.strata) == 150


def test_a_second_round_counts_the_rows_that_are_left():
    strata, _, first, _ = _drawn(150)
    _, _, second, sheet = _drawn(100, done=first)
    assert sum(stratum.left for stratum in sheet.strata) == N - 150
    assert sum(stratum.rows for stratum in sheet.strata) == N
    assert len(second) == len(sheet.inclusion_probability) == 100
    assert all(stratum.inclusion_probability == stratum.drawn / max(stratum.left, 1) for stratum in sheet.strata)
    assert sheet.frame_sha256 == strata.sha256


def test_a_review_comes_back_as_it_was(tmp_path: Path):
    assert read_review(tmp_path) == StoredReview()
    review = StoredReview({"r1": "yes", "r2": "unsure"}, (_drawn(30)[3], replace(_drawn(20)[3], of="train")))
    write_review(tmp_path, review)
    assert read_review(tmp_path) == review


def test_answers_of_an_earlier_version_are_read(tmp_path: Path):
    (tmp_path / "review.json").write_text('{"format": 1, "answers": {"r1": "yes"}}', encoding="utf-8")
    assert read_review(tmp_path) == StoredReview({"r1": "yes"})


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"answers": 3}', '{"answers": {}, "sheets": [{"of": "test"}]}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path: Path, content: str):
    (tmp_path / "review.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"review\.json is not a review.*new sheet"):
        read_review(tmp_path)


def test_answers_of_rows_that_were_drawn_raise_no_doubt():
    strata, _, chosen, sheet = _drawn(30)
    answered = [IDS[at] for at in chosen]
    assert doubts(StoredReview({}, (sheet,)), frames={"test": strata.sha256}, answered=answered) == ()


def test_answers_outside_the_draw_are_said():
    strata, _, chosen, sheet = _drawn(30)
    outside = sorted(set(IDS) - {IDS[at] for at in chosen})
    review, frames = StoredReview({}, (sheet,)), {"test": strata.sha256}
    (said,) = doubts(review, frames=frames, answered=[IDS[chosen[0]], outside[0]])
    assert said.startswith(f"1 answer is for a row that no sheet of this run asked about (for example {outside[0]!r})")
    (said,) = doubts(review, frames=frames, answered=outside[:3])
    assert said.startswith("3 answers are for rows")


def test_a_changed_frame_is_said_where_its_rows_were_answered():
    _, _, chosen, sheet = _drawn(30)
    review, frames = StoredReview({}, (sheet,)), {"test": "0" * 64}
    (said,) = doubts(review, frames=frames, answered=[IDS[chosen[0]]])
    assert sheet.frame_sha256[:12] in said
    assert "000000000000" in said
    assert "veridical review" in said
    assert doubts(review, frames=frames, answered=[]) == ()


def test_the_frame_changes_with_its_rows_and_with_its_strata():
    strata = setting(N)[1]
    other = setting(N, leaked=50)[1]
    fewer = setting(N - 1)[1]
    assert len({strata.sha256, other.sha256, fewer.sha256}) == 3
    assert setting(N)[1].sha256 == strata.sha256


def test_the_file_is_plain_json(tmp_path: Path):
    write_review(tmp_path, StoredReview({}, (_drawn(10)[3],)))
    stored = json.loads((tmp_path / "review.json").read_text(encoding="utf-8"))
    (sheet,) = stored["sheets"]
    assert list(sheet) == ["of", "frame_sha256", "strata", "inclusion_probability"]
    assert list(sheet["strata"][0]) == ["name", "rows", "left", "drawn", "inclusion_probability"]
