"""Which labels of sets are probably wrong: given where they should not be, or missing.

Two families that saw neither the row nor its cluster: the linear model of the text, and a logistic regression of each label on
the other labels that are given to the row and on what the first says. A label is doubted by the mean of the two.
"""

import numpy as np

from veridical.audit._confident_learning import label_thresholds, temperature_scaled
from veridical.audit._evidence import Evidence
from veridical.audit._suspects import Judged, Suspect, unsure
from veridical.dataset.rows import IntArray
from veridical.models.answer_folds import AnswerFolds
from veridical.models.model import FloatArray
from veridical.tasks._label_sets import held


def set_errors(evidence: Evidence, folds: AnswerFolds, *, reach: float, least: int, given: float) -> Judged | str:
    """Or why nothing can be judged. The arguments are fields of the check's Params."""
    data = evidence.data
    rows = np.flatnonzero(~np.isnan(folds.probabilities[:, 0]) & np.array([answer is not None for answer in data.answers], bool))
    rows = rows[np.argsort(np.array(data.ids, dtype=np.str_)[rows], kind="stable")]
    held_by = held([str(data.answers[row]) for row in rows], folds.classes)
    n_with = held_by.sum(axis=0)
    frequent = np.flatnonzero((n_with >= least) & (len(rows) - n_with >= least))
    if not len(frequent):
        return f"Fold models need a label with {least} rows that have it and {least} that do not; add rows."
    found, reasons = list[Suspect](), list[str]()
    of_train = np.asarray(data.splits == "train")[rows]
    for k in frequent.tolist():
        codes, text = held_by[:, k].astype(np.int64), scaled(folds.probabilities[rows, k], held_by[:, k])
        if why := unsure(held_by[:, k], text > 0.5, evidence.clusters[rows]):
            reasons.append(why)
            continue
        beside = by_the_others(held_by, k, text, fold=folds.fold[rows], of_train=of_train, seed=evidence.seed)
        for at, doubt in _doubted(codes, text, beside, reach=reach, given=given):
            found.append(
                _suspect(int(rows[at]), folds.classes[k], k, is_given=bool(codes[at]), doubt=doubt, seen=(text[at], beside[at]))
            )
    if len(reasons) == len(frequent):
        return reasons[0]
    judged = f"Labels that could be judged: {len(frequent) - len(reasons)} of {len(folds.classes)}."
    return Judged(found, len(rows), folds.n_drawn, (judged,) if len(frequent) - len(reasons) < len(folds.classes) else ())


def scaled(share: FloatArray, is_given: FloatArray) -> FloatArray:
    """Probabilities of one label, (n,), scaled to what is given."""
    return temperature_scaled(np.stack([1 - share, share], axis=1), is_given.astype(np.int64))[:, 1]


def by_the_others(
    held_by: FloatArray, k: int, text: FloatArray, *, fold: IntArray, of_train: "np.typing.NDArray[np.bool_]", seed: int
) -> FloatArray:
    """Probability of label k by the other labels of each row and by its text, from rows of other folds, (n,)."""
    from sklearn.linear_model import LogisticRegression

    sure = np.clip(text, 1e-6, 1 - 1e-6)
    columns = np.column_stack([np.delete(held_by, k, axis=1), np.log(sure / (1 - sure))])
    found = text.copy()
    for number in np.unique(fold):
        inside, outside = fold == number, (fold != number) & of_train
        if len(set(held_by[outside, k].tolist())) == 2:
            model = LogisticRegression(solver="liblinear", random_state=seed).fit(columns[outside], held_by[outside, k])
            found[inside] = model.predict_proba(columns[inside])[:, 1]
    return found


def _doubted(codes: IntArray, text: FloatArray, beside: FloatArray, *, reach: float, given: float) -> list[tuple[int, float]]:
    """(row, doubt): both families say otherwise, what is given is hardly probable, and the other reaches its threshold."""
    at, mean = np.arange(len(codes)), (text + beside) / 2
    both = np.stack([1 - mean, mean], axis=1)
    reached = both[at, 1 - codes] >= reach * label_thresholds(both, codes)[1 - codes]
    against = ((text > 0.5) != codes) & ((beside > 0.5) != codes)
    doubted = np.flatnonzero(against & reached & (both[at, codes] <= given))
    return [(row, float(1 - both[row, codes[row]])) for row in doubted.tolist()]


def _suspect(row: int, name: str, k: int, *, is_given: bool, doubt: float, seen: tuple[float, float]) -> Suspect:
    which = "is given" if is_given else "is not given"
    what = f"{name!r} {which}, models that never saw the row say otherwise"
    return Suspect(row, k, doubt, what, f"p({name}) = {seen[0]:.2f} by the text, {seen[1]:.2f} with the row's other labels")
