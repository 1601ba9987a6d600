"""Extractive question answering: a question and a text in, a part of the text out, or nothing where it holds no answer.

Answers are stored as a JSON list of [text, start]; an empty list says that the text holds none. Exact match and F1 as the SQuAD
scripts define them, on characters for Chinese (CMRC 2018).
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.row_shape import BadCell, RowShape
from veridical.dataset.rows import Dataset, Text
from veridical.dataset.words import words
from veridical.tasks import _cells
from veridical.tasks._answers import exact_match, f1
from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import FloatArray, Margins, Measure, Structure, Task
from veridical.tasks._span_answers import said_as, text_of

SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|[。！？]|$)", re.DOTALL)
ANSWERS = ("text", "answer")
"""Keys that hold an answer's text in the files of SQuAD and its like."""
STARTS = ("answer_start", "start")


def _stored(cell: str) -> str:
    """A cell with answers as [[text, start or -1], ...]: of a list of texts or of SQuAD's records, of one text, or of nothing."""
    if not cell.lstrip().startswith(("[", "{")):
        return json.dumps([[cell, -1]] if cell.strip() else [], ensure_ascii=False)
    try:
        given = json.loads(cell)
    except ValueError:
        return json.dumps([[cell, -1]], ensure_ascii=False)
    found = _of_columns(given) if isinstance(given, dict) else [_one(item) for item in given]
    return json.dumps(found, ensure_ascii=False)


def _of_columns(given: dict[str, Any]) -> list[list[Any]]:
    """{"text": [...], "answer_start": [...]}, or one record."""
    texts = next((given[key] for key in ANSWERS if key in given), None)
    starts = next((given[key] for key in STARTS if key in given), None)
    if isinstance(texts, str):
        return [_one(given)]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadCell("answers without a text")
    places = starts if isinstance(starts, list) and len(starts) == len(texts) else [-1] * len(texts)
    return [[text, int(start)] for text, start in zip(texts, places, strict=True)]


def _one(item: Any) -> list[Any]:
    if isinstance(item, str):
        return [item, -1]
    if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], int):
        return item
    if isinstance(item, dict):
        text = next((item[key] for key in ANSWERS if isinstance(item.get(key), str)), None)
        start = next((item[key] for key in STARTS if isinstance(item.get(key), int)), -1)
        if text is not None:
            return [text, start]
    raise BadCell("answers without a text")


def _agree(text: str, second: str | None, label: str | None) -> str:
    return (
        "" if label is None or all(answer in text for answer, _ in json.loads(label)) else "an answer that is not in its context"
    )


def _in_sheet(text: Text, answer: str, notation: str) -> str:
    """The one text; a JSON list where there are several, or where one would be read as something else."""
    found = list(dict.fromkeys(text_of_one for text_of_one, _ in json.loads(answer)))
    plain = (
        len(found) == 1
        and found[0] == found[0].strip() != ""
        and found[0][0] not in "[{"
        and found[0].casefold() != _cells.UNSURE
    )
    return found[0] if plain else json.dumps(found, ensure_ascii=False)


def _from_sheet(text: Text, cell: str, notation: str, names: tuple[str, ...]) -> str:
    stored = _stored(cell)
    absent = [answer for answer, _ in json.loads(stored) if answer not in text[0]]
    if absent:
        raise BadCell(f"{absent[0]!r} does not stand in the context")
    return stored


def _notation(labels: Sequence[str], declared: str | None) -> tuple[list[str], str]:
    return list(labels), ""


def _names(labels: Sequence[str]) -> tuple[str, ...]:
    if not any(json.loads(label) for label in labels):
        raise InputError("No training row has an answer in its context. Check --answers.")
    return ()


def _scored(score: Any) -> Any:
    def margins(gold: Sequence[str], said: Sequence[str], names: tuple[str, ...]) -> Margins:
        each: FloatArray = np.array(
            [score(text_of(s), [answer for answer, _ in json.loads(g)], chinese=None) for g, s in zip(gold, said, strict=True)],
            np.float64,
        )
        return Margins(each[:, None], np.ones((len(each), 1)), np.ones((len(each), 1)))

    return margins


def _rules(data: Dataset) -> dict[str, list[str]]:
    """The first sentence of the text; and the sentence that shares most words with the question."""
    first, nearest = [], []
    for row in data.rows("test"):
        sentences = [found.strip() for found in SENTENCE.findall(data.texts[row]) if found.strip()] or [data.texts[row]]
        asked = set(words((data.seconds or [""] * len(data))[row]))
        first.append(said_as(sentences[0]))
        nearest.append(said_as(max(sentences, key=lambda sentence: len(asked & set(words(sentence))))))
    return {"first_sentence": first, "nearest_sentence": nearest}


MEASURES = {"f1": Measure(accuracy, _scored(f1)), "exact_match": Measure(accuracy, _scored(exact_match))}
"""By the name that --metric takes; means over questions."""

task = Task(
    name="qa",
    metrics={name: measure.metric for name, measure in MEASURES.items()},
    declared="f1",
    floors=("first_sentence", "nearest_sentence"),
    structure=Structure(
        shape=RowShape(
            options={"context": "text", "question": "second", "answers": "label"},
            guesses={
                "text": ("context", "passage", "paragraph", "文章", "段落"),
                "second": ("question", "query", "问题"),
                "label": ("answers", "answer", "答案"),
            },
            needed=("text", "second", "label"),
            cells={"label": _stored},
            agree=_agree,
            notation=_notation,
            names=_names,
        ),
        measures=MEASURES,
        head="span",
        classes=lambda names: ("start", "end"),
        floors=_rules,
        written=lambda answer, notation: text_of(answer),
        shown=lambda text, answer: " / ".join(dict.fromkeys(found for found, _ in json.loads(answer or "[]"))),
        in_sheet=_in_sheet,
        from_sheet=_from_sheet,
    ),
)
