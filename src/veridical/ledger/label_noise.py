"""What the data alone say about wrong test labels: a transition matrix T, T[k, y] = p(label y | truth k), and how far off it
may be.

Stated model: train labels are as right as fresh ones would be, and the chance of a wrong label depends on the true class only.
Then p(label | text) learned on train, out of fold, is what test labels should follow; where they follow it less, the difference
is noise, unless other class shares explain it (ledger.noise_shapes). Labels of a class that train hardly holds are taken as
given. Corrected statistics are linear in the inverse of T (backward correction: Natarajan et al. 2013, NeurIPS; Patrini et al.
2017, CVPR). Equal noise in train and test is invisible to any such comparison; `upper_rate` bounds it from the rows that the
models find easiest, which are not known to carry fewer wrong labels than others; `hard` allows more among the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import stats

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.noise_shapes import (
    DEFAULTS,
    Explained,
    Labelled,
    NoiseParams,
    at_limit,
    chosen,
    explanations,
    least_share,
    likely_scales,
    log_likelihood,
    most_multiplied,
    per_cluster,
    scaled,
    undone,
    uniform_transition,
)
from veridical.ledger.population import Population
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import OutOfFold


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """transition: (C, C), rows = truth. shape: which form was chosen. rate: share of test labels estimated wrong.
    upper_rate: largest share that the easiest rows allow. least: share of the fitted noise that is needed to explain the
    labels, 0..1 (likelihood ratio, 95 %). expected: p(label | text) of the test rows, (n, C).

    Where there is noise and there are groups (ledger.group_noise): number of each row's group, (n,), the last being that of all
    other rows; of each the matrix, (K, C, C), its least share and largest rate, (K, 2), and the least and the most noise that
    the group's own rows do not reject, then the same where train labels are wrong too, (K, 4, C, C); names of all but the last.
    apart: whether any group has noise of its own; then
    `expected` is calibrated in each. Else empty.
    """

    transition: FloatArray
    shape: str
    rate: float
    upper_rate: float
    expected: FloatArray
    least: float = 0.0
    number: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    of_group: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    range_of: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    reach_of: FloatArray = field(default_factory=lambda: np.zeros((0, 4, 0, 0)))
    names: npt.NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, np.str_))
    apart: bool = False
    held: npt.NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, np.str_))
    """Names of groups in which more labels seem wrong than their matrix says, "" for all other rows: what cannot be undone is
    left to the range."""
    fitted_of: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    """Of each group the matrix as it was fitted, (K, C, C): in `held` groups more than is undone. Empty in older tables."""
    widest: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    """The most of the fitted noise that the labels do not reject, (C, C); of no noise the identity. Empty in older tables."""
    hard: FloatArray = field(default_factory=lambda: np.zeros(0))
    """The largest even rate that rows as sure as this one allow, (n,): what is uneven over sureness. Empty in older tables."""
    third: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Which third of the rows by sureness each is in, 0 the least sure, (n,)."""
    unjudged: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    """Classes that train hardly holds, whose labels are taken as given, (C,). Empty in older tables."""
    doubted: npt.NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, np.str_))
    """Names of groups whose train rows contradict the models more than others' where these are surest: they are harder, or as
    wrong in train as in test. Empty in older tables."""

    @property
    def open_classes(self) -> BoolArray:
        """Whether labels of each class, in each row's group, are as wrong as is considered, and may be more so, (n, C)."""
        if not self.apart:
            return np.broadcast_to(self._open(self.transition, np.s_[:]), self.expected.shape)
        return np.array([self._open(fitted, self.number == k) for k, fitted in enumerate(self._fitted)])[self.number]

    def _open(self, transition: FloatArray, rows: BoolArray | slice) -> BoolArray:
        """All classes, where those of no class tell anything; else such of which enough of these rows speak, (C,)."""
        at = at_limit(transition)
        return at if at.all() else at & self._read(rows)

    def _read(self, rows: BoolArray | slice) -> BoolArray:
        """Classes that some of these texts speak of, (C,): of a rare one the expectation says too much."""
        return np.bincount(self.expected[rows].argmax(axis=1), minlength=self.expected.shape[1]) >= FEWEST_READ

    @property
    def beyond(self) -> FloatArray:
        """Chance of each row to belong to such a class, (n,)."""
        return np.asarray((self.expected * self.open_classes).sum(axis=1))

    @property
    def fitted_rates(self) -> FloatArray:
        """Mean rate of the classes in each row's group, (n,), as far as it is undone."""
        return np.asarray((1 - np.diagonal(self.of_group, axis1=1, axis2=2)).mean(axis=1)[self.number])

    @property
    def seen(self) -> bool:
        """Whether the labels show any noise."""
        return self.apart or self.shape != "none"

    def inverted(self, codes: IntArray) -> FloatArray:
        """Label distributions (n, C) whose mean over rows is unbiased for the truth; entries may be negative. Where
        labels tell hardly anything, p(truth | text, label): what is left to go by."""
        if not self.apart:
            lost = self.open_classes.any() and most_multiplied(self.transition) > LOST
            return self.posterior(codes, self.transition) if lost else undone(self.transition, codes)
        lost_here = self._lost_groups[self.number][:, None]
        return np.where(lost_here, self._posterior(codes, self._fitted), self._undone(self.of_group, codes))

    @property
    def _lost_groups(self) -> BoolArray:
        """Groups whose labels tell hardly anything, (K,); none in older tables."""
        return np.array([most_multiplied(fitted) > LOST for fitted in self.fitted_of] or [False] * len(self.of_group))

    @property
    def _fitted(self) -> FloatArray:
        return self.fitted_of if len(self.fitted_of) else self.of_group

    def range(self) -> tuple[FloatArray, FloatArray]:
        """The least and the largest noise the data allow, as transition matrices."""
        most = NoiseParams().largest(len(self.transition))
        return _least_and_largest(self.transition, self.least, min(self.upper_rate, most))

    def extremes(self, codes: IntArray) -> list[FloatArray]:
        """Label distributions (n, C) under the least and under the largest even noise the data allow; where no group has noise of
        its own also under the most of the fitted shape."""
        if not self.apart:
            ends = [*self.range(), *([self.widest] if len(self.widest) else [])]
            return [undone(transition, codes) for transition in ends]
        most = NoiseParams().largest(len(self.transition))
        pairs = [_least_and_largest(m, low, min(high, most)) for m, (low, high) in zip(self.of_group, self.range_of, strict=True)]
        least, largest = zip(*pairs, strict=True)
        return [self._undone(np.stack(least), codes), self._undone(np.stack(largest), codes)]

    def with_least(self, codes: IntArray) -> FloatArray:
        """Label distributions (n, C) under the least noise the data allow."""
        return self.extremes(codes)[0]

    def group_extremes(self, codes: IntArray) -> Iterator[list[FloatArray]]:
        """The same of one group at a time, as far as its own rows allow, all others as they are fitted; empty without groups or
        noise."""
        fitted = self.inverted(codes)
        for place, ends in enumerate(self.reach_of):
            here = (self.number == place)[:, None]
            yield [np.where(here, undone(matrix, codes), fitted) for matrix in ends]

    def _undone(self, stack: FloatArray, codes: IntArray) -> FloatArray:
        return np.asarray(np.linalg.inv(stack)[self.number, codes])

    def likelihood(self, codes: IntArray, rows: IntArray, *, weight: FloatArray) -> float:
        """Log-likelihood of the labels of some rows, in nats. codes: of all, (n,). weight: of these rows."""
        matrices = self.of_group[self.number[rows]] if self.apart else self.transition
        said = (self.expected[rows][:, None] @ matrices)[:, 0]
        return float(weight @ np.log(said[np.arange(len(rows)), codes[rows]]))

    def truth(self, codes: IntArray) -> FloatArray:
        """p(truth | text, label) of each row under the fitted noise, (n, C)."""
        return self._posterior(codes, self._fitted) if self.apart else self.posterior(codes, self.transition)

    def suspected(self, codes: IntArray, *, least: float) -> FloatArray:
        """The same were the fitted share of wrong labels spread evenly, in each group its own, and at least `least`."""
        c = self.expected.shape[1]
        if not self.apart:
            return self.posterior(codes, uniform_transition(c, max(least, self.rate)))
        rates = (1 - np.diagonal(self.of_group, axis1=1, axis2=2)).mean(axis=1)
        return self._posterior(codes, np.stack([uniform_transition(c, max(least, float(rate))) for rate in rates]))

    def _posterior(self, codes: IntArray, stack: FloatArray) -> FloatArray:
        joint = self.expected * stack[self.number, :, codes]
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))

    def posterior(self, codes: IntArray, transition: FloatArray, *, sharpness: float = 1.0) -> FloatArray:
        """p(truth | text, label) for each row, (n, C). sharpness > 1 makes the expectation surer than train labels have it, as it
        should be where these are noisy themselves."""
        prior = self.expected if sharpness == 1.0 else self.expected**sharpness
        joint = prior * transition[:, codes].T
        return np.asarray(joint / joint.sum(axis=1, keepdims=True))


