"""How hard each row is, from models that saw neither the row nor anything in its cluster: what a ledger describes rows by where
an answer is more than one label. No label of the row enters."""

from collections.abc import Callable

import numpy as np

from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.words import words
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import N_FOLDS, deal_clusters
from veridical.tasks._contract import Structure
from veridical.train.answer_training import LINEAR_HEADS, fit_linear_answering


def difficulty(data: Dataset, structure: Structure, *, clusters: IntArray, seed: int, progress: Progress = silent) -> FloatArray:
    """Columns that describe each row, most telling first, (N, k)."""
    length = np.log([len(text) + 1 for text in data.texts])
    if structure.head not in LINEAR_HEADS or not len(data.rows("train")):
        return np.stack([*_asked(data), length], axis=1)
    fold = deal_clusters(clusters, n_folds=N_FOLDS, rng=stream(seed, "out_of_fold"))
    sure, said = _out_of_fold(data, structure, fold=fold, seed=seed, progress=progress)
    found = [amount(structure, answer) for answer in said]
    margin = np.clip(np.log(sure) - np.log1p(-np.minimum(sure, 1 - 1e-6)), -5, 5)
    return np.stack([margin, np.log1p(found), _new_words(data, fold), length], axis=1)


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


def _out_of_fold(
    data: Dataset, structure: Structure, *, fold: IntArray, seed: int, progress: Progress
) -> tuple[FloatArray, list[str]]:
    """(confidence, answer) of linear models on every row."""
    train = data.rows("train")
    sure, said = np.full(len(data), 0.5), [""] * len(data)
    for number in range(N_FOLDS):
        progress("fold models", number, N_FOLDS)
        inside, outside = np.flatnonzero(fold == number), train[fold[train] != number]
        if not len(inside) or len(outside) < 2:
            continue
        found = fit_linear_answering(data, outside, structure=structure, seed=seed).answer(data.inputs(inside))
        sure[inside] = np.clip(_a_word(found.confidence, data, inside, structure), 1e-6, 1.0)
        for row, answer in zip(inside.tolist(), found.said, strict=True):
            said[row] = answer
    progress("fold models", N_FOLDS, N_FOLDS)
    return sure, said


def _a_word(confidence: FloatArray, data: Dataset, rows: IntArray, structure: Structure) -> FloatArray:
    """How sure a model is of one word of its answer, where every word has one: long texts are not hard for being long."""
    if structure.head != "words":
        return confidence
    n_words = np.array([data.texts[row].count(" ") + 1 for row in rows], np.float64)
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
