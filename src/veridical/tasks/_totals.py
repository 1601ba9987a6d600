"""A metric of totals, and its slope there: what is common to everything that resamples or weights statistics."""

import numpy as np

from veridical.tasks._contract import FloatArray, Metric
from veridical.tasks._slopes import closed_form

CAPPED = 1 - 1e-4
"""Where a score is so near to 1 that the slope is not one of the metric alone."""


def value(metric: Metric, totals: FloatArray) -> float:
    """The metric of weighted totals, shape (3W,)."""
    kept, width = np.maximum(totals, 0.0), len(totals) // 3
    right, true, predicted = kept[:width], kept[width : 2 * width], kept[2 * width :]
    # Inverted label noise can put more right answers than rows into the totals; no score is above 1.
    return min(metric(right, true, predicted), 1.0)


def gradient(metric: Metric, totals: FloatArray) -> FloatArray:
    """Derivative of the metric with respect to the totals, (3W,); 0 where a class would enter a mean over classes in which it is
    not, which is a jump and no slope, and of totals below 0."""
    slope = closed_form(metric)
    if slope is None or value(metric, totals) > CAPPED:
        return by_differences(metric, totals)
    return np.where(totals < 0, 0.0, slope(*np.maximum(totals, 0.0).reshape(3, -1)).ravel())


def by_differences(metric: Metric, totals: FloatArray) -> FloatArray:
    """The same of any metric, by central differences."""
    slope = np.zeros_like(totals)
    step = 1e-5 * max(float(np.abs(totals).max()), 1e-9)
    moved, now = np.array(totals), value(metric, totals)
    for position, here in enumerate(totals):
        moved[position] = high = here + step
        above = value(metric, moved)
        if here < step:
            moved[position] = max(here, 0.0) + step / 100
            if abs(value(metric, moved) - now) > 0.5 * abs(above - now):
                moved[position] = here
                continue
        moved[position] = low = max(here - step, 0.0)
        slope[position] = (above - value(metric, moved)) / (high - low)
        moved[position] = here
    return slope
