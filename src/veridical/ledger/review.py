"""A person reviews some labels: which rows to show, and what their answers say about all the others.

Rows are stratified by whether the model agrees with the label and by how likely the label is wrong; unleaked and leaked rows
apart, and each by group where groups may have other shares of wrong labels. Allocation follows Neyman (1934), random inside a
stratum; where several scores are to be told, by the root mean square of what a stratum counts for in each. The share of wrong
labels in a stratum is the reviewed share, pulled towards what one noise rate, fitted to all answers, predicts there: strata where
the model agrees hold few wrong labels, and thirty rows without one must neither mean 'none' nor 'up to three in a hundred' when
the disagreeing rows have told the rate. A group's rows have the rate of the group as far as its own answers tell it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.ballots import Ballots, one_each
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.noise_shapes import NoiseParams, uniform_transition
from veridical.models.model import FloatArray
from veridical.tasks import _cells

UNSURE = _cells.UNSURE


@dataclass(frozen=True)
class ReviewParams:
    """Settings of the review."""

    min_rows: int = 8
    """Rows from every stratum that has as many, of all its groups together. Ours; no source."""
    leaked_rows: int = 20
    """Rows from the leaked part of the test set, when it is at least `leaked_share`. Ours; no source."""
    leaked_share: float = 0.02
    """Share of leaked test rows from which they are worth reviewing. Ours; no source."""
    prior_rate: float = 0.05
    """Share of wrong labels assumed when choosing rows. Northcutt et al. 2021 (arXiv:2103.14749) found 3.4 % on average."""
    strength_disagree: float = 12.0
    """Rows that the fitted noise rate counts for in a stratum where the model contradicts the label. Ours, by 135 noisy test sets
    whose wrong labels are even, of one class, of hard rows, or of some words in train as well (docs/log.md, 2026-11-30)."""
    transition_rows: float = 20.0
    """Rows that an even spread of errors counts for in each class's row of the fitted noise. Ours, by benchmarks/honesty."""
    rounds: int = 40
    """Rounds of expectation-maximisation. Ours; no source."""
    strength_agree: float = 60.0
    """The same where the model agrees with the label. Ours, by the same."""
    trusted_disagree: float = 4.0
    """Rows that it counts for in the interval, where the model contradicts the label. Ours, by the same."""
    trusted_agree: float = 24.0
    """The same where the model agrees. Ours, by the same."""
    foreseen_rows: float = 6.0
    """Rows that what was foreseen counts for in the ratio of what was seen to it, over all rows on which model and label agree
    and over all others: no hit at all must not mean none anywhere. Ours, by the same."""
    of_leaked: float = 1 / 3
    """Share of all these rows in leaked strata: what a model says of rows that it has read is foreseen badly. Ours, by
    tests/unit/ledger/test_review.py."""


