"""What people said of the answers of several runs on the same test rows, put together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from veridical.ledger.review import STRATA, UNSURE, Frame
from veridical.pipeline.review_file import read_review
from veridical.verify.joint_review import ReadAnswers

if TYPE_CHECKING:
    from veridical.dataset.rows import IntArray
    from veridical.pipeline.answer_reviewing import AnswerRun


def answers_read(runs: "Sequence[tuple[AnswerRun, IntArray]]") -> tuple[ReadAnswers | None, list[str]]:
    """(what the reviews of all runs say, None where nobody decided anything; notes). runs: each with where its test rows stand in
    the common order, (n,). A row on which two reviews disagree counts as unsure; strata of several reviews are crossed."""
    n = len(runs[0][1])
    told: list[str | None] = [None] * n
    stratum, wrong, reviews, clashes = np.zeros(n, np.int64), np.zeros(n), 0, set[int]()
    for run, at in runs:
        stored = read_review(run.run).answers
        own = [stored.get(run.rows[place]) for place in at]
        if all(answer is None for answer in own):
            continue
        drawn = run.side("test").strata
        stratum += len(STRATA) ** reviews * drawn.stratum[at]
        wrong = wrong if reviews else drawn.wrong[at]
        reviews += 1
        for row, (before, answer) in enumerate(zip(told, own, strict=True)):
            if answer is not None and before not in (None, answer):
                clashes.add(row)
            told[row] = answer if before is None else before
    told = [UNSURE if row in clashes else answer for row, answer in enumerate(told)]
    right = [None if answer == UNSURE else answer for answer in told]
    if all(answer is None for answer in right):
        return None, []
    frame = Frame(stratum, wrong, STRATA * len(STRATA) ** (reviews - 1), "")
    read = ReadAnswers(frame, right, np.array([answer == UNSURE for answer in told], bool))
    return read, _said(runs[0], right, clashes=len(clashes))


def _said(first: "tuple[AnswerRun, IntArray]", right: Sequence[str | None], *, clashes: int) -> list[str]:
    run, at = first
    given = [run.gold[place] for place in at]
    n_read = sum(answer is not None for answer in right)
    changed = sum(answer is not None and answer != label for answer, label in zip(right, given, strict=True))
    said = [f"Answers reviewed: {n_read}, changed: {changed}. Honest scores and differences use them."]
    return [*said, *([f"Rows on which two reviews disagree, counted as unsure: {clashes}."] if clashes else [])]
