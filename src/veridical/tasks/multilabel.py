"""Multi-label text classification: any number of labels for each text, none included.

Labels are read from a list, or from a text cut at | or ; and stored as a sorted JSON list.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from veridical.core.errors import InputError, nearest
from veridical.dataset.row_shape import BadCell, RowShape
from veridical.dataset.rows import Dataset, Text
from veridical.tasks import _cells
from veridical.tasks._confusion_metrics import accuracy, macro_f1, micro_f1
from veridical.tasks._contract import FloatArray, Margins, Measure, Structure, Task
from veridical.tasks._label_sets import held, written

SEPARATORS = "|;；"
MOST = 1000
"""Labels, at most: beyond it the column holds something else. Ours; no source."""


def names_of(labels: Sequence[str]) -> tuple[str, ...]:
    """Names of all labels, sorted."""
    found = {name for label in set(labels) for name in json.loads(label)}
    if not 1 <= len(found) <= MOST:
        raise InputError(
            f"The training rows hold {len(found)} different labels; 1 to {MOST} are needed. Check --label; labels of a row are a "
            "list, or one text with | between them."
        )
    if len(set(labels)) < 2:
        raise InputError(
            f"All training rows hold the same labels ({', '.join(sorted(found))}), so there is nothing to tell apart. Give "
            "another --label, or rows with other labels."
        )
    return tuple(sorted(found))


def _unknown(gold: Sequence[str], names: tuple[str, ...]) -> FloatArray:
    """Labels of each row that no training row has: nobody can say them, and they count as missed. (n,)"""
    known = set(names)
    return np.array([sum(name not in known for name in json.loads(answer)) for answer in gold], np.float64)


def _by_label(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
    true, predicted, missed = held(gold, names), held(said, names), _unknown(gold, names)
    none = np.zeros((len(gold), 1))
    if not missed.any():
        return Margins(true * predicted, true, predicted)
    return Margins(np.hstack([true * predicted, none]), np.hstack([true, missed[:, None]]), np.hstack([predicted, none]))


def _one_each(right: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]) -> Callable[..., Margins]:
    """A share for every row."""

    def margins(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
        share = right(held(gold, names), held(said, names), _unknown(gold, names))[:, None]
        return Margins(share, np.ones_like(share), np.ones_like(share))

    return margins


def _exact(true: FloatArray, said: FloatArray, missed: FloatArray) -> FloatArray:
    return np.asarray((true == said).all(axis=1) & (missed == 0), np.float64)


def _jaccard(true: FloatArray, said: FloatArray, missed: FloatArray) -> FloatArray:
    either = np.maximum(true, said).sum(axis=1) + missed
    return np.where(either > 0, (true * said).sum(axis=1) / np.maximum(either, 1), 1.0)


def _hamming(true: FloatArray, said: FloatArray, missed: FloatArray) -> FloatArray:
    return np.asarray(((true == said).sum(axis=1)) / (true.shape[1] + missed))


def _rules(data: Dataset) -> dict[str, list[str]]:
    """The most frequent set of labels; and each label that more than half of the rows have."""
    sets = Counter(str(data.answers[row]) for row in data.rows("train"))
    rate = held([str(data.answers[row]) for row in data.rows("train")], data.labels).mean(axis=0)
    n = len(data.rows("test"))
    frequent = written((rate > 0.5)[None, :] if (rate > 0.5).any() else (rate == rate.max())[None, :], data.labels)[0]
    return {"majority_set": [sets.most_common(1)[0][0]] * n, "frequent_labels": [frequent] * n}


def _in_sheet(text: Text, answer: str, notation: str) -> str:
    """Names with | between them; a JSON list where these would be read otherwise."""
    names = json.loads(answer)
    cell = " | ".join(names)
    plain = cell and cell.casefold() != _cells.UNSURE and _cells.set_of(cell, what="label", separators=SEPARATORS) == answer
    return cell if plain else answer


def _from_sheet(text: Text, cell: str, notation: str, names: tuple[str, ...]) -> str:
    said = json.loads(_cells.set_of(cell, what="label", separators=SEPARATORS))
    meant = {name: _cells.known(name, names) for name in said}
    for name, label in meant.items():
        if label is None:
            raise BadCell(f"no label is called {name!r}.{nearest(name, names)} Labels: {', '.join(names[:20])}")
    return json.dumps(sorted(set(meant.values())), ensure_ascii=False)


def _notation(labels: Sequence[str], declared: str | None) -> tuple[list[str], str]:
    return list(labels), ""


MEASURES = {
    "micro_f1": Measure(micro_f1, _by_label, by_name=True),
    "macro_f1": Measure(macro_f1, _by_label, by_name=True),
    "subset_accuracy": Measure(accuracy, _one_each(_exact)),
    "jaccard": Measure(accuracy, _one_each(_jaccard)),
    "hamming_score": Measure(
        accuracy, _one_each(_hamming), "micro_f1", "every label that is absent and not said counts as right, and most are absent"
    ),
}
"""By the name that --metric takes."""

task = Task(
    name="multilabel",
    metrics={name: measure.metric for name, measure in MEASURES.items()},
    declared="micro_f1",
    floors=("majority_set", "frequent_labels"),
    structure=Structure(
        shape=RowShape(
            options={"text": "text", "second": "second", "label": "label"},
            guesses={"label": ("labels", "label", "tags", "topics", "categories", "标签")},
            needed=("text", "label"),
            cells={"label": lambda cell: _cells.set_of(cell, what="label", separators=SEPARATORS)},
            agree=lambda text, second, label: "",
            notation=_notation,
            names=names_of,
        ),
        measures=MEASURES,
        head="labels",
        classes=lambda names: names,
        floors=_rules,
        written=lambda answer, notation: json.loads(answer),
        shown=lambda text, answer: ", ".join(json.loads(answer or "[]")),
        in_sheet=_in_sheet,
        from_sheet=_from_sheet,
    ),
)
