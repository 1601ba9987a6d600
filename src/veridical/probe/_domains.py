"""Two samples of rows told apart by a classifier, and what a score loses from one to the other: in X, and in Y given X.

Letters: n units (one row a cluster), R replicates. side: 0 for the sample one comes from, 1 for the one one goes to.
"""

from dataclasses import dataclass, replace

import numpy as np

from veridical.core.bootstrap import resampled_counts
from veridical.core.group_metrics import permutation_p
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Measure
from veridical.dataset.rows import IntArray
from veridical.models.linear import LinearParams, fit_linear, weighted
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import deal_clusters
from veridical.models.text_features import HashedText
from veridical.probe import _clustered, _roc

FOLDS = 5
"""Folds of the cross-fitted classifier. Ours; no source."""
STRENGTH = LinearParams(c=0.1)
"""Regularisation of the classifier. Ours: on planted mixes of a word among 1,200 rows and on mixes of AG News topics the log loss
is lowest at 0.03 to 0.3; at the scored model's own 10 a third of the shift of the inputs is missed."""
MOST_CLASSES = 10
"""Predicted classes that the second stage tells apart, the most frequent. Ours; no source."""
LARGEST_LOGIT = 30.0


@dataclass(frozen=True, eq=False)
class Told:
    """Cross-fitted logits of side 1, (n,), from models that saw neither the unit nor its fold. fold, side: (n,)."""

    logits: FloatArray
    fold: IntArray
    side: IntArray

    def separation(self) -> _clustered.Spread:
        """Area under the ROC curve inside folds (scores of two folds are not comparable), averaged over them. The error is that
        of the units told, for the models as they are."""
        areas, weights = [], []
        for k in np.unique(self.fold):
            ours = self.fold == k
            high, low = self.logits[ours & (self.side == 1)], self.logits[ours & (self.side == 0)]
            if len(high) > 1 and len(low) > 1:
                areas.append(_roc.area(high, low))
                weights.append(float(len(high) * len(low)))
        share = np.array(weights) / np.sum(weights)
        value = float(share @ [one.value for one in areas])
        error = float(np.sqrt(share**2 @ [one.error**2 for one in areas]))
        return _clustered.Spread(value, error, len(self.side), len(self.side))

    def with_answers(self, probabilities: FloatArray) -> "Told":
        """Told apart by the text and by what the scored model makes of it (n, C): its class and its confidence, cross-fitted."""
        from sklearn.linear_model import LogisticRegression

        top, said = probabilities.max(axis=1), probabilities.argmax(axis=1)
        frequent = np.argsort(-np.bincount(said), kind="stable")[:MOST_CLASSES]
        confidence = np.log(np.maximum(top, 1e-9)) - np.log(np.maximum(1 - top, 1e-9))
        columns = np.column_stack([self.logits, confidence, *[said == k for k in frequent]]).astype(np.float64)
        columns = (columns - columns.mean(axis=0)) / np.maximum(columns.std(axis=0), 1e-9)
        logits = np.zeros(len(columns))
        for k in np.unique(self.fold):
            inside = self.fold == k
            fitted = LogisticRegression(max_iter=500).fit(columns[~inside], self.side[~inside])
            logits[inside] = fitted.decision_function(columns[inside])
        return Told(logits, self.fold, self.side)

    def balanced(self, times: FloatArray | None = None) -> FloatArray:
        """Probability of side 1 as if both sides were equally large, calibrated on the cross-fitted logits, (n,).

        times: how often each unit counts in the calibration, default once.
        """
        times = np.ones(len(self.side)) if times is None else times
        sizes = np.bincount(self.side, times, minlength=2)
        # Each side has the same weight, which is what makes the prior even.
        weights = times / sizes[self.side]
        slope, shift = _calibrated(self.logits, self.side, weights)
        logit = np.clip(slope * self.logits + shift, -LARGEST_LOGIT, LARGEST_LOGIT)
        return np.asarray(1 / (1 + np.exp(-logit)))


NEWTON_STEPS = 12
RIDGE = 1e-3
"""Strength of the pull of the calibrated slope to 0, on a total weight of 2: sides that never mix keep a finite slope. Ours."""


