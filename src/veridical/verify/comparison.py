"""Which of several models is better on one test set, how surely, and how much of the best one's lead is luck.

Every pair is tested on the same rows: signs flipped (or statistics swapped) cluster by cluster, Holm over all pairs, intervals
from one cluster bootstrap that all runs share, simultaneous by max-|t| (Romano and Wolf 2005). A difference is *told* only when
the corrected p value and the simultaneous band agree; where one of them alone would tell, the record says which. Choosing the
best of k: bias by the bootstrap (Tsamardinos et al. 2018, Machine Learning 107:1895), and the bound sigma sqrt(2 ln k).

Letters: n rows, K runs, R replicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import log, sqrt

import numpy as np
from scipy import stats

from veridical.core.bootstrap import FloatArray, IntArray, cluster_totals
from veridical.core.comparison_record import Difference, Discordance, NonInferiority, Pair, Selection, Stability
from veridical.core.estimate import Estimate
from veridical.core.multiplicity import holm
from veridical.core.power import minimum_detectable_effect
from veridical.core.randomness import stream
from veridical.ledger.inference import partially_identified, score_interval
from veridical.ledger.noise_shapes import undone
from veridical.ledger.score_table import worst
from veridical.verify.label_draws import DrawParams, Truth, under_transition
from veridical.verify.paired_terms import Paired, Rows, Terms, drawn_scores, honest_terms, reported_terms, softened

LEVEL = 0.95
LABEL_DRAWS = 500
"""Sets of labels drawn for the stability of the order: a share moves by about 2 points. Ours; no source."""
UNSEEN = 3.0
"""Rule of three: what never occurs in G clusters occurs in at most 3 / G of the population, at 95 %."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison found, before the runs' names are put to it. reported, honest: one estimate a run. stability: None where
    wrong labels have no model."""

    terms: str
    n_clusters: int
    reported: tuple[Estimate, ...]
    honest: tuple[Estimate, ...] | None
    pairs: tuple[Pair, ...]
    ranks: tuple[tuple[float, ...], ...]
    stability: tuple[Stability, ...] | None
    selection: Selection


def compare(
    rows: Paired,
    *,
    transitions: Sequence[FloatArray] | None = None,
    reviewed: Truth | None = None,
    margin: float | None = None,
    looks: int = 0,
    seed: int = 0,
) -> Compared:
    """transitions: the fitted, the least and the largest label noise that the data allow, (C, C) each; None: labels are taken as
    given. reviewed: the truth after a review, which replaces them. margin: points, for non-inferiority. looks: distinct runs
    known to have scored this test set; at least the K compared are counted."""
    plain = reported_terms(rows)
    truths = _truths(rows, transitions) if isinstance(rows, Rows) and transitions is not None and reviewed is None else []
    fitted = reviewed or (truths[0] if truths else None)
    honest = honest_terms(rows, fitted)
    main = honest or plain
    drawn = {terms.name: terms.draws(stream(seed, f"compare/{terms.name}")) for terms in (plain, honest) if terms}
    told = {terms.name: _Family(terms, drawn[terms.name], _bounds(terms, truths), seed) for terms in (plain, honest) if terms}
    drawable = [reviewed] if reviewed else [truth for truth in truths if truth.source != "least"]
    pairs = _pairs(rows, told["reported"], told.get("honest"), margin=margin)
    return Compared(
        terms=main.name,
        n_clusters=plain.n_clusters,
        reported=told["reported"].scores(),
        honest=told["honest"].scores() if honest else None,
        pairs=pairs,
        ranks=ranks(drawn[main.name]),
        stability=tuple(_stability(rows, main, t, seed) for t in drawable if t.rate > 0) if isinstance(rows, Rows) else None,
        selection=selection(plain.scores, drawn["reported"], looks=looks),
    )


def _truths(rows: Rows, transitions: Sequence[FloatArray]) -> list[Truth]:
    """Under the fitted, the least and the largest noise, cut to what lets no run exceed a score of 1."""
    possible = [_possible(transition, rows) for transition in transitions]
    made = [under_transition(t, codes=rows.codes, predicted=rows.predicted, source="fitted") for t in possible]
    return [made[0], replace(made[1], source="least"), replace(made[2], source="largest")]


def _possible(transition: FloatArray, rows: Rows) -> FloatArray:
    """The transition, drawn towards none as far as needed for the best run's corrected score to stay at or below 1."""
    identity = np.eye(len(transition))

    def drawn(share: float) -> FloatArray:
        return np.asarray(identity + share * (transition - identity))

    def fits(share: float) -> bool:
        labels = undone(drawn(share), rows.codes)
        return all(_corrected(rows, labels, predicted) <= 1.0 for predicted in rows.predicted)

    if fits(1.0):
        return drawn(1.0)
    low, high = 0.0, 1.0
    for _ in range(DrawParams().halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return drawn(low)


def _corrected(rows: Rows, labels: FloatArray, predicted: IntArray) -> float:
    """Accuracy under corrected labels: the check that is meaningful for every metric."""
    return float(labels[np.arange(len(predicted)), predicted].mean())


def _bounds(terms: Terms, truths: Sequence[Truth]) -> FloatArray:
    """Scores of all runs under the least and the largest noise, minus those shown, (2 or 0, K)."""
    if terms.name == "reported" or not truths:
        return np.zeros((0, len(terms.totals)))
    others = [honest_terms(terms.rows, truth) for truth in truths[1:]]
    return np.stack([other.scores - terms.scores for other in others if other])


@dataclass(frozen=True, eq=False)
class _Family:
    """All pairs in one way of counting: their family of tests."""

    terms: Terms
    drawn: FloatArray
    bounds: FloatArray
    seed: int

    @property
    def couples(self) -> list[tuple[int, int]]:
        return list(combinations(range(len(self.terms.totals)), 2))

    @property
    def n_clusters(self) -> int:
        return self.terms.n_clusters

    def scores(self) -> tuple[Estimate, ...]:
        """Each run's own score; its interval is not for comparing."""
        method = (
            "cluster bootstrap" if self.terms.name == "reported" else "calibrated to one run's population, clusters resampled"
        )
        found = []
        lowest = worst(self.terms.metric, self.terms.rows.width)
        for run, at in enumerate(self.terms.scores):
            shown = min(float(at), 1.0)
            around = [0.0, *self.bounds[:, run]] if len(self.bounds) else [0.0]
            error = float(self.drawn[:, run].std(ddof=1))
            critical = float(stats.t.ppf(0.5 + LEVEL / 2, max(self.n_clusters - self.terms.n_parameters, 2)))
            least, most = min(shown + min(around), 1.0), min(shown + max(around), 1.0)
            low, _ = score_interval(least, error, worst=lowest, critical=critical, n=self.n_clusters)
            _, high = score_interval(most, error, worst=lowest, critical=critical, n=self.n_clusters)
            n = self.terms.rows.n
            found.append(Estimate(shown, min(low, shown), max(high, shown), LEVEL, n, self.n_clusters, method))
        return tuple(found)

    def at(self, first: int, second: int) -> float:
        return float(self.terms.scores[second] - self.terms.scores[first])

    def deviations(self, first: int, second: int) -> FloatArray:
        return np.asarray(self.drawn[:, second] - self.drawn[:, first] - self.at(first, second))

    def error(self, first: int, second: int) -> float:
        return float(self.deviations(first, second).std())

    def around(self, first: int, second: int) -> tuple[float, float]:
        """How far label noise could move the difference down and up."""
        if not len(self.bounds):
            return 0.0, 0.0
        moved = self.bounds[:, second] - self.bounds[:, first]
        return min(0.0, float(moved.min())), max(0.0, float(moved.max()))

    def hidden(self, first: int, second: int) -> float:
        """How much of the difference label noise may have made: an effect must be larger by that to be told from none."""
        down, up = self.around(first, second)
        return -down if self.at(first, second) > 0 else up

    def differences(self) -> list[Difference]:
        couples, n = self.couples, self.n_clusters
        errors = [self.error(*couple) for couple in couples]
        p = [self.p(*couple, error) for couple, error in zip(couples, errors, strict=True)]
        smallest = float(stats.t.ppf(0.5 + LEVEL / 2, max(n - self.terms.n_parameters, 2)))
        live = [np.abs(self.deviations(*c)) / e for c, e in zip(couples, errors, strict=True) if e > 0]
        joint = max(float(np.quantile(np.max(live, axis=0), LEVEL)), smallest) if live else smallest
        made = []
        for couple, error, one, corrected in zip(couples, errors, p, holm(p), strict=True):
            alone = np.quantile(np.abs(self.deviations(*couple)) / error, LEVEL) if error > 0 else smallest
            points = self.estimate(couple, max(float(alone), smallest), holds_zero=one > 1 - LEVEL)
            band = self.estimate(couple, joint, holds_zero=corrected > 1 - LEVEL)
            told = bool(corrected <= 1 - LEVEL and (band.low > 0 or band.high < 0))
            seen = min(100.0, self.mde(error, tests=len(couples)) + 100 * self.hidden(*couple))
            conflict = self.conflict(couple, joint, rejected=corrected <= 1 - LEVEL)
            made.append(Difference(points, band, one, float(corrected), told, seen, conflict))
        return made

    def p(self, first: int, second: int, error: float) -> float:
        """Two-sided p of no difference. error: its standard error."""
        permuted = self.terms.p(first, second, stream(self.seed, f"swap/{self.terms.name}/{first}/{second}"))
        if error == 0:
            return permuted
        t, freedom = abs(self.at(first, second)) / error, max(self.n_clusters - self.terms.n_parameters, 2)
        share = self.terms.review_share(first, second, error)
        return softened(permuted, share, by_error=float(2 * stats.t.sf(t, freedom)))

    def conflict(self, couple: tuple[int, int], joint: float, *, rejected: bool) -> str:
        """Which of the two, test or band, would call the pair apart alone, where they disagree; a verdict needs both."""
        band = self.estimate(couple, joint, holds_zero=False)
        apart = band.low > 0 or band.high < 0
        if rejected == apart:
            return ""
        if apart:
            return "band"
        return "labels" if abs(self.at(*couple)) > joint * self.error(*couple) else "test"

    def estimate(self, couple: tuple[int, int], critical: float, *, holds_zero: bool) -> Estimate:
        """The difference in points; where the test does not reject none, its interval holds it."""
        at, error = self.at(*couple), self.error(*couple)
        down, up = self.around(*couple)
        if error == 0:
            slack = UNSEEN / max(self.n_clusters, 1)
            low, high, method = at - slack, at + slack, "no row differs: rule of three"
        else:
            wide = critical
            if down < 0 or up > 0:
                wide = critical / 1.96 * partially_identified(at + down, at + up, standard_error=error)
            low, high, method = at + down - wide * error, at + up + wide * error, "paired cluster bootstrap"
        if holds_zero:
            low, high = min(low, 0.0), max(high, 0.0)
        low, high = max(low, -1.0 - abs(at)), min(high, 1.0 + abs(at))
        n = self.terms.rows.n
        low, high = float(min(low, at)), float(max(high, at))
        return Estimate(100 * at, 100 * low, 100 * high, LEVEL, n, self.n_clusters, method)

    def mde(self, error: float, *, tests: int) -> float:
        """Points seen with 80 % power after the correction. An effect of e brings e more units on which the two differ, so that
        the standard error under it is larger than the one seen: e = z sqrt(error^2 + e / units)."""
        z = minimum_detectable_effect(1.0, level=1 - (1 - LEVEL) / tests)
        by_cluster = cluster_totals(self.terms.weights[:, None], self.terms.rows.clusters)[:, 0]
        unit = z * z * float(by_cluster @ by_cluster)
        return min(100.0, 50 * (unit + sqrt(unit * unit + 4 * z * z * error * error)))

    def worse_by(self, first: int, second: int, margin: float) -> float:
        """One-sided p of: the second run is worse than the first by `margin` points or more, as badly as label noise allows."""
        error, share = self.error(first, second), margin / 100
        if error == 0:
            return float((1 - min(share, 1.0)) ** self.n_clusters)
        down, _ = self.around(first, second)
        t = (self.at(first, second) + down + share) / error
        return float(stats.t.sf(t, max(self.n_clusters - self.terms.n_parameters, 2)))


def _pairs(rows: Paired, reported: _Family, honest: _Family | None, *, margin: float | None) -> tuple[Pair, ...]:
    as_reported = reported.differences()
    as_honest = honest.differences() if honest else [None] * len(as_reported)
    noninferior = _noninferior(honest or reported, margin) if margin is not None else [None] * len(as_reported)
    return tuple(
        Pair(a, b, plain, true, discordance(rows, a, b), judged)
        for (a, b), plain, true, judged in zip(reported.couples, as_reported, as_honest, noninferior, strict=True)
    )


def _noninferior(family: _Family, margin: float) -> list[NonInferiority]:
    """Both directions of every pair, Holm over all of them."""
    raw = [p for a, b in family.couples for p in (family.worse_by(a, b, margin), family.worse_by(b, a, margin))]
    corrected = holm(raw)
    found = []
    for at in range(len(family.couples)):
        second, first = float(corrected[2 * at]), float(corrected[2 * at + 1])
        said = {(True, True): "both", (True, False): "second", (False, True): "first", (False, False): "neither"}
        verdict = said[second <= 1 - LEVEL, first <= 1 - LEVEL]
        found.append(NonInferiority(margin, family.terms.name, second, first, verdict))
    return found


def discordance(rows: Paired, first: int, second: int) -> Discordance:
    """McNemar's exact test (1947) on rows: right by the label as given."""
    a, b = rows.right(first), rows.right(second)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    p = float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
    return Discordance(only_a, only_b, p, independent=len(np.unique(rows.clusters)) == rows.n)


def ranks(drawn: FloatArray) -> tuple[tuple[float, ...], ...]:
    """Share of the resamples (R, K) in which each run has each rank, best first; equal scores share their ranks."""
    k = drawn.shape[1]
    above = (drawn[:, None, :] > drawn[:, :, None] + 1e-12).sum(axis=2)
    level = (np.abs(drawn[:, None, :] - drawn[:, :, None]) <= 1e-12).sum(axis=2)  # itself included
    found = np.zeros((k, k))
    for place in range(k):
        found[:, place] = (((above <= place) & (place < above + level)) / level).mean(axis=0)
    return tuple(tuple(float(share) for share in row) for row in found)


def _stability(rows: Rows, terms: Terms, truth: Truth, seed: int) -> Stability:
    """The order under labels drawn anew, test rows as they are."""
    rng = stream(seed, f"labels/{truth.source}")
    drawn = drawn_scores(rows.in_terms(terms.name), terms.weights, [truth.draw(rng) for _ in range(LABEL_DRAWS)])
    ordered = terms.scores
    before = [(a, b) for a in range(len(ordered)) for b in range(len(ordered)) if ordered[a] > ordered[b] + 1e-12]
    kept = np.ones(len(drawn), bool)
    for a, b in before:
        kept &= drawn[:, a] >= drawn[:, b] - 1e-12
    top = drawn >= drawn.max(axis=1, keepdims=True) - 1e-12
    best = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
    return Stability(
        truth.source, truth.rate, len(drawn), float(kept.mean()), float(top[:, int(ordered.argmax())].mean()),
        tuple(float(share) for share in best),
    )  # fmt: skip


def selection(scores: FloatArray, drawn: FloatArray, *, looks: int) -> Selection:
    """scores: (K,), drawn: (R, K), both as reported: it is by these that people choose."""
    k = len(scores)
    chosen = drawn.argmax(axis=1)
    optimism = float((drawn[np.arange(len(drawn)), chosen] - scores[chosen]).mean())
    variances = [float((drawn[:, b] - drawn[:, a]).var()) for a, b in combinations(range(k), 2)]
    sigma = sqrt(float(np.mean(variances)) / 2)
    known = max(looks, k)
    return Selection(
        k=k, best=int(scores.argmax()), optimism=100 * max(optimism, 0.0), bound=100 * sigma * sqrt(2 * log(k)), looks=known,
        bound_looks=100 * sigma * sqrt(2 * log(known)),
    )  # fmt: skip
