"""What can answer where an answer is more than one label: the protocol, and how scores become answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray

LONGEST = 30
"""Tokens of an answer, at most. The SQuAD scripts of Devlin et al. 2019."""
FORBIDDEN = -1e9


@dataclass(frozen=True, eq=False)
class Answers:
    """said: answers as the label column stores them, (n,). confidence: how sure the model is of each, 0..1, (n,)."""

    said: list[str]
    confidence: FloatArray


class Answering(Protocol):
    """A model whose answers are structures. names: what they are made of. task: name of the task."""

    @property
    def kind(self) -> str: ...

    @property
    def task(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    def answer(self, inputs: Sequence[Text]) -> Answers:
        """One answer for each input. Raises InputError on inputs of the wrong shape."""
        ...

    def save(self, folder: Path) -> None:
        """Safetensors plus JSON; nothing pickled."""
        ...


def likeliest_tags(log_probabilities: FloatArray, classes: tuple[str, ...]) -> list[str]:
    """The likeliest well-formed IOB2 tags of one text, (n, C) -> n tags: I-x follows B-x or I-x only. Viterbi 1967."""
    n = len(log_probabilities)
    if not n:
        return []
    steps = transitions(classes)
    score = log_probabilities[0] + np.array([FORBIDDEN if name.startswith("I-") else 0.0 for name in classes])
    back = np.zeros((n, len(classes)), np.int64)
    for at in range(1, n):
        reached = score[:, None] + steps
        back[at] = reached.argmax(axis=0)
        score = reached[back[at], np.arange(len(classes))] + log_probabilities[at]
    path = [int(score.argmax())]
    for at in range(n - 1, 0, -1):
        path.append(int(back[at, path[-1]]))
    return [classes[code] for code in reversed(path)]


def transitions(classes: tuple[str, ...]) -> FloatArray:
    """0 where the second tag may follow the first, FORBIDDEN elsewhere, (C, C)."""
    allowed = np.zeros((len(classes), len(classes)))
    for to, name in enumerate(classes):
        if name.startswith("I-"):
            for before, other in enumerate(classes):
                if other not in (name, f"B-{name[2:]}"):
                    allowed[before, to] = FORBIDDEN
    return allowed


def tag_rows(
    log_probabilities: FloatArray, *, row: IntArray, word: IntArray, n_words: IntArray, classes: tuple[str, ...]
) -> Answers:
    """Tags of every row from those of its words. log_probabilities: (M, C) of words `word` of rows `row`. n_words: (n,); a word
    of which the model saw nothing is outside."""
    order = np.lexsort((word, row))
    ends = np.cumsum(np.bincount(row, minlength=len(n_words)))
    said, sure = [], np.zeros(len(n_words))
    for number, (end, n) in enumerate(zip(ends.tolist(), n_words.tolist(), strict=True)):
        start = int(ends[number - 1]) if number else 0
        mine = order[start:end]
        scores = np.full((n, len(classes)), FORBIDDEN)
        scores[:, classes.index("O")] = 0.0
        scores[word[mine]] = log_probabilities[mine]
        said.append(" ".join(likeliest_tags(scores, classes)))
        sure[number] = float(np.exp(scores.max(axis=1).sum()))  # of all tags at once, words taken as independent
    return Answers(said, sure)


def best_span(logits: FloatArray, covered: IntArray) -> tuple[int, int, float, float]:
    """(first, last character + 1, score, score of no answer) of one window. logits: (2, T). covered: characters of each token,
    (T, 2), -1 outside of the text."""
    start, end = logits
    of_text = np.flatnonzero(covered[:, 0] >= 0)
    none = float(start[0] + end[0])
    if not len(of_text):
        return -1, -1, FORBIDDEN, none
    low, width = int(of_text[0]), len(of_text)
    best, found = FORBIDDEN, (low, low)
    for length in range(min(LONGEST, width)):
        reached = start[low : low + width - length] + end[low + length : low + width]
        at = int(reached.argmax())
        if reached[at] > best:
            best, found = float(reached[at]), (low + at, low + at + length)
    return int(covered[found[0], 0]), int(covered[found[1], 1]), best, none
