"""A metric of totals, and its slope there: what is common to everything that resamples or weights statistics."""

import numpy as np

from veridical.tasks._contract import FloatArray, Metric


def value(metric: Metric, totals: FloatArray) -> float:
    """The metric of weighted totals, shape (3W,)."""
    right, true, predicted = np.split(np.maximum(totals, 0.0), 3)
    # Inverted label noise can put more right answers than rows into the totals; no score is above 1.
    return min(metric(right, true, predicted), 1.0)


def gradient(metric: Metric, totals: FloatArray) -> FloatArray:
    """Derivative of the metric with respect to the totals, (3W,), by central differences."""
    slope = np.zeros_like(totals)
    step = 1e-5 * max(float(np.abs(totals).max()), 1e-9)
    for position in range(len(totals)):
        nudge = np.zeros_like(totals)
        nudge[position] = step
        low = np.maximum(totals - nudge, 0.0)
        width = (totals + nudge)[position] - low[position]
        slope[position] = (value(metric, totals + nudge) - value(metric, low)) / width
    return slope
