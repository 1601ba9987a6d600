"""Reviews of several runs on the same rows, put together."""

from types import SimpleNamespace

import numpy as np

from veridical.ledger.review import STRATA, Frame
from veridical.pipeline.joint_answers import answers_read
from veridical.pipeline.review_file import StoredReview, write_review


def run_of(folder, *, rows, strata, answers):
    """A run with a stored review; its rows stand in its own order."""
    folder.mkdir()
    write_review(folder, StoredReview(answers))
    side = SimpleNamespace(strata=Frame(np.array(strata), np.full(len(rows), 0.1), STRATA, ""))
    return SimpleNamespace(run=folder, rows=rows, gold=["O"] * len(rows), side=lambda _name: side)


def test_strata_are_crossed_and_a_row_that_two_judge_otherwise_is_unsure(tmp_path):
    first = run_of(tmp_path / "a", rows=["r0", "r1", "r2"], strata=[0, 1, 2], answers={"r0": "B-x", "r1": "O"})
    second = run_of(tmp_path / "b", rows=["r2", "r1", "r0"], strata=[3, 4, 5], answers={"r0": "B-y", "r1": "O", "r2": "B-z"})
    read, said = answers_read([(first, np.array([0, 1, 2])), (second, np.array([2, 1, 0]))])
    assert read is not None
    assert read.right == [None, "O", "B-z"]
    assert read.unsure.tolist() == [True, False, False]
    n = len(STRATA)
    assert read.frame.stratum.tolist() == [0 + 5 * n, 1 + 4 * n, 2 + 3 * n]
    assert len(read.frame.names) == n * n
    assert said == [
        "Answers reviewed: 2, changed: 1. Honest scores and differences use them.",
        "Rows on which two reviews disagree, counted as unsure: 1.",
    ]


def test_a_run_that_nobody_reviewed_crosses_nothing(tmp_path):
    first = run_of(tmp_path / "a", rows=["r0", "r1"], strata=[2, 3], answers={})
    second = run_of(tmp_path / "b", rows=["r0", "r1"], strata=[4, 5], answers={"r1": "B-x"})
    read, _ = answers_read([(run, np.array([0, 1])) for run in (first, second)])
    assert read is not None
    assert read.frame.stratum.tolist() == [4, 5]
    assert len(read.frame.names) == len(STRATA)
    assert answers_read([(first, np.array([0, 1]))]) == (None, [])