def label_noise(evidence: Evidence, people: Population, *, codes: IntArray, params: NoiseParams = DEFAULTS) -> LabelNoise:
    """codes: labels of the test rows, (n,). Fitted on the unleaked rows."""
    folds = trusted(evidence, people, codes=codes, params=params)
    expected, fresh = expected_labels(folds, evidence, people.rows, params=params), ~people.leaked
    if fresh.sum() < 2:
        fresh = np.ones(people.n, bool)  # fold models of a row have met none of its family
    if fresh.sum() < 2:
        return LabelNoise(np.eye(expected.shape[1]), "none", 0.0, params.largest(expected.shape[1]), expected)
    c, yardstick = expected.shape[1], _is_yardstick(evidence, people)
    shares, unjudged = np.zeros(0), np.zeros(c, bool)
    if yardstick:
        shares, unjudged = _train_shares(folds, evidence, codes[fresh], params=params)
    every = Labelled(expected[fresh], codes[fresh], per_cluster(people.cluster[fresh]))
    fresh &= ~unjudged[codes]
    rows = Labelled(expected[fresh], codes[fresh], per_cluster(people.cluster[fresh]))
    found, doubtful = Explained(np.eye(c), "none", np.ones(c), 0.0), False
    if yardstick:
        found, doubtful = _explained(rows, shares, params=params)
    expected = found.in_shares(expected)
    rows, transition = replace(rows, expected=expected[fresh]), found.among(~unjudged)
    shape = found.shape if (np.diag(transition) < 1).any() else "none"
    rate = float(rows.weight @ rows.expected / rows.n @ (1 - np.diag(transition)))
    upper = max(min(contradicted(rows, params=params), params.max_rate if yardstick else params.largest(c)), rate)
    # What is taken as given may be wrong too: as much as all labels together show.
    widest = _most(every, params=params) if unjudged.any() else _most(rows, transition, params=params)
    rates, third = rates_by_sureness(rows, expected, least=upper, params=params)
    least = 0.0 if doubtful else least_share(rows, transition)
    return LabelNoise(
        transition, shape, rate, upper, expected, least, widest=widest, hard=rates[third], third=third, unjudged=unjudged
    )


