"""What a repair is: a pure function from (data, findings) to edits. Rows in = rows kept + rows set aside, always."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.core.finding import AuditRecord

Action = Literal["set_aside", "relabel", "move", "weight"]


@dataclass(frozen=True, slots=True)
class Edit:
    """One change to one row, with all that is needed to undo it.

    field/before/after: the column changed (`label`, `split`, `weight`), as strings; for set_aside, `before` is the whole row
    as JSON. reason: a sentence. check: the check whose finding asked for it. repair: who did it.
    """

    row: str
    action: Action
    field: str
    before: str
    after: str
    reason: str
    check: str
    repair: str


@dataclass(frozen=True, slots=True)
class Repair:
    """The record a repair file ends with.

    apply: edits for (evidence, audit, params, random stream). kind: `training` changes what is learned from (tested against
    untouched and placebo); `measurement` changes the split or the test set. answers: names of the checks whose findings it uses.
    params_fixed: params for a model that cannot be trained again, where those of `params` would ask for that.
    """

    apply: Callable[[Evidence, AuditRecord, Any, np.random.Generator], tuple[Edit, ...]]
    params: Any
    kind: Literal["training", "measurement"]
    answers: tuple[str, ...]
    planted: Callable[[], Planted]
    params_fixed: Any = None


Weights = Mapping[str, float]
"""Row id -> training weight; rows not named weigh 1."""
