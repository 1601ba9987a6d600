"""Predictions for every row by torch-free models that saw neither the row nor anything in its cluster.

Clusters are dealt to folds; the model of fold k is trained on the train rows outside fold k and predicts every row of fold k,
whatever its split. A leaked test row is so predicted by a model without its twins, and an unleaked one by a model of the same
training size, which keeps their margins comparable.
"""

from dataclasses import dataclass, replace

import numpy as np

from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.frozen_features import Float32, fit_head
from veridical.models.linear import fit_linear, softmax
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
    met: bool = False
    """Whether an encoder was asked, and left out since it looks like one that has met these train rows with their labels."""

    def rows(self, rows: IntArray) -> "OutOfFold":
        """The same of some rows."""
        return OutOfFold(
            self.probabilities[rows], self.word_probabilities[rows], self.fold[rows], self.features.rows(rows), self.met
        )


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


def joined(folds: OutOfFold, encoded: Float32, data: Dataset, *, unleaked: IntArray) -> OutOfFold:
    """`folds` whose first family is the linear one and a head on features that no label of these rows had a say in.

    encoded: (N, D), of an encoder before it is trained on these rows. unleaked: test rows without a twin in train. The log
    probabilities of both families are added, each times a factor; the factors have the smallest log loss on train rows (stacking,
    Wolpert 1992, with two weights). The folds as they are where the head is surer of the train rows than of the unleaked test
    rows, by more than the linear family is (`met`: an encoder that was tuned on these rows with their labels is), or less sure,
    or where too few rows are there to tell.
    """
    train, head = data.rows("train"), np.zeros_like(folds.probabilities)
    for k in np.unique(folds.fold):
        inside, outside = np.flatnonzero(folds.fold == k), train[folds.fold[train] != k]
        head[inside] = fit_head(encoded[outside], data.codes[outside], n_classes=len(data.labels)).predict(encoded[inside])
    if min(len(train), len(unleaked)) < FEWEST_COMPARED:
        return folds
    beyond = _margin(head) - _margin(folds.probabilities)
    surer, p = _compared(beyond[train], beyond[unleaked])
    if p < MET_ALPHA:
        return replace(folds, met=surer)
    families = [np.log(np.clip(family, SURE, None)) for family in (folds.probabilities, head)]
    factors = _factors([family[train] for family in families], data.codes[train])
    return replace(folds, probabilities=softmax(sum(factor * family for factor, family in zip(factors, families, strict=True))))


SURE = 1e-9
"""Probability under which a class counts as ruled out. Ours; no source."""
MET_ALPHA = 0.005
"""p value under which an encoder counts as one that met the rows. As for populations (ledger/population.py). Ours; no source."""
FEWEST_COMPARED = 30
"""Rows on either side from which that is asked; with fewer the folds stay as they are. Ours; no source."""
LARGEST_MARGIN = 5.0
"""Log odds at which a model's sureness is cut (0.993). Ours; no source."""


def _compared(train: FloatArray, test: FloatArray) -> tuple[bool, float]:
    """Whether the mean of train rows is the larger one, and the p value of equal means (Welch 1947). Margins know no label, so
    wrong ones make no difference."""
    from scipy.stats import ttest_ind

    return bool(train.mean() > test.mean()), float(ttest_ind(train, test, equal_var=False).pvalue)


def _margin(family: FloatArray) -> FloatArray:
    top = np.clip(family.max(axis=1), SURE, 1 - SURE)
    return np.asarray(np.minimum(np.log(top) - np.log1p(-top), LARGEST_MARGIN))


def _factors(families: list[FloatArray], codes: IntArray) -> FloatArray:
    """Of the log probabilities (n, C) of each family: those with the smallest log loss, positive."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    rows = np.arange(len(codes))

    def loss(logarithms: FloatArray) -> float:
        scores = sum(factor * family for factor, family in zip(np.exp(logarithms), families, strict=True))
        return float((logsumexp(scores, axis=1) - scores[rows, codes]).mean())

    start = np.full(len(families), -np.log(len(families)))
    return np.asarray(np.exp(minimize(loss, start, method="L-BFGS-B", bounds=[(-6.0, 3.0)] * len(families)).x))


def _word_columns(features: HashedText) -> IntArray:
    """Words that occur in at least two rows."""
    frequency = np.bincount(features.matrix.indices, minlength=features.matrix.shape[1])
    return np.flatnonzero((frequency >= 2) & is_word(features.hashes)).astype(np.int64)