def _most(rows: Labelled, transition: FloatArray | None = None, *, params: NoiseParams) -> FloatArray:
    """The most of the noise, of that which explains these labels best where none is given, that they do not reject, (C, C)."""
    found = chosen(rows, params=params)[0] if transition is None else transition
    if not (np.diag(found) < 1).any():
        return found
    return scaled(found, likely_scales(rows, found, max_rate=params.largest(len(found)))[1])


def _explained(rows: Labelled, shares: FloatArray, *, params: NoiseParams) -> tuple[Explained, bool]:
    """(what explains the labels best; whether other class shares alone do nearly as well as noise does)."""
    found = explanations(rows, shares, params=params)
    best = min(found, key=lambda one: one.cost)
    shifted = min((one.cost for one in found if one.moved and one.shape == "none"), default=np.inf)
    return best, bool(best.shape != "none" and shifted - best.cost < params.extra_evidence)


HARDLY_KNOWN = 4.0
"""Times that a class with few train rows is commoner among test labels from which these are not judged. Ours; no source."""


def _train_shares(folds: OutOfFold, evidence: Evidence, codes: IntArray, *, params: NoiseParams) -> tuple[FloatArray, BoolArray]:
    """(mean expectation of train rows, (C,); classes that train hardly holds and test does, (C,): what texts say of them is no
    yardstick for their labels). codes: of the unleaked test rows."""
    data, c = evidence.data, len(evidence.data.labels)
    train = evidence.data.rows("train")
    known = folds.learnable(train, data.codes[train], n_classes=c)
    weight = per_cluster(evidence.clusters[known])
    counts = np.bincount(data.codes[known], weight, minlength=c).astype(np.float64)
    unjudged = hardly_known(counts, np.bincount(codes, minlength=c))
    if not len(known):
        return np.full(c, 1 / c), unjudged
    return weight @ expected_labels(folds, evidence, known, params=params) / weight.sum(), unjudged


