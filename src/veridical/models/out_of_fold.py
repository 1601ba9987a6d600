"""Predictions for every row by torch-free models that saw neither the row nor anything in its cluster.

Clusters are dealt to folds; the model of fold k is trained on the train rows outside fold k and predicts every row of fold k,
whatever its split. A leaked test row is so predicted by a model without its twins, and an unleaked one by a model of the same
training size, which keeps their margins comparable.
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.linear import fit_linear
from veridical.models.model import FloatArray
from veridical.models.text_features import HashedText, hashed, is_word
from veridical.models.word_bayes import fit_word_bayes

N_FOLDS = 5
"""Folds. 5 trains on 80 % of the rows at five fits; 10 changed margins by less than their noise. Ours; no source."""


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """probabilities: linear family, (N, C). word_probabilities: word naive Bayes, (N, C). fold: (N,)."""

    probabilities: FloatArray
    word_probabilities: FloatArray
    fold: IntArray
    features: HashedText
    """The features of all rows, for whoever else wants to fit on them."""
    apart: str = ""
    """Why an encoder was left out: met, unlike, few or tuned (`joined_folds`); empty where none was there, or it joined."""

    def rows(self, rows: IntArray) -> "OutOfFold":
        """The same of some rows."""
        return OutOfFold(
            self.probabilities[rows], self.word_probabilities[rows], self.fold[rows], self.features.rows(rows), self.apart
        )

    def learnable(self, train: IntArray, codes: IntArray, *, n_classes: int) -> IntArray:
        """Of the train rows those whose label some train row of another fold has: of the others no model could know it. codes: of
        these rows, (n,)."""
        fold = self.fold[train]
        each = np.zeros((int(self.fold.max(initial=0)) + 1, n_classes), np.int64)
        np.add.at(each, (fold, codes), 1)
        return np.asarray(train[each.sum(axis=0)[codes] > each[fold, codes]])


def deal_clusters(clusters: IntArray, *, n_folds: int, rng: np.random.Generator) -> IntArray:
    """A fold for each row, whole clusters together, folds of about equal numbers of clusters. Shape (N,)."""
    distinct, member = np.unique(clusters, return_inverse=True)
    dealt = rng.permutation(np.arange(len(distinct)) % n_folds)
    return np.asarray(dealt[member], dtype=np.int64)


def out_of_fold(
    data: Dataset, clusters: IntArray, *, seed: int, n_folds: int = N_FOLDS, progress: Progress = silent
) -> OutOfFold:
    """Fit `n_folds` models of each family on train rows; predict all rows out of fold."""
    features = hashed(data.inputs())
    words = _word_columns(features)
    fold = deal_clusters(clusters, n_folds=n_folds, rng=stream(seed, "out_of_fold"))
    n_classes = len(data.labels)
    linear, bayes = np.zeros((len(data), n_classes)), np.zeros((len(data), n_classes))
    train = data.rows("train")
    for k in range(n_folds):
        progress("fold models", k, n_folds)
        inside, outside = np.flatnonzero(fold == k), train[fold[train] != k]
        if not len(inside):
            continue
        codes = data.codes[outside]
        model = fit_linear(features.rows(outside), codes, labels=data.labels, seed=seed)
        columns = np.searchsorted(features.hashes, model.hashes)
        linear[inside] = model.predict_features(features.matrix[inside][:, columns])
        naive = fit_word_bayes(features.matrix[outside][:, words], codes, n_classes=n_classes)
        bayes[inside] = naive.predict_features(features.matrix[inside][:, words])
    progress("fold models", n_folds, n_folds)
    return OutOfFold(linear, bayes, fold, features)


def _word_columns(features: HashedText) -> IntArray:
    """Words that occur in at least two rows."""
    frequency = np.bincount(features.matrix.indices, minlength=features.matrix.shape[1])
    return np.flatnonzero((frequency >= 2) & is_word(features.hashes)).astype(np.int64)
