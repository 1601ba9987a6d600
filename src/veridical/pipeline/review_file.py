"""`review.json` of a run: every sheet as it was drawn, and the answers so far.

A reviewed row stands for the rows of its stratum that were not read, as many as its chance of being drawn says. That holds only
for rows that chance chose, from the rows the run has now; so the draw is stored before anyone has answered.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.ledger.review import Frame, inclusion

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset, IntArray
    from veridical.models.model import FloatArray

FILE = "review.json"
FORMAT = 1
SHOWN_HASH = 12
"""Characters of a hash that a sentence shows. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Side:
    """Rows that may be reviewed: of the test set, or of train. n rows. weights: what each counts in the honest score, (n,), or in
    each of several scores, (S, n). each: whether a sheet must ask about every stratum, since no model speaks for one that was not
    asked about."""

    name: str
    ids: list[str]
    strata: Frame
    weights: "FloatArray"
    each: bool = False


@dataclass(frozen=True, slots=True)
class Stratum:
    """rows: of the frame. left: those not reviewed before. drawn: onto this sheet. inclusion_probability: drawn / left."""

    name: str
    rows: int
    left: int
    drawn: int
    inclusion_probability: float


@dataclass(frozen=True, slots=True)
class Sheet:
    """One round of rows to review. of: test or train. frame_sha256: over id and stratum of all rows that could be drawn.

    inclusion_probability: id of each row on the sheet -> its chance to come onto it. That of a row which was not drawn is that of
    its stratum.
    """

    of: str
    frame_sha256: str
    strata: tuple[Stratum, ...]
    inclusion_probability: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StoredReview:
    """answers: row id -> label or `unsure`. sheets: oldest first; none where an earlier version wrote them."""

    answers: Mapping[str, str] = field(default_factory=dict)
    sheets: tuple[Sheet, ...] = ()


def drawn_sheet(of: str, frame: Frame, *, ids: list[str], given: "IntArray", chosen: "IntArray", done: "IntArray") -> Sheet:
    """given: rows drawn of each stratum, (H,). chosen, done: positions of the rows drawn now, and of those reviewed before."""
    chance, n_strata = inclusion(frame, given, done=done), len(frame.names)
    size = np.bincount(frame.stratum, minlength=n_strata)
    left = size - np.bincount(frame.stratum[done], minlength=n_strata)
    strata = tuple(
        Stratum(name, int(size[h]), int(left[h]), int(given[h]), float(chance[h]))
        for h, name in enumerate(frame.names)
        if size[h]
    )
    return Sheet(of, frame.sha256, strata, {ids[at]: float(chance[frame.stratum[at]]) for at in chosen})


def read_review(run: Path) -> StoredReview:
    """Empty where nothing was drawn yet. Raises InputError when the file is not ours."""
    path = run / FILE
    if not path.is_file():
        return StoredReview()
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        sheets = tuple(
            Sheet(s["of"], s["frame_sha256"], tuple(Stratum(**h) for h in s["strata"]), dict(s["inclusion_probability"]))
            for s in found.get("sheets", [])
        )
        return StoredReview(dict(found["answers"]), sheets)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a review that veridical stored ({error}). Move it away, then write a new sheet."
        ) from error


def write_review(run: Path, review: StoredReview) -> None:
    sheets = [asdict(sheet) for sheet in review.sheets]
    write_json(run / FILE, {"format": FORMAT, "answers": dict(review.answers), "sheets": sheets})


def doubts(review: StoredReview, *, frames: Mapping[str, str], answered: Iterable[str]) -> tuple[str, ...]:
    """What is wrong with how the answered rows were drawn. frames: hash of the rows that can be drawn now, of test and train."""
    said, answers, drawn = [], set(answered), set[str]()
    for sheet in review.sheets:
        drawn |= set(sheet.inclusion_probability)
        now = frames[sheet.of]
        if sheet.frame_sha256 != now and answers & set(sheet.inclusion_probability):
            said.append(
                f"A sheet of {sheet.of} rows was drawn from other rows or strata ({sheet.frame_sha256[:SHOWN_HASH]}) than this "
                f"run has now ({now[:SHOWN_HASH]}): its chances of being drawn no longer hold, nor does the interval. Write a "
                "new sheet with veridical review."
            )
    outside = sorted(answers - drawn)
    if outside:
        who = "1 answer is for a row" if len(outside) == 1 else f"{len(outside)} answers are for rows"
        said.append(
            f"{who} that no sheet of this run asked about (for example {outside[0]!r}); inside a stratum such rows count as "
            "drawn at random, which misleads where they were picked by eye."
        )
    return tuple(dict.fromkeys(said))


def texts_of(run: Path) -> "Dataset":
    """The rows of a run with their texts. Raises InputError where it keeps none."""
    from veridical.dataset.storage import read

    stored = run / "data.parquet"
    if not stored.is_file():
        raise InputError(f"{run} keeps no texts (--no-text), so there is nothing to read. Run again without --no-text.")
    return read(stored)