def hardly_known(known: FloatArray, given: IntArray) -> BoolArray:
    """Classes that train hardly holds and test does, (C,); none where all test labels are of such. known, given: rows of each
    class in train and in test, (C,)."""
    commoner = given / given.sum() > HARDLY_KNOWN * known / max(known.sum(), 1e-12)
    found = (known < FEWEST_READ) & commoner & (given >= FEWEST_GIVEN)
    return found if (given[~found] > 0).any() else np.zeros(len(known), bool)


FEWEST_GIVEN = 5
"""Test labels of a class below which it does not matter whether they are judged. Ours; no source."""
FEWEST_READ = 20
"""Test rows that read like a class below which its labels are not taken for lost. Ours; no source."""
LEAST_TOLD = 0.1
"""Share of rows that wrong labels must turn, were all of them wrong, for their rate to be read off. Ours; no source."""


def rates_by_sureness(rows: Labelled, expected: FloatArray, *, least: float, params: NoiseParams) -> tuple[FloatArray, IntArray]:
    """(the largest even rate that the labels of each third of the rows by the models' sureness allow, the least sure first, (3,);
    third of each of all rows, (n,)). Of the surest `least`; of the others what contradicts the models there beyond their own
    expected errors, and no less. Where the models know too little to tell, as much as of any other third. expected: of all rows,
    (n, C); thirds are those of `rows`, by weight."""
    c, sure = rows.expected.shape[1], rows.expected.max(axis=1)
    order = np.argsort(sure, kind="stable")
    reached = np.cumsum(rows.weight[order]) / rows.n
    cuts = sure[order][np.minimum(np.searchsorted(reached, [1 / 3, 2 / 3]), len(order) - 1)]
    inside, place = (np.digitize(held, cuts, right=True) for held in (sure, expected.max(axis=1)))
    read = [_even_rate(rows, inside == third, n_classes=c, params=params) for third in (0, 1)]
    most = max([least, *(rate for rate in read if rate is not None)])
    rates = [max(least, most if rate is None else rate) for rate in read]
    return np.array([*rates, least]), np.asarray(place, np.int64)


def _even_rate(rows: Labelled, here: BoolArray, *, n_classes: int, params: NoiseParams) -> float | None:
    """The largest even rate that these rows allow; None where there are none, or the models know too little of them."""
    if not here.any():
        return None
    weight = rows.weight[here]
    against = float(weight @ (rows.expected[here].argmax(axis=1) != rows.codes[here]))
    most = float(stats.beta.ppf(params.hard_level, against + 1, max(float(weight.sum()) - against, 1e-9)))
    own = 1 - float(np.average(rows.expected[here].max(axis=1), weights=weight))
    # An even rate r turns a share (1 - own) of r from right to wrong and own / (c - 1) of it back.
    turned = (1 - own) - own / max(n_classes - 1, 1)
    return min((most - own) / turned, params.largest(n_classes)) if turned > LEAST_TOLD else None


