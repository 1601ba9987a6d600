"""Training rows whose text stands in train more than once.

What it measures: train rows equal to another one after case, punctuation and blanks are taken out.
Why it inflates a score: repeated rows count more in training than they deserve, and a random split puts copies into the test set.
How it errs: short texts ("thanks", "好") repeat in real traffic; there their frequency is information, and they should stay.
Source: Lee et al. 2022, arXiv:2107.06499.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.audit._twins import by_code
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """When a set of copies is reported."""

    min_copies: int = 2
    """Equal train rows that make a finding, 2 or more. By definition."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data, train = evidence.data, evidence.data.rows("train")
    if not len(train):
        return Skipped("There are no train rows; add rows with split train.")
    findings = []
    for copies in by_code(evidence.similar.groups, train, data.ids).values():
        if len(copies) < params.min_copies:
            continue
        kept = data.ids[copies[0]]
        findings += [
            Finding(data.ids[row], "train", 1.0, f"repeats {kept}", f"{len(copies)} copies", kept, "drop_duplicates")
            for row in copies[1:]
        ]
    summary = f"{len(findings)} of {len(train)} train rows repeat another one."
    return Looked(len(train), tuple(findings), summary)


def planted() -> Planted:
    plain = rows(120, seed=2)
    first = [row for row in plain if row[1] == "train"][:9]
    copies = [(f"z-copy-{i}", "train", f"  {row[2].upper()}!", row[3]) for i, row in enumerate(first)]
    return Planted(dataset([*plain, *copies]), frozenset(row[0] for row in copies), dataset(plain))


check = Check(run, Params(), planted)
