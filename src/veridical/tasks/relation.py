"""Relation extraction: a text with two marked entities in, the relation between them out, or that there is none.

The declared score is the official one of SemEval-2010 task 8 (Hendrickx et al. 2010; scorer 1.2): F1 of each relation, both
directions pooled but right only in the right one, averaged over relations; rows without a relation only count where they are
taken for one, or one for them. What counting them as an achievement would have bought is the protocol component.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset import entity_marks
from veridical.dataset.row_shape import RowShape
from veridical.dataset.rows import Text
from veridical.tasks._class_metrics import Pooled
from veridical.tasks._confusion_metrics import accuracy, macro_f1, mean_f1, micro_f1
from veridical.tasks._contract import Bound, FloatArray, Metric, Task

NO_RELATION = ("other", "no_relation", "no relation", "none", "na", "n/a", "无关系", "無關係", "无", "其他")
"""Names of the class of rows without a relation, small letters: SemEval's Other, TACRED's no_relation, and their like."""
DIRECTION = re.compile(r"\s*\((?:e1,\s*e2|e2,\s*e1)\)$")


def is_relation(label: str) -> bool:
    return label.strip().lower() not in NO_RELATION


def pools(labels: Sequence[str], *, name: Callable[[str], str]) -> FloatArray:
    """Which labels count as one, (P, C): those whose `name` is the same; rows without a relation are in none."""
    names = [name(label) if is_relation(label) else "" for label in labels]
    distinct = sorted(set(names) - {""})
    if not distinct:
        raise InputError(f"All labels ({', '.join(labels)}) say that there is no relation; one that names a relation is needed.")
    return np.array([[float(found == one) for found in names] for one in distinct])


def _pooled(rule: Metric, name: Callable[[str], str]) -> Callable[[tuple[str, ...]], Metric]:
    return lambda labels: Pooled(rule, pools(labels, name=name))


def _undirected(label: str) -> str:
    return DIRECTION.sub("", label)


def _instead(metric: Metric, why: str) -> Bound:
    return Bound(lambda labels: metric, DECLARED, why)


DECLARED = "relation_macro_f1"
METRICS: dict[str, Metric | Bound] = {
    DECLARED: Bound(_pooled(mean_f1, _undirected)),
    "relation_micro_f1": Bound(_pooled(micro_f1, lambda label: "relation")),
    "directed_macro_f1": Bound(_pooled(mean_f1, str)),
    "accuracy": _instead(accuracy, "rows without a relation that are left without one count as right answers"),
    "micro_f1": _instead(micro_f1, "rows without a relation that are left without one count as right answers"),
    "macro_f1": _instead(macro_f1, "the rows without a relation are averaged in as if they were one, and each direction is one"),
}
"""By the name that --metric takes."""


def _entities(text: Text) -> Text:
    """The two entities, as a pair, without the words around them."""
    return entity_marks.entities(text if isinstance(text, str) else text[0])


def _with_marks(text: str, beside: Sequence[str | None]) -> str:
    first, second = beside
    return entity_marks.marked(entity_marks.as_written(text), first or "", second or "")


task = Task(
    name="relation",
    metrics=METRICS,
    declared=DECLARED,
    floors=("majority", "one_word", "entities_only", "bag_of_words"),
    shape=RowShape(
        options={"text": "text", "label": "label", "first_entity": "first_entity", "second_entity": "second_entity"},
        guesses={
            "text": ("text_marked", "marked_text", "marked", "sentence"),
            "label": ("relation", "relation_type", "rel", "关系", "關係"),
            "first_entity": ("first_entity", "entity_1", "entity1", "e1", "head", "subject", "subj", "实体1", "头实体"),
            "second_entity": ("second_entity", "entity_2", "entity2", "e2", "tail", "object", "obj", "实体2", "尾实体"),
        },
        needed=("text", "label"),
        cells={"text": entity_marks.as_written},
        agree=lambda text, second, label: entity_marks.problem(text),
        beside=("first_entity", "second_entity"),
        whole=_with_marks,
        classes=True,
    ),
    parts={"entities_only": _entities},
    markers=entity_marks.MARKS,
)
