"""Wrong test labels in some groups and not in others: found where a group's test labels follow p(label | text) less than those of
its own train rows do.

Each group has the expectation calibrated on its own train rows (temperature and one intercept a class: vector scaling, Guo et al.
2017, ICML), so that a group which is harder for the models is no noisier for it. A group of which its own transition matrix tells
more than the common one, beyond the penalties of `label_noise`, has its own; all others share one. Where there is any noise, how
much more or less of it each group may have is said too: few rows do not tell. A group without enough train rows is not told
apart: nothing says what its labels should be.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from veridical.dataset.rows import IntArray
from veridical.ledger.label_noise import (
    LabelNoise,
    NoiseParams,
    chosen,
    contradicted,
    least_share,
    likely_scales,
    log_likelihood,
)
from veridical.models.model import FloatArray

FEWEST_TRAIN, FEWEST_TEST = 100, 40
"""Rows of a group below which its labels are not told apart from those of the others. Ours; no source."""
DEFAULTS = NoiseParams()
MOST_GROUPS = 30
"""Groups that are looked at, the largest of the test rows first. Ours; no source."""


@dataclass(frozen=True, eq=False)
class Rows:
    """expected: p(label | text), (n, C), out of fold. codes, group: (n,)."""

    expected: FloatArray
    codes: IntArray
    group: npt.NDArray[np.str_]

    def of(self, kept: npt.NDArray[np.bool_]) -> "Rows":
        return Rows(self.expected[kept], self.codes[kept], self.group[kept])


def by_group(
    common: LabelNoise, *, test: Rows, fresh: npt.NDArray[np.bool_], train: Rows, params: NoiseParams = DEFAULTS
) -> LabelNoise:
    """`common` with the noise of each group, where there is any: its own, or the common one, and how far that may be off in this
    group. fresh: test rows that are not leaked, (n,); an empty name is no group."""
    names, calibrated = _told_apart(test, fresh=fresh, train=train, floor=params.floor)
    if not names:
        return common
    known = Rows(calibrated, test.codes, test.group)
    shared, _, _ = chosen(known.of(fresh).expected, known.of(fresh).codes, params=params)
    own = {}
    for name in names:
        here = known.of(fresh & (test.group == name))
        transition, _, _ = chosen(here.expected, here.codes, params=params)
        gain = log_likelihood(here.expected, here.codes, transition) - log_likelihood(here.expected, here.codes, shared)
        if gain - 0.5 * np.log(len(here.codes)) > params.extra_evidence:
            own[name] = transition
    if not own and common.shape == "none":
        return common
    return _joined(common, names, own, known=known, fresh=fresh, params=params)


def _told_apart(test: Rows, *, fresh: npt.NDArray[np.bool_], train: Rows, floor: float) -> tuple[list[str], FloatArray]:
    """(groups of enough rows, the expectation of all test rows, in these groups calibrated on the group's train rows)."""
    names, counts = np.unique(test.group[test.group != ""], return_counts=True)
    found, expected = [], test.expected.copy()
    for name in names[np.argsort(-counts, kind="stable")][:MOST_GROUPS].tolist():
        inside, learned = test.group == name, train.of(train.group == name)
        enough = (fresh & inside).sum() >= FEWEST_TEST and len(learned.codes) >= FEWEST_TRAIN
        if enough and len(np.unique(learned.codes)) > 1:
            found.append(name)
            expected[inside] = _calibrated(expected[inside], learned, floor=floor)
    return found, expected


def _joined(
    common: LabelNoise,
    names: list[str],
    own: dict[str, FloatArray],
    *,
    known: Rows,
    fresh: npt.NDArray[np.bool_],
    params: NoiseParams,
) -> LabelNoise:
    """The groups by name, then all other rows; those without noise of their own have what they share."""
    number = np.full(len(known.codes), len(names), np.int64)
    for place, name in enumerate(names):
        number[known.group == name] = place
    shared = common.transition
    if own:
        others = known.of(fresh & ~np.isin(known.group, [*own]))
        shared = chosen(others.expected, others.codes, params=params)[0] if len(others.codes) else shared
    matrices, ranges, scales = [], [], []
    for place, name in enumerate([*names, ""]):
        rows, transition = known.of(fresh & (number == place)), own.get(name, shared)
        matrices.append(transition)
        if not len(rows.codes):
            ranges.append((0.0, 0.0))
            scales.append((1.0, 1.0))
            continue
        most = max(contradicted(rows.expected, rows.codes, params=params), float((1 - np.diag(transition)).mean()))
        ranges.append((least_share(rows.expected, rows.codes, transition), most))
        scales.append(likely_scales(rows.expected, rows.codes, transition, max_rate=params.max_rate))
    stack = np.stack(matrices)
    wrong = 1 - np.diagonal(stack, axis1=1, axis2=2)  # (K, C)
    rate = float((common.expected[fresh] * wrong[number[fresh]]).sum(axis=1).mean()) if own else common.rate
    return LabelNoise(
        common.transition, common.shape, rate, common.upper_rate, common.expected, common.least,
        number, stack, np.array(ranges), np.array(scales), np.array(names, dtype=np.str_), bool(own),
    )  # fmt: skip


def _calibrated(expected: FloatArray, learned: Rows, *, floor: float) -> FloatArray:
    """The group's expectation with a temperature and intercepts under which its train labels are likeliest; a weak pull towards
    leaving it as it is."""
    known, c = np.log(learned.expected), expected.shape[1]
    rows = np.arange(len(learned.codes))

    def loss(free: FloatArray) -> float:
        scaled = np.exp(free[0]) * known + free[1:]
        return float(-log_softmax(scaled, axis=1)[rows, learned.codes].sum() + 0.5 * (free @ free))

    found = minimize(loss, np.zeros(1 + c), method="L-BFGS-B").x
    scaled = softmax(np.exp(found[0]) * np.log(expected) + found[1:], axis=1)
    return np.asarray((1 - floor) * scaled + floor / c)