@dataclass(frozen=True, eq=False)
class Frame:
    """stratum: of each test row, those of each further group 8 codes on, (n,). wrong: modelled chance that the label is wrong
    in a way that changes the score, (n,). names: of the strata, (H,)."""

    stratum: IntArray
    wrong: FloatArray
    names: tuple[str, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class Review:
    """Row id -> the label a person gave, or `unsure`. Blank answers are not in it."""

    answers: Mapping[str, str]


FIRST_LEAKED = 6
"""Stratum from which rows are leaked."""
AGREEING = (3, 4, 5, 7)
"""Strata in which the scored model agrees with the label."""
STRATA = ("disagree, suspect", "disagree, mid", "disagree, calm", "agree, suspect", "agree, mid", "agree, calm",
          "leaked, disagree", "leaked, agree")  # fmt: skip


def agreeing(n_strata: int) -> BoolArray:
    """Which strata are of rows on which label and model agree, (H,). Strata that are crossed with groups or with those of other
    reviews, codes 8 apart, are told by the first."""
    return np.isin(np.arange(n_strata) % len(STRATA), AGREEING)


def frame(
    noise: LabelNoise,
    *,
    ids: list[str],
    codes: IntArray,
    predicted: IntArray,
    leaked: BoolArray,
    params: ReviewParams,
) -> Frame:
    """Strata of the test rows, by group where `noise` tells groups. codes, predicted: (n,)."""
    wrong = changed(noise.suspected(codes, least=params.prior_rate), codes=codes, predicted=predicted)
    agree = predicted == codes
    stratum = np.where(agree, 7, 6).astype(np.int64)
    for first, side in ((0, ~agree), (3, agree)):
        rows = np.flatnonzero(side & ~leaked)
        order = rows[np.argsort(-wrong[rows], kind="stable")]
        for tercile, part in enumerate(np.array_split(order, 3)):
            stratum[part] = first + tercile
    names: tuple[str, ...] = STRATA
    if len(noise.number):
        stratum += len(STRATA) * noise.number
        names = tuple(f"{name}; {group}" for group in (*noise.names.tolist(), "all others") for name in STRATA)
    digest = hashlib.sha256("\n".join(f"{i}\t{s}" for i, s in zip(ids, stratum, strict=True)).encode()).hexdigest()
    return Frame(stratum, wrong, names, digest)


def changed(posterior: FloatArray, *, codes: IntArray, predicted: IntArray) -> FloatArray:
    """Chance that the true label changes the row's score, (n,): truth = prediction where they disagree, truth != label else."""
    rows = np.arange(len(codes))
    return np.where(predicted == codes, 1 - posterior[rows, codes], posterior[rows, predicted])


def allocation(frame: Frame, weights: FloatArray, *, rows: int, done: IntArray, params: ReviewParams) -> IntArray:
    """How many rows to review in each stratum, (H,), at most those left. weights: of each row in the honest score, (n,), or in
    each of several scores, (S, n)."""
    n_strata = len(frame.names)
    size = np.bincount(frame.stratum, minlength=n_strata)
    left = size - np.bincount(frame.stratum[done], minlength=n_strata)
    mass = np.stack([np.bincount(frame.stratum, np.abs(each), minlength=n_strata) for each in np.atleast_2d(weights)])
    mean = np.bincount(frame.stratum, frame.wrong, minlength=n_strata) / np.maximum(size, 1)
    want = np.sqrt((mass**2).mean(axis=0) * mean * (1 - mean))
    kind = np.arange(n_strata) % len(STRATA)
    leaked = kind >= FIRST_LEAKED
    least = np.where(np.arange(len(STRATA)) < FIRST_LEAKED, params.min_rows, 0)
    if size[leaked].sum() >= max(params.leaked_share * size.sum(), 1):
        least[FIRST_LEAKED:] = round(params.leaked_rows / 2)
    given = np.zeros(n_strata, np.int64)
    for k, n in enumerate(least):
        given[kind == k] = _dealt(int(n), left[kind == k])
    want[leaked] = 0.0
    given = _trimmed(given, rows)
    while given.sum() < min(rows, int(left.sum())):
        gain = np.where(given < left, want**2 / np.maximum(given, 1) / np.maximum(given + 1, 1) + 1e-15, 0.0)
        if gain[~leaked].any():
            gain[leaked] = 0.0  # leaked rows beyond their share only when nothing else is left
        given[int(gain.argmax())] += 1
    return given


def _dealt(n: int, left: IntArray) -> IntArray:
    """n rows, at most all that are left, over the groups of a stratum in proportion to these: Hamilton's rounding. left: (G,)."""
    n, whole = min(n, int(left.sum())), max(int(left.sum()), 1)
    dealt, over = np.divmod(n * left, whole)
    dealt[np.argsort(-over, kind="stable")[: n - int(dealt.sum())]] += 1
    return np.asarray(dealt, np.int64)


def _trimmed(given: IntArray, rows: int) -> IntArray:
    while given.sum() > rows:
        given[int(given.argmax())] -= 1
    return given


def draw(frame: Frame, given: IntArray, *, done: IntArray, seed: int) -> IntArray:
    """Rows to review, positions among the test rows, in random order so that strata do not show."""
    rng = stream(seed, f"review/{len(done)}")
    fresh = np.ones(len(frame.stratum), bool)
    fresh[done] = False
    chosen = [rng.permutation(np.flatnonzero((frame.stratum == h) & fresh))[:k] for h, k in enumerate(given)]
    return np.asarray(rng.permutation(np.concatenate(chosen)), dtype=np.int64)


def inclusion(frame: Frame, given: IntArray, *, done: IntArray) -> FloatArray:
    """Chance of a row of each stratum to be drawn, given which rows were reviewed before, (H,)."""
    n_strata = len(frame.names)
    left = np.bincount(frame.stratum, minlength=n_strata) - np.bincount(frame.stratum[done], minlength=n_strata)
    return np.asarray(given / np.maximum(left, 1), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Reviewed:
    """What the answers say. labels: distribution over the true label of each row, (n, C). change: (n, C) difference of that
    distribution per unit of its stratum's share. spread: standard error of each stratum's share, (H,). own: units of that share
    by which a row's own label may differ, a standard deviation, 0 for reviewed rows, (n,). seen: reviewed rows, (n,). unsure:
    rows that a person could not judge, wrong: reviewed rows whose label a person changed, (n,)."""

    labels: FloatArray
    change: FloatArray
    spread: FloatArray
    own: FloatArray
    stratum: IntArray
    seen: BoolArray
    unsure: BoolArray
    wrong: BoolArray

    @property
    def wrong_seen(self) -> int:
        return int(self.wrong.sum())


def apply_answers(
    noise: LabelNoise,
    frame: Frame,
    *,
    truth: IntArray,
    codes: IntArray,
    predicted: IntArray,
    params: ReviewParams,
    graded: bool = False,
    ballots: Ballots | None = None,
) -> Reviewed:
    """truth: code of the reviewed label, -1 where not reviewed, -2 where `unsure`, (n,). graded: labels have an order and answers
    may be partly right, so that every change of a label changes the score, not only one to what the model said. ballots: what the
    rows count for; one each where not given.

    An unsure row says nothing of its own label, so it moves no value; but rows that a person cannot judge may be wrong more, or
    less, often than those next to them, all in the same direction, and that widens the interval.
    """
    seen, unsure = truth >= 0, truth == -2
    agree = predicted == codes
    anything = agree | graded
    box = ballots or one_each(len(codes))
    hit = np.where(anything, truth != codes, truth == predicted) & seen
    n_strata, stratum = len(frame.names), frame.stratum
    read, right = (np.maximum(box.total(of, stratum, n_strata), 1e-300) for of in (seen, hit))
    alike = box.alike(hit - (right / read)[stratum], seen, stratum)
    vote = box.evidence(seen, alike=alike)
    prior_of, posterior, blind, modelled = _foreseen(
        noise, stratum, truth=truth, codes=codes, predicted=predicted, hit=hit, vote=vote, graded=graded, params=params
    )
    asked = box.answers(seen, stratum, n_strata, alike=alike)
    hits = asked * np.where(asked > 0, right / read, 0.0)
    undecided = box.total(unsure, stratum, n_strata)
    undecided_share = undecided / (read + undecided)
    size = np.maximum(np.bincount(stratum, box.vote, minlength=n_strata), 1e-300)
    prior = np.bincount(stratum, box.vote * modelled, minlength=n_strata) / size
    agrees, kind = agreeing(n_strata), np.arange(n_strata) % len(STRATA)
    # What is foreseen counts for as many rows of a kind, however many groups share it.
    part = size / np.bincount(kind, size)[kind]
    counts = part * np.where(kind >= FIRST_LEAKED, params.of_leaked, 1.0)
    strength = counts * np.where(agrees, params.strength_agree, params.strength_disagree)
    share = (hits + strength * prior) / (asked + strength)
    # The interval trusts what was foreseen less than the value does.
    trusted = counts * np.where(agrees, params.trusted_agree, params.trusted_disagree)
    cautious = (hits + trusted * prior + 0.5 * part) / (asked + trusted + part)
    spread = np.sqrt(cautious * (1 - cautious) * (1 / (asked + trusted) + undecided_share**2))
    scaled, per_share = _at_share(modelled, share, stratum, vote=box.vote)
    if graded:
        labels, change = _any_change(blind, scaled, codes=codes)
    else:
        labels, change = _label_distributions(prior_of, posterior, scaled, codes=codes, predicted=predicted)
    change *= per_share[:, None]
    labels[seen] = 0.0
    labels[seen, truth[seen]] = 1.0
    change[seen] = 0.0
    own = np.where(seen, 0.0, np.sqrt(scaled * (1 - scaled)) / np.maximum(per_share, 1e-9))
    return Reviewed(labels, change, spread, own, frame.stratum, seen, unsure, seen & (truth != codes))


def _foreseen(
    noise: LabelNoise,
    stratum: IntArray,
    *,
    truth: IntArray,
    codes: IntArray,
    predicted: IntArray,
    hit: BoolArray,
    vote: FloatArray,
    graded: bool,
    params: ReviewParams,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(p(truth | text) of all rows (n, C), p(truth | text, label), the same as if no row had been reviewed and with what the
    model said, chance of a change that moves the score as it is foreseen from all answers (n,)). hit: reviewed rows with such a
    change, (n,)."""
    seen = truth >= 0
    less = np.where(stratum % len(STRATA) >= FIRST_LEAKED, params.of_leaked, 1.0)
    prior, posterior, blind = _fitted(noise, truth=truth, codes=codes, seen=seen, vote=vote, params=params)
    if graded:
        blind = _leaning(blind, truth=truth, predicted=predicted, seen=seen)
    else:
        for side in (less < 1, less == 1):
            blind = _weighing(blind, truth=truth, predicted=predicted, seen=seen, of=side, vote=vote)
    modelled = changed(blind, codes=codes, predicted=np.where((predicted == codes) | graded, codes, predicted))
    kinds = np.minimum(np.abs(predicted - codes), FAR if graded else 1) + (FAR + 1) * (less < 1)
    modelled = np.clip(modelled, 1e-6, 1 - 1e-6)
    rows, group = params.foreseen_rows * less, stratum // len(STRATA)
    modelled = _scaled(modelled, hit, seen, kinds=kinds, vote=vote, rows=rows)
    if group.any():
        modelled = _scaled(modelled, hit, seen, kinds=kinds + (int(kinds.max()) + 1) * group, vote=vote, rows=rows)
    return prior, posterior, blind, modelled


def _scaled(
    modelled: FloatArray, hit: BoolArray, seen: BoolArray, *, kinds: IntArray, vote: FloatArray,
    rows: FloatArray,
) -> FloatArray:  # fmt: skip
    """The modelled chances times the ratio of what the reviewed rows of each kind showed to what was foreseen for them, (n,).

    A scored model much better than the fold models is right where these are in doubt: its agreement with a label is worth more
    than they know, and its contradiction too. Of a row that it has read this holds the more. Only the answers can tell.
    rows: by which the ratio of each row's kind is pulled towards 1, (n,).
    """
    _, kind = np.unique(kinds, return_inverse=True)
    kind = np.asarray(kind).reshape(-1)
    weight = np.where(seen, vote, 0.0)
    shown, foreseen = np.bincount(kind, weight * hit), np.bincount(kind, weight * modelled)
    ratio = (shown[kind] + rows) / (foreseen[kind] + rows)
    return np.asarray(np.clip(modelled * ratio, 1e-6, 1 - 1e-6))


def _at_share(chances: FloatArray, share: FloatArray, stratum: IntArray, *, vote: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Chances (n,) with their odds in each stratum times what makes their mean the stratum's share (H,), and their derivative in
    that share, (n,). Chances times a factor would be cut at 1 and fall short of a share near 1."""
    size = np.maximum(np.bincount(stratum, vote, minlength=len(share)), 1e-300)
    odds = special.logit(chances)
    low, high = np.full(len(share), -MOST_LOG_ODDS), np.full(len(share), MOST_LOG_ODDS)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        mean = np.bincount(stratum, vote * special.expit(odds + middle[stratum]), minlength=len(share)) / size
        low, high = np.where(mean < share, middle, low), np.where(mean < share, high, middle)
    found = special.expit(odds + ((low + high) / 2)[stratum])
    each = found * (1 - found)
    mean_each = np.bincount(stratum, vote * each, minlength=len(share)) / size
    return found, each / np.maximum(mean_each, 1e-12)[stratum]


MOST_LOG_ODDS, BISECTIONS = 40.0, 60
"""Between which factors it is sought, and in how many halvings: to the last digit."""
SHARPNESS = (0.7, 1.0, 1.4, 2.0, 3.0, 4.0)
"""Exponents on p(label | text) that are tried: above 1 where train labels are noisy and the expectation is too flat."""


def _fitted(
    noise: LabelNoise,
    *,
    truth: IntArray,
    codes: IntArray,
    seen: BoolArray,
    vote: FloatArray,
    params: ReviewParams,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(p(truth | text) of all rows (n, C), p(truth | text, label), the same as if no row had been reviewed), by maximum
    likelihood over all rows.

    Reviewed rows bring their truth, the others their label; which rows were reviewed depends only on text and label, so that the
    likelihood is right (missing at random, Rubin 1976). Of train labels nothing is assumed but that they order the classes; class
    shares are others than train's where the labels are likelier so by more than the penalty of BIC.
    """
    best: tuple[float, FloatArray, FloatArray] | None = None
    c = noise.expected.shape[1]
    penalty = 0.5 * (c - 1) * float(np.log(max(vote.sum(), 1.0)))
    for sharpness in SHARPNESS:
        prior = noise.expected**sharpness
        prior = prior / prior.sum(axis=1, keepdims=True)
        for shares in (False, True):
            moved, transition, fit = _semi_supervised(
                prior, truth=truth, codes=codes, seen=seen, vote=vote, shares=shares, params=params
            )
            if best is None or fit - shares * penalty > best[0]:
                best = (fit - shares * penalty, transition, moved)
    assert best is not None
    _, transition, prior = best
    joint = prior * transition[:, codes].T
    posterior = joint / joint.sum(axis=1, keepdims=True)
    blind = posterior.copy()
    posterior[seen] = np.eye(len(transition))[truth[seen]]
    return prior, posterior, blind


def _semi_supervised(
    prior: FloatArray,
    *,
    truth: IntArray,
    codes: IntArray,
    seen: BoolArray,
    vote: FloatArray,
    shares: bool,
    params: ReviewParams,
) -> tuple[FloatArray, FloatArray, float]:
    """(p(truth | text) (n, C), transition matrix, log-likelihood) by expectation-maximisation; each row of the matrix is pulled
    towards the even one of the pooled rate. shares: whether the classes' shares are to be those of the truths as well, by a
    factor a class, found by iterative scaling (Darroch and Ratcliff 1972)."""
    n, c = prior.shape
    rows = np.arange(n)
    transition, ratio, moved = uniform_transition(c, params.prior_rate), np.ones(c), prior
    posterior = np.zeros((n, c))
    for _ in range(params.rounds):
        joint = moved * transition[:, codes].T
        posterior = joint / joint.sum(axis=1, keepdims=True)
        posterior[seen] = 0.0
        posterior[seen, truth[seen]] = 1.0
        counts = np.stack([np.bincount(codes, vote * posterior[:, k], minlength=c) for k in range(c)])
        pooled = float(np.clip(1 - np.trace(counts) / counts.sum(), 1e-5, NoiseParams().largest(c)))
        pull = counts + params.transition_rows * uniform_transition(c, pooled)
        transition = pull / pull.sum(axis=1, keepdims=True)
        if shares:
            ratio = ratio * (counts.sum(axis=1) + SHARE_ROWS) / (vote @ moved + SHARE_ROWS)
            moved = prior * ratio
            moved = moved / moved.sum(axis=1, keepdims=True)
    joint = moved * transition[:, codes].T
    fit = np.where(seen, joint[rows, np.maximum(truth, 0)], joint.sum(axis=1))
    return moved, transition, float(vote @ np.log(np.maximum(fit, 1e-12)))


SHARE_ROWS = 1.0
"""Rows that keep a class's share from 0. Ours; no source."""


LEANINGS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Log odds, per grade of distance, by which a grade far from what the model said is less likely the true one; the answers choose.
Ours, by tests/unit/ledger/test_graded.py."""
FAR = 3
"""Grades between label and prediction from which rows are counted together: few are so far apart. Ours; no source."""


def _leaning(blind: FloatArray, *, truth: IntArray, predicted: IntArray, seen: BoolArray) -> FloatArray:
    """p(truth | text, label) of grades with what the model said, (n, C): grades near it are likelier, by as much as makes the
    reviewed truths likeliest. That a far label is wrong more often than a near one decides what graded scores gain."""
    apart = np.abs(np.arange(blind.shape[1])[None, :] - predicted[:, None])
    best, found = -np.inf, blind
    for leaning in LEANINGS:
        tried = blind * np.exp(-leaning * apart)
        tried = tried / tried.sum(axis=1, keepdims=True)
        fit = float(np.log(np.maximum(tried[seen, truth[seen]], 1e-12)).sum())
        if fit > best:
            best, found = fit, tried
    return found


WORTHS = np.arange(-2.0, 5.01, 0.1)
"""Log odds that are tried for what the scored model says, on top of what text and label say; the answers choose. Ours, by
the test sets named at `ReviewParams`."""
WORTH_SPREAD = 1.5
"""Standard deviation of these log odds over models before any answer. Ours, by the same."""


def _weighing(
    blind: FloatArray,
    *,
    truth: IntArray,
    predicted: IntArray,
    seen: BoolArray,
    of: BoolArray,
    vote: FloatArray,
) -> FloatArray:
    """p(truth | text, label) with what the scored model said of the rows `of`, (n, C): its answer is likelier by as much as makes
    the reviewed truths there likeliest. One figure for all of them: where reads show that a model is right against labels, its
    agreement with others is worth more too."""
    rows, read = np.arange(len(predicted)), seen & of
    said, right = blind[rows, predicted][read], (truth == predicted)[read]
    fits = [vote[read] @ (w * right - np.log1p(said * np.expm1(w))) - 0.5 * (w / WORTH_SPREAD) ** 2 for w in WORTHS]
    worth = float(WORTHS[int(np.argmax(fits))])
    tilted = blind.copy()
    tilted[rows, predicted] *= np.exp(np.where(of, worth, 0.0))
    return np.asarray(tilted / tilted.sum(axis=1, keepdims=True))


def _any_change(blind: FloatArray, share: FloatArray, *, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """(distribution over the true label given each row's chance that its label is wrong, its derivative), both (n, C)."""
    rows = np.arange(len(codes))
    given, elsewhere = np.zeros_like(blind), blind.copy()
    given[rows, codes] = 1.0
    elsewhere[rows, codes] = 0.0
    elsewhere = elsewhere / np.maximum(elsewhere.sum(axis=1, keepdims=True), 1e-12)
    return (1 - share)[:, None] * given + share[:, None] * elsewhere, elsewhere - given


def _label_distributions(
    prior: FloatArray, posterior: FloatArray, share: FloatArray, *, codes: IntArray, predicted: IntArray
) -> tuple[FloatArray, FloatArray]:
    """(distribution over the true label given each row's chance of a change, its derivative), both (n, C). prior: p(truth |
    text) of each, (n, C)."""
    n, c = prior.shape
    rows = np.arange(n)
    agree = predicted == codes
    given, model = np.zeros((n, c)), np.zeros((n, c))
    given[rows, codes] = 1.0
    model[rows, predicted] = 1.0
    other = prior.copy()
    other[rows, codes] = 0.0
    other[rows, np.where(agree, codes, predicted)] = 0.0
    other = other / np.maximum(other.sum(axis=1, keepdims=True), 1e-12)
    third = np.zeros(n)
    if c > 2:
        third = np.where(agree, 0.0, np.clip(1 - posterior[rows, codes] - posterior[rows, predicted], 0.0, 1.0))
        third = np.minimum(third, 1 - share)
    towards = np.where(agree[:, None], other, model)
    labels = (1 - share - third)[:, None] * given + share[:, None] * towards + third[:, None] * other
    return labels, towards - given
