"""What people said of the test labels of a run, as probes see it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import probe_record
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.probe._read_labels import ReadLabels
    from veridical.probe.answers._subject import AnswerSubject

OF_LABELS = "calibration"
"""The probe whose figures are those of the labels as reviewed."""


def read_labels(run: Path, record: RunRecord, data: "Dataset") -> "ReadLabels | None":
    """Labels of the test rows as far as people have read them; None where nobody has given one."""
    from veridical.ledger.accounting import game_of
    from veridical.ledger.review import Review
    from veridical.ledger.tables import read_tables
    from veridical.pipeline.review_file import read_review
    from veridical.probe._read_labels import ReadLabels

    answers: Mapping[str, str] = read_review(run).answers
    if not answers or not (run / "tables.npz").is_file():
        return None
    tables = read_tables(run / "tables.npz")
    game = game_of(tables, task=record.task, labels=data.labels, contract=None, review=Review(answers), metric=record.metric)
    found = game.reviewed
    if found is None:
        return None
    place = {row: at for at, row in enumerate(data.ids)}
    rows = np.array([place[str(row)] for row in tables.ids], np.int64)
    order = np.argsort(rows)
    moves = found.change * found.spread[found.stratum][:, None]
    n_read = int(found.seen.sum())
    return ReadLabels(rows[order], found.labels[order], moves[order], found.stratum[order], n_read, found.wrong_seen)


def answers_read(run: Path, record: RunRecord, subject: "AnswerSubject") -> "ReadLabels | None":
    """Whether the model's answers to the test rows are right as far as people have read them; None where nobody decided one."""
    from veridical.pipeline.answer_reviewing import AnswerRun
    from veridical.pipeline.review_file import read_review
    from veridical.probe._read_labels import read_answers

    answers: Mapping[str, str] = read_review(run).answers
    if not answers:
        return None
    opened = AnswerRun.opened(run, record, subject.structure)
    review = opened.reviewed(answers).review
    if review is None:
        return None
    told = [
        answers.get(row, given) if seen else given for row, given, seen in zip(opened.rows, opened.gold, review.seen, strict=True)
    ]
    place = {row: at for at, row in enumerate(subject.data.ids)}
    rows = np.array([place[row] for row in opened.rows], np.int64)
    order = np.argsort(rows)
    return read_answers(
        rows[order],
        given=subject.exact(opened.gold, opened.said).astype(np.int64)[order],
        found=subject.exact(told, opened.said).astype(np.int64)[order],
        seen=review.seen[order],
        unsure=review.unsure[order],
        changed=review.changed[order],
        cell=review.cell[order],
        foreseen=review.frame.wrong[order],
        trusted=review.strength[review.cell][order],
    )


def look_again(run: Path, record: RunRecord, *, progress: Progress = silent) -> None:
    """The probe whose figures rest on the labels, done anew after a review; the others are kept. Nothing where it was not done,
    or where the run keeps no texts. The caller holds the run."""
    from veridical.pipeline.probing import probed, subject_of_run, with_review

    before = probe_record.read(run)
    outcome = before.probe(OF_LABELS) if before else None
    if before is None or outcome is None or outcome.status == "skipped" or not (run / "data.parquet").is_file():
        return
    subject = with_review(subject_of_run(run, record, budget=before.budget, progress=progress), run, record)
    others = [one for one in before.probes if one.probe != OF_LABELS]
    probed(run, subject, wanted=[OF_LABELS], done=others, no_text=bool(record.config.get("no_text")), progress=progress)