def _calibrated(logits: FloatArray, side: IntArray, weights: FloatArray) -> tuple[float, float]:
    """(slope, shift) of the logistic regression of `side` on `logits` (Platt 1999)."""
    centre, scale = float(np.average(logits, weights=weights)), max(float(logits.std()), 1e-9)
    x = (logits - centre) / scale
    slope = shift = 0.0
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(slope * x + shift, -LARGEST_LOGIT, LARGEST_LOGIT)))
        residual, curve = weights * (side - p), weights * p * (1 - p) + 1e-12
        gradient = np.array([residual @ x - RIDGE * slope, residual.sum()])
        hessian = np.array([[curve @ (x * x) + RIDGE, curve @ x], [curve @ x, curve.sum()]])
        step = np.linalg.solve(hessian, gradient)
        slope, shift = slope + float(step[0]), shift + float(step[1])
        if np.abs(step).max() < 1e-8:
            break
    return slope / scale, shift - slope * centre / scale


def told_apart(features: HashedText, rows: IntArray, side: IntArray, *, seed: int, rng: np.random.Generator) -> Told:
    """features: of all rows of the data; rows: positions of the units, (n,)."""
    fold = np.zeros(len(rows), np.int64)
    for which in (0, 1):
        ours = np.flatnonzero(side == which)
        fold[ours] = deal_clusters(ours, n_folds=FOLDS, rng=rng)
    logits = np.zeros(len(rows))
    for k in range(FOLDS):
        inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        model = fit_linear(features.rows(rows[outside]), side[outside], labels=("from", "to"), seed=seed, params=STRENGTH)
        columns = np.searchsorted(features.hashes, model.hashes)
        said = model.predict_features(features.matrix[rows[inside]][:, columns])
        logits[inside] = np.log(np.maximum(said[:, 1], 1e-12)) - np.log(np.maximum(said[:, 0], 1e-12))
    return Told(logits, fold, side)


AT_ONCE = 32
"""Deals of sides that are worked out together. Ours: what fits into memory."""


@dataclass(frozen=True, eq=False)
class Luck:
    """areas: of `Told.separation` where sides are dealt at random and learned anew, (R,). told: standard deviation of that area
    where they are dealt anew and not learned. Every unit is both told and learned from, and what the second adds is the same for
    any classifier that is linear in the sides: half of the variance where nothing differs."""

    areas: FloatArray
    told: float

    def added_to(self, found: _clustered.Spread) -> _clustered.Spread:
        """The area with an error that counts what the units learned from add."""
        learned = max(float(self.areas.var()) - self.told**2, 0.0)
        return replace(found, error=float(np.sqrt(found.error**2 + learned)))


def by_luck(features: HashedText, rows: IntArray, told: Told, *, replicates: int, rng: np.random.Generator) -> Luck:
    """What `told_apart` finds where nothing differs. Sides are dealt at random inside folds; in the place of the logistic
    regression stands the difference of the sides' mean rows (what that is in the limit of strong regularisation), which takes one
    product for many deals. Golland and Fischl 2003, IPMI 2732:330 (permutation with the classifier trained anew)."""
    from scipy.stats import rankdata

    frequency = np.bincount(features.rows(rows).matrix.indices, minlength=features.matrix.shape[1])
    kept = np.flatnonzero(frequency >= STRENGTH.min_documents)
    idf = (np.log((1 + len(rows)) / (1 + frequency[kept])) + 1).astype(np.float32)
    matrix = weighted(features.matrix[rows][:, kept], idf)
    folds = [np.flatnonzero(told.fold == k) for k in np.unique(told.fold)]
    parts = [matrix[ours] for ours in folds]
    sizes = np.array([np.bincount(told.side[ours], minlength=2) for ours in folds], np.float64)
    pairs, bases = sizes.prod(axis=1), np.array([part.sum(axis=0).T for part in parts], np.float32)  # (K, F, 1)
    others = sizes.sum(axis=0) - sizes
    found = []
    for first in range(0, replicates, AT_ONCE):
        n = min(AT_ONCE, replicates - first)
        dealt = [rng.permuted(np.tile(told.side[ours], (n, 1)), axis=1).T.astype(np.float32) for ours in folds]
        sums = [part.T @ side for part, side in zip(parts, dealt, strict=True)]
        whole, areas = np.sum(sums, axis=0), np.zeros(n)
        for part, side, own, base, size, other in zip(parts, dealt, sums, bases, sizes, others, strict=True):
            high = whole - own
            scores = part @ (high / other[1] - (bases.sum(axis=0) - base - high) / other[0])
            areas += (rankdata(scores, axis=0) * side).sum(axis=0) - size[1] * (size[1] + 1) / 2
        found.append(areas / pairs.sum())
    # Of a rank sum among ranks without ties (Mann and Whitney 1947).
    plain = float(np.sqrt((pairs * (sizes.sum(axis=1) + 1) / 12).sum()) / pairs.sum())
    return Luck(np.concatenate(found), plain)


