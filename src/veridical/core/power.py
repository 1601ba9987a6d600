"""What a test could have seen: without it, "not detected" says nothing."""

from math import sqrt
from statistics import NormalDist


def minimum_detectable_effect(standard_error: float, *, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest true effect that a two-sided test at `level` finds with chance `power`, in the unit of the standard error."""
    normal = NormalDist()
    return (normal.inv_cdf(0.5 + level / 2) + normal.inv_cdf(power)) * standard_error


def paired_mde(n: int, discordance: float, *, level: float = 0.95, power: float = 0.8) -> float:
    """Smallest difference of two accuracies on the same n units (share 0..1) that is seen with chance `power`.

    discordance: share of units that exactly one of the two models gets right. At 400 units and .10: .044; at 800: .031.
    The variance of one unit's difference is discordance - effect**2, so the effect solves effect = z * sqrt(variance / n).
    """
    if n < 1 or not 0 <= discordance <= 1:
        raise ValueError(f"need n >= 1 and discordance in 0..1, got {n} and {discordance}")
    z = minimum_detectable_effect(1.0, level=level, power=power)
    return z * sqrt(discordance / n) / sqrt(1 + z * z / n)
