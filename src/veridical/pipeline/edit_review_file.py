"""`edits_review.json` of a run: which edits were drawn for a person to read, before anyone has answered, and the answers. It
holds no texts."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError

if TYPE_CHECKING:
    from veridical.probe._edit_review import Reviewed

FILE = "edits_review.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Drawn:
    """One edit on a sheet. probe: that judges it. kind: as its measures name it. right: whether the model gave the label."""

    probe: str
    kind: str
    right: bool


@dataclass(frozen=True, slots=True)
class EditReview:
    """By id of the edit: what was drawn, and the answers so far."""

    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)


def read_review(run: Path) -> EditReview:
    """Empty where nothing was drawn yet. Raises InputError when the file is not ours."""
    path = run / FILE
    if not path.is_file():
        return EditReview()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return EditReview({name: Drawn(**one) for name, one in found["drawn"].items()}, dict(found["answers"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a review of edits that veridical stored ({error}). Move it away, then write a new sheet."
        ) from error


def write_review(run: Path, review: EditReview) -> None:
    drawn = {name: asdict(one) for name, one in review.drawn.items()}
    write_json(run / FILE, {"format": FORMAT, "drawn": drawn, "answers": dict(review.answers)})


def reviewed_edits(run: Path) -> "tuple[Reviewed, ...]":
    """What readers said, by kind of edit."""
    from veridical.probe._edit_review import ANSWERS, tallied

    review = read_review(run)
    answered = [(review.drawn[name], answer) for name, answer in review.answers.items() if name in review.drawn]
    return tallied((one.kind, one.right, answer) for one, said in answered for answer in ANSWERS if answer == said)
