"""Wrong test labels in some groups and not in others: found where a group's test labels follow p(label | text) less than those of
its own train rows do.

Each group has the expectation calibrated on its own train rows (temperature and one intercept a class: vector scaling, Guo et al.
2017, ICML), so that a group which is harder for the models is no noisier for it. A group whose labels are far likelier with more
or less of the common noise, beyond the penalties of `label_noise`, has its own share of it; where there is no common noise, any
that its own rows tell of. All others share one. How much more or less each group may have is said too: few rows do not tell. A
group without enough train rows is not told apart: nothing says what its labels should be.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import chi2, hypergeom

from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.label_noise import LabelNoise, contradicted, contradictions
from veridical.ledger.noise_shapes import (
    DEFAULTS,
    MOST_SCALE,
    Labelled,
    NoiseParams,
    chosen,
    least_share,
    likeliest_scale,
    likely_scales,
    log_likelihood,
    most_multiplied,
    per_cluster,
    scaled,
    uniform_transition,
)
from veridical.models.model import FloatArray

FEWEST_TRAIN, FEWEST_TEST = 100, 40
"""Clusters of a group below which its labels are not told apart from those of the others. Ours; no source."""
TRAIN_SHARES, BESIDE = np.linspace(0.0, 0.8, 33), (0.0, 0.01, 0.03, 0.06, 0.1)
"""Shares of train labels drawn at random that are tried against a group's test labels, and even noise of these beside each."""
MOST_UNDONE = 2.5
"""Times that undoing the noise of a group may multiply what its rows differ by: 30 % even noise of two classes does. Ours; no
source."""
DOUBTED_AT = 0.05
"""Chance, over all groups, of taking one for duller than the others that is not. Convention."""
MOST_GROUPS = 30
"""Groups that are looked at, the largest of the test rows first. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Rows(Labelled):
    """cluster, group: (n,). A row weighs 1 / the rows of its cluster among these, so that a text in two groups is a piece of
    evidence about each."""

    cluster: IntArray
    group: npt.NDArray[np.str_]

    @classmethod
    def told(cls, expected: FloatArray, codes: IntArray, cluster: IntArray, group: npt.NDArray[np.str_]) -> "Rows":
        return cls(expected, codes, per_cluster(cluster), cluster, group)

    def of(self, kept: BoolArray) -> "Rows":
        return Rows.told(self.expected[kept], self.codes[kept], self.cluster[kept], self.group[kept])


def by_group(
    common: LabelNoise, *, test: Rows, fresh: BoolArray, train: Rows | None, params: NoiseParams = DEFAULTS
) -> LabelNoise:
    """`common` with the noise of each group: its own, or the common one, and how far that may be off in this group. fresh: test
    rows that are not leaked, (n,); an empty name is no group. train: None where its labels are no yardstick; then a group may
    have as much noise as its easiest rows contradict."""
    if train is None:
        return _unfitted(common, test, fresh=fresh, largest=params.largest(test.expected.shape[1]), params=params)
    names, calibrated = _told_apart(test, fresh=fresh, train=train, floor=params.floor)
    if not names:
        return _unfitted(common, test, fresh=fresh, largest=params.max_rate, params=params)
    known = replace(test, expected=calibrated)
    shared = _shared(common, known.of(fresh), params=params)
    own, raw, held = {}, {}, list[str]()
    parts = {name: fresh & (test.group == name) for name in names}
    others = _others(names, test, fresh=fresh, train=train)
    if others.any():
        parts[""] = fresh & others
    for name, inside in parts.items():
        here = known.of(inside)
        transition, gain = _own(here, shared, common.transition, params=params)
        if gain - 0.5 * np.log(here.n) > params.extra_evidence:
            own[name], raw[name] = _undoable(transition), _freely(here, transition, params=params)
            held += [name] * (not np.array_equal(own[name], transition))
    blur, doubted = _blur_of(names, known, fresh=fresh, train=train, params=params)
    found = _joined(common, names, own, known=known, fresh=fresh, shared=shared, blur=blur, params=params)
    fitted = [raw.get(name, matrix) for name, matrix in zip([*found.names.tolist(), ""], found.of_group, strict=True)]
    held_ones, doubted_ones = np.array(held, dtype=np.str_), np.array(doubted, dtype=np.str_)
    return replace(found, held=held_ones, fitted_of=np.stack(fitted), doubted=doubted_ones)


def _others(names: list[str], test: Rows, *, fresh: BoolArray, train: Rows) -> BoolArray:
    """The rows of no group that is looked at, (n,): one more group. None where they are too few, in test or in train."""
    looked_at = [*names, *_tested(test, fresh)]
    inside, learned = ~np.isin(test.group, looked_at), train.of(~np.isin(train.group, looked_at))
    enough = _clusters(test, fresh & inside) >= FEWEST_TEST and round(learned.n) >= FEWEST_TRAIN
    return inside & bool(enough and len(np.unique(learned.codes)) > 1)


def _even(n_classes: int, params: NoiseParams) -> FloatArray:
    """Even noise of which a group may have more or less: as much that the most of it is the largest considered."""
    return uniform_transition(n_classes, params.largest(n_classes) / MOST_SCALE)


def _undoable(transition: FloatArray) -> FloatArray:
    """As much of it as can be undone without multiplying what rows differ by more than `MOST_UNDONE` times. Labels of a group in
    which more seem wrong tell hardly anything: what more there may be belongs to the range until they are read."""
    tried = (scaled(transition, share) for share in np.linspace(1.0, 0.0, 181))
    return next(found for found in tried if most_multiplied(found) <= MOST_UNDONE + 1e-9)


def _blur_of(
    names: list[str], known: Rows, *, fresh: BoolArray, train: Rows, params: NoiseParams
) -> tuple[dict[str, float], list[str]]:
    """(what of each group's train labels may be drawn at random, shares, empty where nothing shows any, groups that `doubted`
    names).

    Where wrong labels stand in train, the expectation is too dull, and a group whose test labels are as bad looks right. Any
    group whose test labels follow the texts far more than its train labels do gives that away; then each may have as much of it
    as its own easiest train rows contradict. A group whose easiest train rows contradict more than those of all others may, too:
    whether it is harder or as wrong in train as in test, no labels of it can tell.
    """
    largest = max((_blur(known.of(fresh & (known.group == name)), params=params) for name in names), default=0.0)
    c, parts = known.expected.shape[1], {name: train.of(train.group == name) for name in names}
    most = {name: min(contradicted(part, params=params) * c / (c - 1), float(TRAIN_SHARES[-1])) for name, part in parts.items()}
    doubted = _duller(parts, train.of(~np.isin(train.group, names)), params=params)
    blur = {name: share if name in doubted else min(largest, share) for name, share in most.items()}
    return {name: share for name, share in blur.items() if share}, doubted


def _duller(parts: dict[str, Rows], others: Rows, *, params: NoiseParams) -> list[str]:
    """Groups of which more labels contradict the models where these are surest than of all others together (Fisher's exact test,
    5 % over all groups)."""
    counts = [contradictions(part, params=params) for part in [*parts.values(), others] if len(part.codes)]
    against, looked = np.round(np.array(counts)).astype(np.int64).T
    found = []
    for name, bad, n in zip(parts, against, looked, strict=False):
        p = hypergeom.sf(bad - 1, looked.sum(), against.sum(), n)
        if p * len(parts) <= DOUBTED_AT:
            found.append(name)
    return found


def _blur(rows: Rows, *, params: NoiseParams) -> float:
    """The largest share of random train labels that these test labels do not reject (likelihood ratio, 5 %); 0 unless some are
    far likelier than none."""
    noises = [uniform_transition(rows.expected.shape[1], noise) for noise in BESIDE]
    sharpened = (replace(rows, expected=_sharpened(rows.expected, share, floor=params.floor)) for share in TRAIN_SHARES)
    likely = np.array([max(log_likelihood(one, noise) for noise in noises) for one in sharpened])
    if likely.max() - likely[0] <= params.extra_evidence + 0.5 * np.log(rows.n):
        return 0.0
    return float(TRAIN_SHARES[likely.max() - likely <= 0.5 * chi2.ppf(0.95, 1)].max())


def _sharpened(expected: FloatArray, share: float, *, floor: float) -> FloatArray:
    """The expectation had a share of the labels that it was learned from not been drawn at random."""
    if not share:
        return expected
    c = expected.shape[1]
    left = np.maximum(expected - share / c, 0.0)
    return np.asarray((1 - floor) * left / left.sum(axis=1, keepdims=True) + floor / c)


def _reach(rows: Rows, transition: FloatArray, *, blur: float, params: NoiseParams) -> tuple[FloatArray, ...]:
    """The least and the most noise that these labels do not reject, and the same where a share `blur` of train labels is random:
    four ends, of which any may move a score the most."""
    c = len(transition)
    shape = transition if (1 - np.diag(transition)).any() else _even(c, params)
    low, high = likely_scales(rows, shape, max_rate=params.largest(c))
    ends = scaled(shape, low), scaled(shape, high)
    if not blur:
        return *ends, *ends
    even = _even(c, params)
    sharper = replace(rows, expected=_sharpened(rows.expected, blur, floor=params.floor))
    low, high = likely_scales(sharper, even, max_rate=params.largest(c))
    return *ends, scaled(even, low), scaled(even, high)


def _largest(group: npt.NDArray[np.str_]) -> list[str]:
    """Groups to be looked at, largest first."""
    names, counts = np.unique(group[group != ""], return_counts=True)
    found: list[str] = names[np.argsort(-counts, kind="stable")][:MOST_GROUPS].tolist()
    return found


def _tested(test: Rows, fresh: BoolArray) -> list[str]:
    """Those of enough unleaked test rows."""
    return [name for name in _largest(test.group) if _clusters(test, fresh & (test.group == name)) >= FEWEST_TEST]


def _clusters(rows: Rows, kept: BoolArray) -> int:
    return len(np.unique(rows.cluster[kept]))


def _unfitted(common: LabelNoise, test: Rows, *, fresh: BoolArray, largest: float, params: NoiseParams) -> LabelNoise:
    """Nothing says what the labels should be: none of a group need be wrong, or as many as contradict the models where these are
    surest, up to `largest`."""
    names = _tested(test, fresh)
    if not names:
        return common
    c, number = test.expected.shape[1], np.full(len(test.codes), len(names), np.int64)
    ranges, reaches = [], []
    for place, name in enumerate([*names, ""]):
        inside = test.group == name if name else number == len(names)
        number[inside] = place
        rows = test.of(fresh & inside)
        most = min(contradicted(rows, params=params), largest) if len(rows.codes) else 0.0
        ranges.append((0.0, most))
        reaches.append((common.transition, uniform_transition(c, most)) * 2)
    stack = np.repeat(common.transition[None], len(names) + 1, axis=0)
    return replace(
        common, number=number, of_group=stack, range_of=np.array(ranges), reach_of=np.array(reaches),
        names=np.array(names, dtype=np.str_),
    )  # fmt: skip


def _shared(common: LabelNoise, rows: Rows, *, params: NoiseParams) -> FloatArray:
    """The matrix that explains all rows best, of the common one and of one fitted to the calibrated expectation."""
    fitted, _ = chosen(rows, params=params)
    return max((common.transition, fitted), key=lambda one: log_likelihood(rows, one))


def _own(here: Rows, shared: FloatArray, common: FloatArray, *, params: NoiseParams) -> tuple[FloatArray, float]:
    """(matrix of a group, what it gains over the better of the two that all share, in nats). Where there is common noise the
    group may have more or less of it, or of even noise: any shape of its own would be told apart by chance. Where there is none,
    it may have any."""

    def likelihood(transition: FloatArray) -> float:
        return log_likelihood(here, transition)

    if (1 - np.diag(shared)).any():
        shapes = (shared, _even(len(shared), params))
        scales = [likeliest_scale(here, shape, max_rate=params.largest(len(shared))) for shape in shapes]
        transition = max((scaled(*one) for one in zip(shapes, scales, strict=True)), key=likelihood)
    else:
        transition, _ = chosen(here, params=params)
    return transition, likelihood(transition) - max(likelihood(shared), likelihood(common))


def _freely(here: Rows, transition: FloatArray, *, params: NoiseParams) -> FloatArray:
    """The matrix of a group of which more is wrong than can be undone, of any shape that explains its labels far better: an
    annotator who always answers the same spreads no noise evenly."""
    free, _ = chosen(here, params=params)
    gain = log_likelihood(here, free) - log_likelihood(here, transition)
    held = not np.array_equal(_undoable(transition), transition)
    return free if held and gain > 0.5 * len(free) * np.log(here.n) else transition


def _told_apart(test: Rows, *, fresh: BoolArray, train: Rows, floor: float) -> tuple[list[str], FloatArray]:
    """(groups of enough rows, the expectation of all test rows, in these groups, and among all others, calibrated on the train
    rows of the same)."""
    found, expected = [], test.expected.copy()
    for name in _largest(test.group):
        inside, learned = test.group == name, train.of(train.group == name)
        enough = _clusters(test, fresh & inside) >= FEWEST_TEST and round(learned.n) >= FEWEST_TRAIN
        if enough and len(np.unique(learned.codes)) > 1:
            found.append(name)
            expected[inside] = _calibrated(expected[inside], learned, floor=floor)
    others = _others(found, test, fresh=fresh, train=train)
    if found and others.any():
        learned = train.of(~np.isin(train.group, [*found, *_tested(test, fresh)]))
        expected[others] = _calibrated(expected[others], learned, floor=floor)
    return found, expected


def _joined(
    common: LabelNoise,
    fitted: list[str],
    own: dict[str, FloatArray],
    *,
    known: Rows,
    fresh: BoolArray,
    shared: FloatArray,
    blur: dict[str, float],
    params: NoiseParams,
) -> LabelNoise:
    """The groups by name, then all other rows; those without noise of their own have what they share. fitted: groups of enough
    train rows; the others may have as much as their easiest rows contradict. blur: see `_blur_of`."""
    names = [*fitted, *(name for name in _tested(known, fresh) if name not in fitted)]
    number = np.full(len(known.codes), len(names), np.int64)
    for place, name in enumerate(names):
        number[known.group == name] = place
    alone = [place for place, name in enumerate([*names, ""]) if name in own]
    others = known.of(fresh & ~np.isin(number, alone))
    rest = common.transition
    if own and len(others.codes):
        rest = _undoable(scaled(shared, likeliest_scale(others, shared, max_rate=params.largest(len(shared)))))
    c, matrices, ranges = known.expected.shape[1], [], []
    reaches: list[tuple[FloatArray, ...]] = []
    for place, name in enumerate([*names, ""]):
        rows, transition = known.of(fresh & (number == place)), own.get(name, rest)
        matrices.append(transition)
        if not len(rows.codes):
            ranges.append((0.0, 0.0))
            reaches.append((transition,) * 4)
            continue
        most = min(contradicted(rows, params=params), params.largest(c) if name in own else params.max_rate)
        most = max(most, float((1 - np.diag(transition)).mean()))
        ranges.append((least_share(rows, transition), most))
        ends = _reach(rows, transition, blur=blur.get(name, 0.0), params=params)
        unknown = name != "" and name not in fitted
        reaches.append((np.eye(c), uniform_transition(c, most)) * 2 if unknown else ends)
    stack = np.stack(matrices)
    wrong = 1 - np.diagonal(stack, axis1=1, axis2=2)  # (K, C)
    expected = known.expected if own else common.expected
    wronged = (expected[fresh] * wrong[number[fresh]]).sum(axis=1)
    rate = float(np.average(wronged, weights=known.weight[fresh])) if own else common.rate
    return replace(
        common, rate=rate, expected=expected, number=number, of_group=stack, range_of=np.array(ranges),
        reach_of=np.array(reaches), names=np.array(names, dtype=np.str_), apart=bool(own),
    )  # fmt: skip


def _calibrated(expected: FloatArray, learned: Rows, *, floor: float) -> FloatArray:
    """The group's expectation with a temperature and intercepts under which its train labels are likeliest; a weak pull towards
    leaving it as it is."""
    known, c = np.log(learned.expected), expected.shape[1]
    rows = np.arange(len(learned.codes))

    def loss(free: FloatArray) -> tuple[float, FloatArray]:
        """And its gradient."""
        said = log_softmax(np.exp(free[0]) * known + free[1:], axis=1)
        slopes = np.exp(said)
        slopes[rows, learned.codes] -= 1
        slopes *= learned.weight[:, None]
        gradient = free + np.array([np.exp(free[0]) * np.vdot(slopes, known), *slopes.sum(axis=0)])
        return float(-(learned.weight @ said[rows, learned.codes]) + 0.5 * (free @ free)), gradient

    found = minimize(loss, np.zeros(1 + c), jac=True, method="L-BFGS-B").x
    scaled = softmax(np.exp(found[0]) * np.log(expected) + found[1:], axis=1)
    return np.asarray((1 - floor) * scaled + floor / c)
