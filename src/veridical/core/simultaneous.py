"""Many intervals at once: wide enough that all of them hold together, no wider than the dependence between them asks for.

Letters: R replicates, M quantities.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def errors_of(draws: FloatArray) -> FloatArray:
    """Standard deviation of each column of the replicates (R, M); NaN ones are left out."""
    known = np.isfinite(draws)
    n = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, draws, 0.0).sum(axis=0) / n
    return np.asarray(np.sqrt(np.where(known, (draws - mean) ** 2, 0.0).sum(axis=0) / n))


def critical_value(draws: FloatArray, centre: FloatArray, errors: FloatArray, *, level: float = 0.95) -> float:
    """How many standard errors (M,) an interval around `centre` (M,) must reach to each side for all M to hold at once.

    The quantile over replicates (R, M) of the largest |departure| / error; never below that of a single normal quantity.
    """
    from statistics import NormalDist

    alone = NormalDist().inv_cdf(0.5 + level / 2)
    moving = errors > 0
    if not moving.any():
        return alone
    departures = np.abs(np.nan_to_num(draws[:, moving] - centre[moving])) / errors[moving]
    return max(alone, float(np.quantile(departures.max(axis=1), level)))
