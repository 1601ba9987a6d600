"""Fold models of two families: the linear one, and a head on features of an encoder that no label of these rows had a say in.

An encoder that has been tuned on these rows before knows train rows better than others, and what it knows less of test rows would
pass for wrong test labels. So the head's sureness beyond that of the linear family is compared between the clusters of train and
of test; no label is looked at, so wrong ones make no difference.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from veridical.core.progress import Progress, silent
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.models.frozen_features import Float32, fit_head
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import OutOfFold

FEWEST_CLUSTERS = 30
"""Clusters of unleaked test rows, and of train rows, from which sureness is compared; with fewer the folds stay as they are.
Ours; no source."""
SURER_ALPHA, LESS_SURE_ALPHA = 0.05, 0.005
"""p values under which an encoder is left out: where it is surer of train, which makes up wrong test labels, and where it is
surer of test. Ours: a false alarm costs some width, a miss a finding (tests/unit/models/test_joined_folds.py)."""
MET_ALPHA = 0.005
"""p value under which the run says that the encoder looks tuned on these rows. As for populations (ledger/population.py)."""
SURE = 1e-9
"""Probability under which a class counts as ruled out. Ours; no source."""
LARGEST_MARGIN = 5.0
"""Log odds at which a model's sureness is cut (0.993). Ours; no source."""
MOST_ROWS = 20_000
"""Train rows that the head of a fold is fitted on, at most, drawn once for all folds; it bounds the time. Ours; no source."""
TOLERANCE = 1e-3
"""Of the heads of folds: probabilities hardly differ from those of a finer fit (docs/log.md, 2026-11-30). Ours."""


def joined(
    folds: OutOfFold,
    data: Dataset,
    clusters: IntArray,
    *,
    encoded: Callable[[], Float32 | None],
    seed: int,
    progress: Progress = silent,
) -> OutOfFold:
    """`folds` whose first family is both: log probabilities added, each family's times a factor; the factors have the smallest
    log loss on train rows (stacking, Wolpert 1992, with two weights).

    clusters: (N,). encoded: gives (N, D), or None where there is no such encoder. The folds as they are where too few rows are
    there to compare, where some fold has no train rows of two classes outside, or where the encoder knows one side better than
    the other; then `apart` says why: `met` where it looks like one that was tuned on the train rows, `unlike` where it is surer
    of one side by less, or of test, `few` and `tuned` (before, by its folder).
    """
    train, rows = data.rows("train"), np.arange(len(data))
    sides = _sides(data, clusters)
    outside = {int(k): train[folds.fold[train] != k] for k in np.unique(folds.fold)}
    if any(len(np.unique(data.codes[others])) < 2 for others in outside.values()) or _too_few(*sides):
        return replace(folds, apart="few")
    features, head = encoded(), np.zeros_like(folds.probabilities)
    if features is None:
        return replace(folds, apart="tuned")
    order = np.random.default_rng(seed).permutation(len(data))
    for number, (k, others) in enumerate(outside.items()):
        progress("fold models", number, len(outside))
        inside, learned = rows[folds.fold == k], others[np.argsort(order[others], kind="stable")[:MOST_ROWS]]
        fitted = fit_head(features[learned], data.codes[learned], n_classes=len(data.labels), tolerance=TOLERANCE)
        head[inside] = fitted.predict(features[inside])
    progress("fold models", len(outside), len(outside))
    surer, less_sure = _compared(_margin(head) - _margin(folds.probabilities), clusters, *sides)
    if surer < SURER_ALPHA or less_sure < LESS_SURE_ALPHA:
        return replace(folds, apart="met" if surer < MET_ALPHA else "unlike")
    families = [np.log(np.clip(family, SURE, None)) for family in (folds.probabilities, head)]
    known = folds.learnable(train, data.codes[train], n_classes=len(data.labels))
    votes = 1.0 / np.bincount(clusters)[clusters[known]]
    factors = _factors([family[known] for family in families], data.codes[known], votes / votes.sum())
    return replace(folds, probabilities=softmax(sum(factor * family for factor, family in zip(factors, families, strict=True))))


def _sides(data: Dataset, clusters: IntArray) -> tuple[BoolArray, BoolArray]:
    """Whether each cluster, in the order of their codes, has rows of train (or valid), and whether of test."""
    member = np.unique(clusters, return_inverse=True)[1]
    of_test = data.splits == "test"
    n = int(member.max(initial=-1)) + 1
    return np.bincount(member[~of_test], minlength=n) > 0, np.bincount(member[of_test], minlength=n) > 0


def _too_few(in_train: BoolArray, in_test: BoolArray) -> bool:
    return min(int((in_test & ~in_train).sum()), int((in_train & ~in_test).sum())) < FEWEST_CLUSTERS


def _compared(beyond: FloatArray, clusters: IntArray, in_train: BoolArray, in_test: BoolArray) -> tuple[float, float]:
    """(p value of train not being larger, of train not being smaller) of cluster means, Welch 1947. Each the larger one of two
    comparisons, unleaked test with all train and all test with unleaked train: rows that were chosen to be leaked, as the easy
    ones, distort one of them."""
    from scipy.stats import ttest_ind

    member = np.unique(clusters, return_inverse=True)[1]
    mean = np.bincount(member, beyond) / np.bincount(member)
    pairs = ((mean[in_train], mean[in_test & ~in_train]), (mean[in_train & ~in_test], mean[in_test]))
    surer, less_sure = (
        max(_p(ttest_ind(*pair, equal_var=False, alternative=side).pvalue) for pair in pairs) for side in ("greater", "less")
    )
    return surer, less_sure


def _p(found: float) -> float:
    """A p value; 1 where no mean varies."""
    return 1.0 if np.isnan(found) else float(found)


def _margin(family: FloatArray) -> FloatArray:
    top = np.clip(family.max(axis=1), SURE, 1 - SURE)
    return np.asarray(np.minimum(np.log(top) - np.log1p(-top), LARGEST_MARGIN))


def _factors(families: list[FloatArray], codes: IntArray, votes: FloatArray) -> FloatArray:
    """Of the log probabilities (n, C) of each family: those with the smallest log loss, positive. votes: (n,), sum 1."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    rows = np.arange(len(codes))

    def loss(logarithms: FloatArray) -> float:
        scores = sum(factor * family for factor, family in zip(np.exp(logarithms), families, strict=True))
        return float(votes @ (logsumexp(scores, axis=1) - scores[rows, codes]))

    start = np.full(len(families), -np.log(len(families)))
    return np.asarray(np.exp(minimize(loss, start, method="L-BFGS-B", bounds=[(-6.0, 3.0)] * len(families)).x))
