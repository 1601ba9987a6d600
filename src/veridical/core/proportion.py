"""The interval of a plain share: k of n, independent units."""

from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt


def wilson(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval for k successes in n trials, at confidence `level`. n = 0 says nothing: (0, 1).

    k may be fractional (weighted counts with n an effective sample size).
    """
    if not 0 <= k <= n:
        raise ValueError(f"k = {k} must lie in 0..n = {n}")
    if n == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    share = k / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = sqrt(z2) * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # min and max: at k = 0 and k = n rounding may put the share a hair outside its own interval.
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def none_seen(n: float, level: float = 0.95) -> float:
    """Upper end of the exact interval of a share of which n independent units show none (Clopper and Pearson 1934)."""
    return float(1 - (0.5 - level / 2) ** (1 / n)) if n > 0 else 1.0


def exact(k: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """The exact interval for k successes in n > 0 trials (Clopper and Pearson 1934); k and n may be fractional."""
    from scipy.stats import beta

    tail = 0.5 - level / 2
    low = float(beta.ppf(tail, k, n - k + 1)) if k > 0 else 0.0
    high = float(beta.ppf(1 - tail, k + 1, n - k)) if k < n else 1.0
    return min(low, k / n), max(high, k / n)


def effective_number(weights: npt.NDArray[np.float64]) -> float:
    """How many units of equal weight tell as much as units of these weights (Kish 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


ALIKE = 1e-12
"""Width under which an interval has none: resamples of units that are all alike agree but for rounding."""


def opened_share(
    interval: tuple[float, float], value: float, *, n: float, level: float = 0.95, lowest: float = 0.0
) -> tuple[float, float]:
    """The interval of a score between `lowest` and 1; where it has no width at one of these, as wide as n units allow that are
    all alike: resamples of them never differ, but the next unit may. Between the two a score without width is a rule's."""
    if interval[1] - interval[0] > ALIKE or lowest + ALIKE < value < 1.0 - ALIKE:
        return interval
    reach = none_seen(n, level) * (1.0 - lowest)
    return (value - reach, value) if value >= 1.0 - ALIKE else (value, value + reach)


def opened_difference(
    interval: tuple[float, float], value: float, *, n: float, level: float = 0.95, unit: float = 1.0
) -> tuple[float, float]:
    """The same for a difference of two scores of the same units, in which one more unit counts for `unit` at most."""
    if interval[1] - interval[0] > ALIKE * unit:
        return interval
    reach = unit * none_seen(n, level)
    return value - reach, value + reach
