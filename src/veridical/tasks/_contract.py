"""What a task is: its metrics, which one it declares, and the floors it must show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Metric = Callable[[FloatArray, FloatArray, FloatArray], float]
"""metric(right, true, predicted) -> share; each argument has shape (C,): the diagonal, the row sums and the column sums of a
weighted confusion matrix whose rows are true labels. All metrics of a classifier that veridical reports depend on these alone."""


@dataclass(frozen=True, slots=True)
class Task:
    """The record a task file ends with. `floors` has no default: a score without its floor is not shown."""

    name: str
    metrics: Mapping[str, Metric]
    declared: str
    floors: tuple[str, ...]
