"""Which answers are probably a wrong place of their text.

A linear model of places that saw neither the row nor its text. Confident learning with two classes, places given as answers and
other places: an answer is doubted that looks as little like one as the mean of the others does.
"""

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.audit._suspects import HALF, Judged, Suspect
from veridical.core.proportion import wilson
from veridical.dataset.rows import Dataset
from veridical.models.answer_places import Place, PlaceFolds, place_folds
from veridical.models.model import FloatArray
from veridical.tasks._span_answers import answers_in

AHEAD = 0.9
"""Share of the other places of its text that an answer must be ahead of to count as told apart, 0..1. Ours; no source."""
LONGEST_SHOWN = 60
"""Characters of an answer that a sentence quotes. Ours; no source."""


def place_errors(evidence: Evidence, *, unlike: float, least: int) -> Judged | str:
    """Or why nothing can be judged. The arguments are fields of the check's Params."""
    data = evidence.data
    places = [first_place(data, row) for row in range(len(data))]
    in_train = sum(places[row] is not None for row in data.rows("train"))
    if in_train < least:
        return f"Fold models need {least} train rows with an answer in their text, and there are {in_train}; add rows."
    folds = place_folds(data, places, clusters=evidence.clusters, seed=evidence.seed, progress=evidence.progress)
    ahead, threshold = _ahead(folds), 1 - folds.probability[~folds.swapped].mean() if (~folds.swapped).any() else np.inf
    judged = np.flatnonzero(~np.isnan(ahead))
    told = ahead[judged] >= AHEAD
    n = len(np.unique(evidence.clusters[judged]))
    share = float(told.mean()) if len(told) else 0.0
    if not n or wilson(round(share * n), n)[0] <= HALF:
        return (
            f"Models that saw other texts tell {share:.0%} of {n} answers from nine in ten other places of their text, not "
            "clearly more than half; they cannot judge answers. Add rows."
        )
    cut = unlike * threshold
    doubted = judged[1 - folds.given[judged] >= cut]
    suspects = [_suspect(data, row, places[row] or (0, 0), folds) for row in doubted.tolist()]
    return Judged(suspects, len(judged), folds.n_drawn, _power(folds, cut))


def first_place(data: Dataset, row: int) -> Place | None:
    """Where the first answer of a row stands; None where it has none, or it is not known."""
    found = answers_in(str(data.answers[row]), data.texts[row]) if data.answers[row] is not None else []
    return (found[0][1], found[0][1] + len(found[0][0])) if found and found[0][0] and found[0][1] >= 0 else None


def _ahead(folds: PlaceFolds) -> FloatArray:
    """Share of the other places of its text that each answer is likelier than, (N,); NaN where that is not known."""
    random = ~folds.swapped
    row = folds.row[random]
    n = np.bincount(row, minlength=len(folds.given))
    behind = np.bincount(row, folds.probability[random] < folds.given[row], minlength=len(folds.given))
    known = (n > 0) & ~np.isnan(folds.given)
    return np.where(known, behind / np.maximum(n, 1), np.nan)


def _power(folds: PlaceFolds, cut: float) -> tuple[str, ...]:
    """What would be found of answers that stand elsewhere: the other places are such answers, and the models saw none of them."""
    found = 1 - folds.probability >= cut
    moved = f"Of answers moved to a random place it would find {found[~folds.swapped].mean():.0%} at most."
    if not folds.swapped.any():
        return (moved,)
    swapped = found[folds.swapped].mean()
    return (moved, f"Of answers swapped with another question's about the same text it would find {swapped:.0%} at most.")


def _suspect(data: Dataset, row: int, place: Place, folds: PlaceFolds) -> Suspect:
    said = _quoted(data.texts[row][place[0] : place[1]])
    what = f"the answer {said} looks like none to this question, to a model that never saw the text"
    seen = f"p(answer) = {folds.given[row]:.2f}; its sentence holds {folds.share[row]:.0%} of the question, the nearest "
    seen += f"{folds.nearest[row]:.0%}"
    return Suspect(row, place[0], float(1 - folds.given[row]), what, seen)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…")
