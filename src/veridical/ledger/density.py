"""How much likelier each test row is under a target than where it came from: the density ratio that the players shift and concept
weigh test rows by."""

from dataclasses import dataclass

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.models.linear import LinearParams, fit_linear
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import deal_clusters
from veridical.models.text_features import HashedText, hashed

FOLDS = 5
"""Folds of the domain classifier. Ours; no source."""
STRENGTHS = (0.03, 0.3, 3.0, 10.0)
"""Inverse penalties of the domain classifier that are tried; the one whose recalibrated out-of-fold log-odds tell the sides apart
best is taken. Ours; no source: at 10 alone, what a few words tell of a small shift drowned in the others."""
LARGEST_RATIO = 50.0
"""Density ratios above it are cut: one row would stand for more than fifty. Ours; no source."""
LIKE_ROWS = 5
"""Test rows that must look at least as much like the target as a row of it does, for that row to have a counterpart. Ours;
no source."""
BY_CHANCE = 0.99
"""Quantile of the number of rows that lie beyond so many test rows by chance where both sides are alike, 0..1; up to it none is
left out. Ours; no source."""
LEAST_LIKE = 0.25
"""Share of the target's rows, 0..1, that must have a counterpart for test rows to be weighted at all. Ours; no source."""
LENGTHS = 12
"""Classes of equally many rows by the length of their texts. Ours; no source."""
LENGTH_GAIN = 0.01
"""Log loss, nats a row, by which length must tell the two apart better to be taken. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Density:
    """inside: which of the target's rows have test rows like them, (t,). ratio: density of these over the source at each source
    row, (n,). auc: of the classifier that tells the two apart. All out of fold."""

    ratio: FloatArray
    inside: BoolArray
    auc: float


def density_of(evidence: Evidence, source: IntArray, target: IntArray, *, seed: int) -> Density:
    """evidence: over the rows of both. source: positions of the test rows to weigh, target: those of the target.

    A linear model on character and word n-grams tells the two apart; its out-of-fold log-odds are recalibrated by two numbers
    (Platt 1999), since a confident classifier makes ratios that no data support, and of several penalties the one is taken whose
    log-odds then tell them apart best. How long a text is, which n-grams brought to one length do not say, stands beside them
    where that tells the two apart better still. Rows of the target that lie beyond the source are left out, and the rest is
    compared anew: no weights of test rows can stand for them.
    """
    rows = np.concatenate([source, target])
    side = np.concatenate([np.zeros(len(source), np.int64), np.ones(len(target), np.int64)])
    features, length = hashed(evidence.data.inputs(rows)), _lengths(evidence.data)[rows]
    fold = deal_clusters(evidence.clusters[rows], n_folds=FOLDS, rng=stream(seed, "domain folds"))
    among = np.arange(len(rows))
    loosest = _odds(features, side, fold, among=among, c=STRENGTHS[-1], seed=seed)
    inside = _inside(_better(loosest, length, side, fold), side)
    if LEAST_LIKE <= inside.mean() < 1:
        among = np.concatenate([np.arange(len(source)), len(source) + np.flatnonzero(inside)])
        loosest = _odds(features, side, fold, among=among, c=STRENGTHS[-1], seed=seed)
    tried = [*(_odds(features, side, fold, among=among, c=c, seed=seed) for c in STRENGTHS[:-1]), loosest]
    side, fold, length = side[among], fold[among], length[among]
    odds = _better(min(tried, key=lambda odds: _loss(_recalibrated(odds, side), side)), length, side, fold)
    logs = _recalibrated(odds, side)[: len(source)] + np.log(len(source) / int(side.sum()))
    return Density(np.exp(np.minimum(logs, np.log(LARGEST_RATIO))), inside, _auc(odds, side))


def _lengths(data: Dataset) -> FloatArray:
    """Characters of each row, of both texts of a pair, (N,)."""
    second = data.seconds or [""] * len(data)
    return np.array([len(text) + len(other) for text, other in zip(data.texts, second, strict=True)], np.float64)


def _better(odds: FloatArray, length: FloatArray, side: IntArray, fold: IntArray) -> FloatArray:
    """The log-odds, or those with the length of texts beside them, whichever out of fold tell the sides apart better, (n,)."""
    from sklearn.linear_model import LogisticRegression

    edges = np.unique(np.quantile(length, np.linspace(0, 1, LENGTHS + 1)[1:-1]))
    described = np.column_stack([odds, np.eye(len(edges) + 1)[np.searchsorted(edges, length)]])
    joined = odds.copy()
    for k in np.unique(fold):
        inside, outside = fold == k, fold != k
        if len(np.unique(side[outside])) < 2:
            return odds
        model = LogisticRegression(max_iter=1000).fit(described[outside], side[outside])
        joined[inside] = model.decision_function(described[inside])
    losses = [_loss(_recalibrated(found, side), side) for found in (odds, joined)]
    return joined if losses[0] - losses[1] > LENGTH_GAIN else odds


def _odds(features: HashedText, side: IntArray, fold: IntArray, *, among: IntArray, c: float, seed: int) -> FloatArray:
    """Log-odds of the rows `among` to be the target's, each by a model of the other folds, (len(among),). c: inverse penalty."""
    odds = np.zeros(len(side))
    for k in range(FOLDS):
        inside, outside = among[fold[among] == k], among[fold[among] != k]
        if not len(inside) or len(np.unique(side[outside])) < 2:
            continue
        model = fit_linear(
            features.rows(outside), side[outside], labels=("source", "target"), seed=seed, params=LinearParams(c=c)
        )
        columns = np.searchsorted(features.hashes, model.hashes)
        share = np.clip(model.predict_features(features.matrix[inside][:, columns])[:, 1], 1e-6, 1 - 1e-6)
        odds[inside] = np.log(share / (1 - share))
    return odds[among]


def _inside(odds: FloatArray, side: IntArray) -> BoolArray:
    """Which of the target's rows lie among the source's, (t,): all of them unless more lie beyond than chance puts there."""
    from scipy.stats import betabinom

    source, there = np.sort(odds[side == 0]), odds[side == 1]
    k = min(LIKE_ROWS, len(source))
    beyond: BoolArray = there > source[-k]
    # Where both sides are alike, the share of them beyond the k-th highest of n is Beta(k, n - k + 1).
    if beyond.sum() <= betabinom.ppf(BY_CHANCE, len(there), k, len(source) - k + 1):
        return np.ones(len(there), bool)
    return ~beyond


def _loss(odds: FloatArray, side: IntArray) -> float:
    """Mean log loss of log-odds to be the target's, in nats."""
    return float(np.logaddexp(0, -(2.0 * side - 1) * odds).mean())


def _recalibrated(odds: FloatArray, side: IntArray) -> FloatArray:
    """a + b x odds with the (a, b) of largest likelihood, b >= 0; (n,)."""
    from scipy.optimize import minimize

    def loss(found: FloatArray) -> float:
        return _loss(found[0] + found[1] * odds, side)

    start = np.array([float(np.log(side.mean() / (1 - side.mean()))), 0.5])
    best = minimize(loss, start, method="L-BFGS-B", bounds=[(None, None), (0.0, None)]).x
    return np.asarray(best[0] + best[1] * odds)


def _auc(scores: FloatArray, side: IntArray) -> float:
    """Share of (target, source) pairs that the scores order rightly, ties half."""
    from scipy.stats import rankdata

    ranks, n_target = rankdata(scores), int(side.sum())
    return float((ranks[side == 1].sum() - n_target * (n_target + 1) / 2) / (n_target * (len(side) - n_target)))
