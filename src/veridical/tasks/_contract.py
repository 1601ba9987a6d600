"""What a task is: its metrics, which one it declares, and the floors it must show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Metric = Callable[[FloatArray], float]
"""From a confusion matrix (C, C), rows = true label, columns = predicted, entries >= 0 (weights allowed), to a share."""


@dataclass(frozen=True, slots=True)
class Task:
    """The record a task file ends with. `floors` has no default: a score without its floor is not shown."""

    name: str
    metrics: Mapping[str, Metric]
    declared: str
    floors: tuple[str, ...]
