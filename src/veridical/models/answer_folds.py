"""What linear models say of every row of a task whose answers are structures, each having seen neither the row nor its cluster.

Clusters are dealt to folds as in `out_of_fold`: of one data set and seed the folds are the same.
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.answering_linear import fit_linear_answering
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import N_FOLDS, deal_clusters
from veridical.tasks._contract import Structure

MOST = {"words": 1_500_000, "labels": 300_000}
"""By head: words times tags, or rows times labels, that one fold model learns from, at most; of more, rows are drawn, so that
fitting does not grow with the rows. Ours; no source."""


@dataclass(frozen=True, eq=False)
class AnswerFolds:
    """said: answer to each row, empty where no model could be fitted without it, N of them. sure: of the whole answer, 0..1,
    (N,). fold: (N,). classes: what the model chooses among at each place: tags, or names. start: first place of each row,
    (N + 1,): a place is a word, or the whole text where answers are sets. probabilities: of each class at each place, (M, C),
    rows sum to 1 for tags; NaN where no model could be fitted. n_drawn: rows that a fold model learned from where it could not
    learn from all, else 0."""

    said: list[str]
    sure: FloatArray
    fold: IntArray
    classes: tuple[str, ...]
    start: IntArray
    probabilities: FloatArray
    n_drawn: int = 0

    def rows(self, chosen: IntArray) -> "AnswerFolds":
        """What was said of the chosen rows, by the same models."""
        places = [np.arange(self.start[row], self.start[row + 1]) for row in chosen]
        start = np.concatenate([[0], np.cumsum(np.diff(self.start)[chosen])]).astype(np.int64)
        kept = np.concatenate([np.zeros(0, np.int64), *places])
        said = [self.said[row] for row in chosen]
        return AnswerFolds(
            said, self.sure[chosen], self.fold[chosen], self.classes, start, self.probabilities[kept], self.n_drawn
        )


def answer_folds(
    data: Dataset, structure: Structure, clusters: IntArray, *, seed: int, progress: Progress = silent
) -> AnswerFolds:
    """Only for heads of LINEAR_HEADS, and data with train rows."""
    fold = deal_clusters(clusters, n_folds=N_FOLDS, rng=stream(seed, "out_of_fold"))
    train, classes = data.rows("train"), structure.classes(data.labels)
    width = np.array([text.count(" ") + 1 if structure.head == "words" else 1 for text in data.texts], np.int64)
    start = np.concatenate([[0], np.cumsum(width)]).astype(np.int64)
    found = np.full((int(start[-1]), len(classes)), np.nan)
    said, sure, n_drawn = [""] * len(data), np.full(len(data), 0.5), 0
    for number in range(N_FOLDS):
        progress("fold models", number, N_FOLDS)
        inside, outside = np.flatnonzero(fold == number), train[fold[train] != number]
        if not len(inside) or len(outside) < 2:
            continue
        drawn = _drawn(outside, width, most=MOST[structure.head] // len(classes), seed=seed + number)
        n_drawn = max(n_drawn, len(drawn)) if len(drawn) < len(outside) else n_drawn
        model = fit_linear_answering(data, drawn, structure=structure, seed=seed)
        inputs = data.inputs(inside)
        each = model.probabilities(inputs)
        found[np.concatenate([np.arange(start[row], start[row + 1]) for row in inside])] = each
        told = model.decoded(each, inputs)
        sure[inside] = told.confidence
        for row, answer in zip(inside.tolist(), told.said, strict=True):
            said[row] = answer
    progress("fold models", N_FOLDS, N_FOLDS)
    return AnswerFolds(said, sure, fold, classes, start, found, n_drawn)


def _drawn(rows: IntArray, width: IntArray, *, most: int, seed: int) -> IntArray:
    """All rows, or as many drawn at random as hold `most` places together."""
    if width[rows].sum() <= most:
        return rows
    order = stream(seed, "answer_folds").permutation(rows)
    return np.sort(order[: max(2, int(np.searchsorted(np.cumsum(width[order]), most)))])
