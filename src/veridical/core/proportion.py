"""The interval of a plain share: k of n, independent units."""

from math import sqrt
from statistics import NormalDist


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
