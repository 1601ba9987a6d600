"""A share of clustered rows with an interval that keeps its width where no row, or every row, differs."""

from veridical.core.estimate import Estimate
from veridical.core.proportion import wilson
from veridical.probe._clustered import Spread

METHOD = "Wilson, effective number of clusters"


def share_estimate(spread: Spread, *, level: float) -> Estimate:
    """Wilson's interval for as many independent units as the standard error of the share is worth."""
    value, n = min(max(spread.value, 0.0), 1.0), float(spread.n_clusters)
    worth = min(n, value * (1 - value) / spread.error**2) if spread.error > 0 and 0 < value < 1 else n
    low, high = wilson(value * worth, worth, level)
    return Estimate(value, min(low, value), max(high, value), level, spread.n, spread.n_clusters, METHOD)


def paired_estimate(spread: Spread, *, level: float, scale: float = 1.0) -> Estimate:
    """A difference of two shares; where no row differs, as wide as a share of none would be."""
    return spread.estimate(level=level, scale=scale, shares=True)
