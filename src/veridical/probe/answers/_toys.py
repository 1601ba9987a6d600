"""Made-up rows of tasks whose answers are more than one label, and models of a few lines to be told apart on them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.dataset.rows import SCHEMA, Dataset, Text
from veridical.models.answering import Answers
from veridical.probe._subject import Recipe
from veridical.probe.answers._subject import AnswerSubject, answer_subject_of

Said = tuple[str, float]
Row = dict[str, str | None]
Finds = Callable[[list[str], int], bool]
"""finds(words, at): whether the word there is one to be found."""


@dataclass(frozen=True, eq=False)
class ToyAnswering:
    """`rule(input)` gives the answer as it is stored and the confidence."""

    task: str
    names: tuple[str, ...]
    rule: Callable[[Text], Said]
    kind: str = "toy"

    def answer(self, inputs: Sequence[Text]) -> Answers:
        found = [self.rule(text) for text in inputs]
        return Answers([said for said, _ in found], np.array([sure for _, sure in found], np.float64))

    def save(self, folder: Path) -> None:
        raise InputError(f"A toy model is code; there is nothing to save in {folder}.")


def answer_rows(task: str, rows: Sequence[Row], names: tuple[str, ...]) -> Dataset:
    """rows: id, split, text, label as it is stored, and where wanted second, group, source."""
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset(task, pa.Table.from_pylist(list(rows), schema=SCHEMA), names, none)


def toy(data: Dataset, rule: Callable[[Text], Said], *, recipe: Recipe | None = None, budget: str = "standard") -> AnswerSubject:
    return answer_subject_of(Evidence(data, seed=0), ToyAnswering(data.task, data.labels, rule), recipe=recipe, budget=budget)


def tagged(text: Text, finds: Callable[[list[str], int], str]) -> str:
    """Tags of one-word entities: finds(words, at) is the type of the word there, or empty."""
    words = str(text).split(" ")
    return " ".join(f"B-{kind}" if (kind := finds(words, at)) else "O" for at in range(len(words)))


def span(answer: str, start: int = -1) -> str:
    return json.dumps([[answer, start]] if answer else [], ensure_ascii=False)


def names_in(texts: Sequence[str]) -> str:
    return json.dumps(sorted(set(texts)), ensure_ascii=False)
