"""Training rows that nearly repeat another training row.

What it measures: train texts whose verified Jaccard similarity with another train text passes the threshold for their length.
Why it inflates a score: families of edited copies make data look larger than they are, and split at random they leak.
How it errs: templates ("cancel my order", "cancel my card") are near-equal texts that mean different things.
Source: Broder 1997 (resemblance); Lee et al. 2022, arXiv:2107.06499.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.audit._twins import by_code, neighbours
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """Which of the verified pairs are reported."""

    min_jaccard: float = 0.0
    """Jaccard similarity, 0..1, below which a verified pair is not reported; 0 keeps all that dataset/similarity.py verified."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data, train = evidence.data, evidence.data.rows("train")
    if not len(train):
        return Skipped("There are no train rows; add rows with split train.")
    held = by_code(evidence.similar.groups, train, data.ids)
    near = neighbours(evidence)
    findings = []
    for group, copies in held.items():
        row = data.ids[copies[0]]
        # Of a pair the row with the smaller id is the one repeated, so that order of rows does not matter.
        earlier = [
            (jaccard, other_row)
            for other, jaccard in near.get(group, ())
            if other in held and jaccard >= params.min_jaccard and (other_row := data.ids[held[other][0]]) < row
        ]
        if earlier:
            jaccard, other_row = max(earlier)
            findings.append(
                Finding(row, "train", jaccard, f"nearly repeats {other_row}", f"near {jaccard:.2f}", other_row, "drop_duplicates")
            )
    summary = f"{len(findings)} of {len(held)} distinct train texts nearly repeat another one."
    return Looked(len(train), tuple(findings), summary)


def planted() -> Planted:
    plain = rows(120, seed=3, n_words=30)
    first = [row for row in plain if row[1] == "train"][:9]
    edited = [(f"z-edit-{i}", "train", " ".join([*row[2].split()[:-2], "new", "end"]), row[3]) for i, row in enumerate(first)]
    return Planted(dataset([*plain, *edited]), frozenset(row[0] for row in edited), dataset(plain))


check = Check(run, Params(), planted)
