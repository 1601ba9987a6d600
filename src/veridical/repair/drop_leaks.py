"""Take out of training what the test set repeats.

What it measures: nothing; it sets aside train rows that share a cluster of near-duplicates with a test row. The test set stays.
Why it inflates a score: a model is asked at test time what it was told in training.
How it errs: clusters are chains, so a train row may go that only resembles a row that resembles a test row; training loses rows.
Source: Elangovan et al. 2021, arXiv:2102.01818 (overlap of train and test in public data sets).
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import AuditRecord
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import set_aside
from veridical.repair._found import found_rows, members
from veridical.repair._planted_rows import rows

NAME = "drop_leaks"


@dataclass(frozen=True)
class Params:
    """Which train rows are leaks."""

    near: bool = True
    """Whether near-duplicates of test rows go too (whole clusters), or only equal texts. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    found = found_rows(data, audit, repair.answers, partners=True)
    codes = evidence.clusters if params.near else evidence.similar.groups
    test = data.rows("test")
    by_id = sorted((int(r) for r in test), key=lambda r: data.ids[r], reverse=True)
    met = {int(codes[row]): data.ids[row] for row in by_id}  # cluster -> its first test row
    edits: list[Edit] = []
    for leaks in members(codes, found, data.rows("train")):
        twin = met.get(int(codes[leaks[0]]))
        for row in leaks if twin else ():
            check = found[int(row)][0] if int(row) in found else repair.answers[0]
            edits.append(set_aside(data, int(row), reason=f"stands in the test set as {twin}", check=check, repair=NAME))
    return tuple(edits)


def planted() -> Planted:
    train, test = rows(60, split="train", seed=3), rows(20, split="test", seed=4)
    leaks = [(f"leak-{i}", "train", test[i][2], test[i][3]) for i in range(6)]
    return Planted(dataset(train + test + leaks), frozenset(leak[0] for leak in leaks), dataset(train + test))


repair = Repair(apply, Params(), "measurement", ("train_test_overlap",), planted)
