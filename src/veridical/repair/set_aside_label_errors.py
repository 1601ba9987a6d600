"""Take train rows with likely wrong labels or answers out of training.

What it measures: nothing; it sets aside the train rows that the checks `label_errors` and `answer_errors` found, whole rows even
where one tag is wrong. No test row is touched: choosing test rows by a model's errors and scoring again turned a true 88.0 into
91.0.
Why it inflates a score: it does not; wrong training labels usually cost points.
How it errs: hard and rare rows look like errors, and losing them hurts most where the data is thin; hence the placebo arm.
Source: Northcutt et al. 2021, arXiv:1911.00068 (confident learning).
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit.label_errors import check
from veridical.core.finding import AuditRecord
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import set_aside
from veridical.repair._found import found_rows
from veridical.repair._planted_rows import train_part

NAME = "set_aside_label_errors"


@dataclass(frozen=True)
class Params:
    """Which findings are acted on."""

    min_score: float = 0.0
    """Severity a finding must reach, 0..1; 0 acts on all that the check reports. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    found = found_rows(data, audit, repair.answers, partners=False)
    chosen = [r for r, (_, finding) in found.items() if data.splits[r] == "train" and finding.score >= params.min_score]
    chosen.sort(key=lambda row: data.ids[row])
    return tuple(set_aside(data, r, reason=found[r][1].reason, check=found[r][0], repair=NAME) for r in chosen)


def planted() -> Planted:
    return train_part(check.planted())


repair = Repair(apply, Params(), "training", ("label_errors", "answer_errors"), planted)
