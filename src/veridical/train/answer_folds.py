"""How hard each row is, from models that saw neither the row nor anything in its cluster: what a ledger describes rows by where
an answer is more than one label. No label of the row enters."""

from collections.abc import Callable

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.words import words
from veridical.models.model import FloatArray
from veridical.tasks._contract import Structure


def difficulty(evidence: Evidence, structure: Structure) -> FloatArray:
    """Columns that describe each row, most telling first, (N, k)."""
    data = evidence.data
    length = np.log([len(text) + 1 for text in data.texts])
    folds = evidence.answer_folds
    if folds is None:
        return np.stack([*_asked(data), length], axis=1)
    sure = np.clip(_a_word(folds.sure, data, structure), 1e-6, 1.0)
    found = [amount(structure, answer) for answer in folds.said]
    margin = np.clip(np.log(sure) - np.log1p(-np.minimum(sure, 1 - 1e-6)), -5, 5)
    return np.stack([margin, np.log1p(found), _new_words(data, folds.fold), length], axis=1)


def _new_words(data: Dataset, fold: IntArray) -> FloatArray:
    """Share of each row's words that stand in no train row of another fold, 0..1: high where the test set is of another kind."""
    held = [set(text.casefold().split(" ")) for text in data.texts]
    where: dict[str, set[int]] = {}
    for row in data.rows("train"):
        for word in held[row]:
            where.setdefault(word, set()).add(int(fold[row]))
    new = [
        sum(not (where.get(word, set()) - {int(part)}) for word in words_of) for words_of, part in zip(held, fold, strict=True)
    ]
    return np.array(new, np.float64) / np.maximum([len(words_of) for words_of in held], 1)


def amount(structure: Structure, answer: str) -> float:
    """How much an answer says: entities, or labels; of a span whether it says anything."""
    if structure.head == "span":
        return float(answer not in ("", "[]"))
    return float(answer.count("B-")) if structure.head == "words" else float(answer.count('"') // 2)


def _a_word(confidence: FloatArray, data: Dataset, structure: Structure) -> FloatArray:
    """How sure a model is of one word of its answer, where every word has one: long texts are not hard for being long."""
    if structure.head != "words":
        return confidence
    n_words = np.array([text.count(" ") + 1 for text in data.texts], np.float64)
    return np.asarray(confidence ** (1 / n_words))


def _asked(data: Dataset) -> list[FloatArray]:
    """Of a question and its text: the largest share of the question's words that stand close together in the text, the share that
    stands in it at all, and the question's length."""
    window: Callable[[list[str], set[str]], float] = _closest
    closest, anywhere, long = np.zeros(len(data)), np.zeros(len(data)), np.zeros(len(data))
    kept: dict[str, list[str]] = {}
    for row, (text, question) in enumerate(zip(data.texts, data.seconds or [""] * len(data), strict=True)):
        asked = set(words(question))
        held = kept.setdefault(text, words(text))
        closest[row] = window(held, asked)
        anywhere[row] = len(asked & set(held)) / max(len(asked), 1)
        long[row] = np.log1p(len(asked))
    return [closest, anywhere, long]


NEAR = 20
"""Words that count as close together. Ours; no source."""


def _closest(held: list[str], asked: set[str]) -> float:
    """The largest share of `asked` among NEAR words in a row."""
    places = [place for place, word in enumerate(held) if word in asked]
    best = 0
    for number, place in enumerate(places):
        best = max(best, len({held[other] for other in places[number:] if other < place + NEAR}))
    return best / max(len(asked), 1)
