"""Take train rows out of training whose equal or near-equal twins carry another label.

What it measures: nothing; in each cluster that the check `conflicting_labels` found, it sets aside the train rows with a minority
label, or all of them.
Why it inflates a score: it does not by itself; but a text with two labels lets no model be right about both, and hides points.
How it errs: where the label rightly depends on what the text does not say (context, time), both labels are right.
Source: ours; no source.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import AuditRecord
from veridical.dataset.rows import Dataset
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import set_aside
from veridical.repair._found import found_rows, members
from veridical.repair._planted_rows import rows

NAME = "set_aside_conflicts"


@dataclass(frozen=True)
class Params:
    """What becomes of rows that contradict each other."""

    policy: Literal["minority", "all"] = "minority"
    """`minority`: the commonest label of the twins stays, and all go when labels tie. `all`: none stays. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    found = found_rows(data, audit, repair.answers, partners=True)
    inside = np.array([r for r in found if data.splits[r] == "train"], dtype=np.int64)
    edits: list[Edit] = []
    for twins in members(evidence.clusters, inside, inside):
        for row in _unwanted(data, sorted((int(r) for r in twins), key=lambda r: data.ids[r]), params.policy):
            check, finding = found[row]
            edits.append(set_aside(data, row, reason=finding.reason, check=check, repair=NAME))
    return tuple(edits)


def _unwanted(data: Dataset, twins: list[int], policy: str) -> list[int]:
    votes = Counter(int(data.codes[row]) for row in twins).most_common(2)
    if policy == "all" or (len(votes) == 2 and votes[0][1] == votes[1][1]):
        return twins
    return [row for row in twins if data.codes[row] != votes[0][0]]


def planted() -> Planted:
    plain = rows(60, split="train", seed=9) + rows(20, split="test", seed=10)
    other = {"neg": "pos", "pos": "neg"}
    agree = [(f"agree-{i}", "train", plain[i][2], plain[i][3]) for i in range(5)]
    clash = [(f"clash-{i}", "train", plain[i][2], other[plain[i][3]]) for i in range(5)]
    return Planted(dataset(plain + agree + clash), frozenset(c[0] for c in clash), dataset(plain + agree))


repair = Repair(apply, Params(), "training", ("conflicting_labels",), planted)
