"""What the interval of an average over classes needs where classes have few rows, and a normal one does not have.

*It is lopsided.* Of a class with five rows found the standard error is as much a matter of luck as the score: where few were
found both are too small. So each class has the interval of a share (Wilson 1927), and the average the interval that these make
together: squared distances of independent parts add up, on each side by itself (Zou and Donner 2008, Statistics in Medicine
27:1693). Of many classes the lopsided parts even out, and only what Wilson pulls each to the middle would add up: so these
sides count by as much as one class makes most of the variance. Matthews' coefficient, which hangs on a rare class as its F1 does,
has the same ones.

*It is too short.* Four rows that are all right, or all wrong, show no scatter, though classes alike have some. Where no class
makes most of the variance, each class's share is drawn towards the rate of all by two rows (a half of what Agresti and Coull 1998
add), and the interval is as much longer as these scatter more.

*Macro-F1 lies low.* F1 is a ratio, and the mean of ratios of few rows is under the ratio of many (Cochran 1977, section 6.8): for
counts that are Poisson's its mean is an integral in closed form. The end on that side reaches as much further.
"""

import numpy as np

from veridical.ledger.game import Lopsided
from veridical.ledger.inference import share_interval
from veridical.models.model import FloatArray
from veridical.tasks._class_metrics import Pooled
from veridical.tasks._confusion_metrics import balanced_accuracy, macro_f1, mcc, mean_f1
from veridical.tasks._contract import Metric

NORMAL = 1.959964
PRIOR_ROWS = 2.0
"""Rows of the rate of all classes that are added to each. Ours; one and four cover as well within two points (docs/log.md)."""
MEANS: tuple[Metric, ...] = (macro_f1, mean_f1, balanced_accuracy)
"""Metrics that are means over classes."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)
FAR = 50.0
"""Where exp(-u) is no more than a rounding error."""


def lopsided(metric: Metric, totals: FloatArray, *, n_votes: float) -> Lopsided | None:
    """None of a metric that does not hang on each class, or where no class has any scatter. totals: weighted margins of a row,
    (3W,). n_votes: even votes that these weights are worth."""
    if isinstance(metric, Pooled):
        return lopsided(metric.rule, (totals.reshape(3, -1) @ metric.pools.T).ravel(), n_votes=n_votes)
    if metric not in (*MEANS, mcc):
        return None
    right, true, predicted = np.maximum(totals, 0.0).reshape(3, -1)
    size = true if metric is balanced_accuracy else (true + predicted) / 2
    present = true > 0 if metric is mean_f1 else size > 0
    share, rows = np.minimum(right[present] / size[present], 1.0), n_votes * size[present]
    scatter = _scatter(metric, share) / rows
    if not (scatter > 0).any():
        return None
    pulled = (share * rows + 2) / (rows + 4)  # Agresti and Coull 1998: a class that is all right is no sure one
    varied = pulled * (1 - pulled) / (rows + 4)
    most = float(varied.max() / varied.sum())
    below, above = _sides(share, scatter, rows)
    longer, lean = 1.0, 0.0
    if metric in MEANS:
        drawn = _scatter(metric, (share * rows + PRIOR_ROWS * (share @ rows / rows.sum())) / (rows + PRIOR_ROWS)) / rows
        longer = max(1.0, float(np.sqrt(drawn.sum() / scatter.sum())))
    if metric in MEANS and metric is not balanced_accuracy:
        lean = lean_of_f1(share * rows, 2 * (1 - share) * rows)
    return Lopsided(most * below + (1 - most) * longer, most * above + (1 - most) * longer, lean)


def counts_truths_alone(metric: Metric, width: int) -> bool:
    """Whether a class that is only predicted has no part in a metric of margins (width,)."""
    if width == 1:  # sums over the classes
        return True
    share, others = np.full(width, 1.0 / width), np.full(width, 1.0 / width)
    others[0] = 0.0
    # Of two classes, truths that hold one alone make Matthews' coefficient 0 whatever is predicted.
    return metric is not mcc and metric(others, others, share) == metric(others, others, others)


def _scatter(metric: Metric, share: FloatArray) -> FloatArray:
    """Variance of a class's share times its rows; of F1, whose own size is counted from the same rows, by the delta method."""
    return share * (1 - share) * (1.0 if metric is balanced_accuracy else 1 - share / 2)


def _sides(share: FloatArray, scatter: FloatArray, rows: FloatArray) -> tuple[float, float]:
    """(half width below, half width above) over the plain one, of the classes' shares put together."""
    ends = [share_interval(s, e, critical=NORMAL, n=max(round(n), 1)) for s, e, n in zip(share, scatter**0.5, rows, strict=True)]
    low, high = np.array(ends).T
    plain = NORMAL * float(np.sqrt(scatter.sum()))
    return float(np.sqrt(((share - low) ** 2).sum())) / plain, float(np.sqrt(((high - share) ** 2).sum())) / plain


def expected_f1(right: FloatArray, wrong: FloatArray) -> FloatArray:
    """Mean (C,) of 2 X / (2 X + Y), 0 where both are 0, of independent Poisson counts X and Y with means right and wrong, (C,):
    2 X / (2 X + Y) is the integral of 2 X s^(2 X + Y - 1) over s from 0 to 1, and the mean of that is 2 right s exp(right (s^2 -
    1) + wrong (s - 1)); here with s = 1 - u / (2 right + wrong)."""
    size = np.maximum(2 * right + wrong, 1e-12)
    upto = np.minimum(size, FAR)
    u = (NODES + 1) / 2 * upto[:, None]
    part = u / size[:, None]
    mean = ((1 - part) * np.exp(right[:, None] * part**2 - u)) @ WEIGHTS * upto / 2
    return np.asarray(2 * right / size * mean)


def lean_of_f1(right: FloatArray, wrong: FloatArray) -> float:
    """How much lower macro-F1 of rows drawn anew lies than that of the rows drawn from, as a share; below 0 where it lies higher,
    since classes that are not drawn do not count. right: rows right of each class, (C,); wrong: rows of it that are called
    another class, and the other way round, (C,)."""
    drawn = expected_f1(right, wrong).sum() / -np.expm1(-(right + wrong)).sum()
    return float((2 * right / (2 * right + wrong)).mean() - drawn)
