"""How lopsided the interval of an average over classes is where classes have few rows.

Of a class with five rows found the standard error is as much a matter of luck as the score: where few were found both are too
small. So each class has the interval of a share (Wilson 1927), and the average the interval that these make together: squared
distances of independent parts add up, on each side by itself (Zou and Donner 2008, Statistics in Medicine 27:1693). Of many
classes the lopsided parts even out, and only what Wilson pulls each to the middle would add up: so the interval is stretched by
as much as one class makes most of the variance. For macro-F1 and balanced accuracy.
"""

import numpy as np

from veridical.ledger.inference import share_interval
from veridical.models.model import FloatArray
from veridical.tasks._confusion_metrics import balanced_accuracy, macro_f1
from veridical.tasks._contract import Metric

NORMAL = 1.959964
MEANS: tuple[Metric, ...] = (macro_f1, balanced_accuracy)
"""Metrics that are means over classes."""


def stretch(metric: Metric, totals: FloatArray, *, n_votes: float) -> tuple[float, float] | None:
    """(half width below, half width above) over the plain half width; None of a metric that is no average over classes, or where
    the plain one is 0. totals: weighted margins (3W,) that sum to 1 each. n_votes: even votes that these weights are worth."""
    if metric not in MEANS:
        return None
    right, true, predicted = np.maximum(totals, 0.0).reshape(3, -1)
    size = (true + predicted) / 2 if metric is macro_f1 else true
    present = size > 0
    share, rows = np.minimum(right[present] / size[present], 1.0), n_votes * size[present]
    # Of a share of `size` draws; of F1, whose own size is counted from the same rows, by the delta method.
    scatter = share * (1 - share) * (1 - share / 2 if metric is macro_f1 else 1.0)
    error = np.sqrt(scatter / rows)
    plain = float(np.sqrt((NORMAL * error) @ (NORMAL * error)))
    if plain <= 0:
        return None
    ends = [share_interval(s, e, critical=NORMAL, n=max(round(n), 1)) for s, e, n in zip(share, error, rows, strict=True)]
    low, high = np.array(ends).T
    pulled = (share * rows + 2) / (rows + 4)  # Agresti and Coull 1998: a class that is all right is no sure one
    varied = pulled * (1 - pulled) / (rows + 4)
    most = float(varied.max() / varied.sum())
    below, above = (float(np.sqrt((side**2).sum())) / plain for side in (share - low, high - share))
    return 1 + most * (below - 1), 1 + most * (above - 1)