def separation(
    name: str, features: HashedText, rows: IntArray, told: Told, *, replicates: int, level: float, rng: np.random.Generator
) -> Measure:
    """How well the sides of a pair of samples `name` are told apart, against sides dealt at random. features: of all rows of the
    data; rows: positions of the units, (n,)."""
    luck = by_luck(features, rows, told, replicates=replicates, rng=rng)
    found = luck.added_to(told.separation())
    about = "Chance that a classifier on the texts ranks a row of the second side above one of the first; 50 % tells nothing."
    estimate = found.estimate(level=level, method="cross-fitted classifier; one row a cluster", bounded=True)
    mde = minimum_detectable_effect(float(luck.areas.std()), level=level)
    p = permutation_p(found.value, luck.areas)
    return Measure(f"told_apart: {name}", estimate, "share", about, null=0.5, mde=mde, p=p)


@dataclass(frozen=True, eq=False)
class Parts:
    """What is lost from side 0 to side 1 in points, with errors. effective: rows of each side that count for the shared part.
    heaviest: places (among the units) of the rows with the largest weights, and their share of all weight."""

    total: _clustered.Spread
    inputs: _clustered.Spread
    labels_given_inputs: _clustered.Spread
    effective: tuple[float, float]
    heaviest: tuple[IntArray, float]


HEAVIEST = 3
"""Rows named when weights explode."""


def parts(right: FloatArray, told: Told, *, replicates: int, rng: np.random.Generator) -> Parts:
    """Cai, Namkoong and Yadlowsky 2023 (DISDE): the shared distribution has density pq / (p + q), so weights stay in 0..1.

    right: score of each unit (n,). Units are resampled inside their side and the classifier is calibrated anew each time: where
    it knows next to nothing, the sign of the little that it knows is luck, and that luck belongs into the interval.
    """
    sides = [np.flatnonzero(told.side == which) for which in (0, 1)]
    columns = np.column_stack([np.ones(len(right)), right])
    once = np.ones(len(right))
    value = _split(*_sums(told, columns, once, sides))
    draws = np.empty((replicates, 3))
    for r in range(replicates):
        times = np.zeros(len(right))
        for ours in sides:
            times[ours] = resampled_counts(len(ours), 1, rng)[0]
        draws[r] = _split(*_sums(told, columns, times, sides))
    total, inputs, given = (
        _clustered.Spread(float(v), float(np.std(d)), len(right), len(right)) for v, d in zip(value, draws.T, strict=True)
    )
    probability = told.balanced()
    weights = [probability[sides[0]], 1 - probability[sides[1]]]
    # Where nothing is shared all weights are tiny and equal: the mass that is shared counts as well as its evenness.
    effective = [min(float(w.sum() ** 2 / max(w @ w, 1e-300)), 2 * float(w.sum())) for w in weights]
    thin = int(np.argmin(effective))
    order = np.argsort(-weights[thin], kind="stable")[:HEAVIEST]
    share = float(weights[thin][order].sum() / max(weights[thin].sum(), 1e-300))
    return Parts(total, inputs, given, (effective[0], effective[1]), (sides[thin][order], share))


def _sums(told: Told, columns: FloatArray, times: FloatArray, sides: list[IntArray]) -> tuple[FloatArray, FloatArray]:
    """Sums of 1, r, w and w r on each side, (4,) twice."""
    probability = told.balanced(times)
    made = []
    for ours, weight in zip(sides, (probability, 1 - probability), strict=True):
        plain, weighted = times[ours] @ columns[ours], (times[ours] * weight[ours]) @ columns[ours]
        made.append(np.concatenate([plain, weighted]))
    return made[0], made[1]


def _split(source: FloatArray, target: FloatArray) -> tuple[float, float, float]:
    """(total, inputs, labels given inputs) from sums of 1, r, w and w r (4,)."""
    plain = [side[1] / side[0] for side in (source, target)]
    shared = [side[3] / max(side[2], 1e-300) for side in (source, target)]
    return plain[0] - plain[1], (plain[0] - shared[0]) + (shared[1] - plain[1]), shared[0] - shared[1]
