"""`veridical explain` where an answer is more than one label: the train rows that stand in the test set and what they bought, and
the test rows whose answer a review changed."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord
from veridical.tasks._structures import structure_of

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.explain.attribution import Attributed
    from veridical.explain.counted import Carried
    from veridical.ledger.structured import StructuredGame

NONE_LEAKED = "No test row has a near-duplicate in train."
LEAKED = (
    "Counted: the rows whose near-duplicates are in the test set, with what these test rows score beyond fresh rows like them, "
    "shared equally among the twins."
)
RIGHTED = (
    "Test rows whose answer the review changed, with what the one given cost or lent the score; the rows that nobody read make "
    "up the rest."
)
NO_INFLUENCE = "Training rows are followed into predictions of one label a row only; of this task the rows that leaked are named."


def attributed_answers(
    run: Path, record: RunRecord, ledger: "Ledger", *, progress: Progress = silent
) -> tuple[list["Attributed"], "Dataset"]:
    """The rows of every component, in the order of the ledger."""
    from veridical.audit._evidence import Evidence
    from veridical.dataset.storage import read
    from veridical.explain.attribution import attributed_exactly, without_rows
    from veridical.explain.counted import leaking_rows, nothing
    from veridical.ledger.game import coefficients
    from veridical.pipeline.answer_reviewing import AnswerRun
    from veridical.pipeline.review_file import read_review

    path, structure = run / "data.parquet", structure_of(record.task)
    assert structure is not None
    if not path.is_file():
        raise InputError(f"{run} was made with --no-text and holds no texts to trace. Run again without --no-text.")
    data = read(path)
    evidence = Evidence(data, seed=record.seed, progress=progress)
    game = AnswerRun.opened(run, record, structure).reviewed(read_review(run).answers)
    people = game.people
    found = []
    for component in ledger.components:
        why, lost = without_rows(component), component.points
        if component.name == "noise" and lost is not None:
            found.append(attributed_exactly(component, _righted(game, component=lost.value), why=RIGHTED))
            continue
        if why or lost is None or component.name != "leakage":
            found.append(attributed_exactly(component, nothing(), why=why or NO_INFLUENCE))
            continue
        bought = np.zeros(people.n)
        for coalition, weight in coefficients("leakage", game.players):
            bought += 100 * weight * game.bought(coalition)
        rows = leaking_rows(people, bought, evidence.clusters, is_train=data.splits == "train", component=lost.value)
        found.append(attributed_exactly(component, rows, why=LEAKED if len(rows.rows) else NONE_LEAKED))
    return found, data


def _righted(game: "StructuredGame", *, component: float) -> "Carried":
    """component: points of the whole."""
    from veridical.explain.counted import SMALLEST, Carried
    from veridical.ledger.game import coefficients

    points = np.zeros(game.people.n)
    for coalition, weight in coefficients("noise", game.players):
        points -= 100 * weight * game.righted(coalition)
    rows = np.flatnonzero(np.abs(points) > SMALLEST)
    return Carried(game.people.rows[rows], points[rows], np.ones(len(rows), bool), component - float(points.sum()))