def _is_yardstick(evidence: Evidence, people: Population) -> bool:
    """Train labels of another population are none."""
    return people.includes_train and len(evidence.data.rows("train")) > 0


def trusted(evidence: Evidence, people: Population, *, codes: IntArray, params: NoiseParams = DEFAULTS) -> OutOfFold:
    """The fold models by which labels are judged: the joined families, unless these see noise that linear models alone do not.
    An encoder that has met train rows a little foresees them better than test rows, which looks like wrong test labels; linear
    models have met none."""
    both, alone, fresh = evidence.foresight, evidence.folds, ~people.leaked
    if both is alone or fresh.sum() < 2 or not _is_yardstick(evidence, people):
        return both
    at, weight = people.rows[fresh], per_cluster(people.cluster[fresh])
    joined, linear = (
        Labelled(expected_labels(folds, evidence, at, params=params), codes[fresh], weight) for folds in (both, alone)
    )
    transition, shape = chosen(joined, params=params)
    if shape == "none":
        return both
    gained = log_likelihood(linear, transition) - log_likelihood(linear, np.eye(len(transition)))
    return both if gained > 0.5 * float(np.log(linear.n)) else alone  # as the shape with one rate must gain


def expected_labels(folds: OutOfFold, evidence: Evidence, rows: IntArray, *, params: NoiseParams = DEFAULTS) -> FloatArray:
    """p(label | text) as train labels have it, out of fold, with the first family's confidence recalibrated on train rows."""
    data, train = evidence.data, evidence.data.rows("train")
    known = folds.learnable(train, data.codes[train], n_classes=len(data.labels)) if len(train) else train
    blend = np.log(np.clip(0.8 * folds.probabilities + 0.2 * folds.word_probabilities, 1e-9, None))
    learned = Labelled(blend[known], data.codes[known], per_cluster(evidence.clusters[known]))
    temperature = _temperature(learned) if len(known) else 1.0
    scaled = np.exp(blend[rows] / temperature)
    scaled = scaled / scaled.sum(axis=1, keepdims=True)
    return np.asarray((1 - params.floor) * scaled + params.floor / scaled.shape[1])


def _temperature(learned: Labelled) -> float:
    """The temperature with the smallest log loss (Guo et al. 2017), by golden-section search on its logarithm. learned: with
    log probabilities."""
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logits, codes = learned.expected, learned.codes
    rows = np.arange(len(codes))

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(learned.weight @ (logsumexp(scaled, axis=1) - scaled[rows, codes]) / learned.n)

    return float(np.exp(minimize_scalar(loss, bounds=(-2.5, 2.5), method="bounded").x))


def contradicted(rows: Labelled, *, params: NoiseParams) -> float:
    """Upper bound of the share of labels that contradict the models where these are surest."""
    against, n = contradictions(rows, params=params)
    return float(stats.beta.ppf(params.upper_level, against + 1, max(n - against, 1e-9)))


def contradictions(rows: Labelled, *, params: NoiseParams) -> tuple[float, float]:
    """(labels that contradict the models where these are surest, labels looked at there), by weight."""
    order = np.argsort(-rows.expected.max(axis=1), kind="stable")
    weight = rows.weight[order]
    easiest = order[np.cumsum(weight) <= max(rows.n * params.easiest_share, weight[0]) + 1e-9]
    against = float(rows.weight[easiest] @ (rows.expected[easiest].argmax(axis=1) != rows.codes[easiest]))
    return against, float(rows.weight[easiest].sum())


def _least_and_largest(transition: FloatArray, least: float, upper: float) -> tuple[FloatArray, FloatArray]:
    return scaled(transition, least), uniform_transition(len(transition), upper)


LOST = 4.0
"""Times that undoing noise multiplies what rows differ by from which the labels of a group tell hardly anything: 37.5 % even
noise of two classes. Of all rows, whose noise is better known, only at the largest rate considered. Ours; no source."""
