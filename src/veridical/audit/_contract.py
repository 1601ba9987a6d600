"""What an audit check is: a function from evidence to an outcome, its parameters, and a planted defect to prove it on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core.finding import Looked, Skipped
from veridical.dataset.rows import Dataset


@dataclass(frozen=True, slots=True)
class Planted:
    """A data set with a defect, the ids that must be found in it (empty string: a finding about the data set as a whole),
    and its twin without the defect, on which the check must stay silent."""

    data: Dataset
    bad: frozenset[str]
    twin: Dataset


@dataclass(frozen=True, slots=True)
class Check:
    """The record a check file ends with.

    run: looks at the evidence with the parameters and its own random stream; changes nothing. planted: see Planted.
    """

    run: Callable[[Evidence, Any, np.random.Generator], Looked | Skipped]
    params: Any
    planted: Callable[[], Planted]
    one_label: bool = False
    """Whether it looks at labels as classes, so that it skips tasks whose answers are more than one label."""
