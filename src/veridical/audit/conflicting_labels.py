"""Rows with equal or nearly equal texts and different labels.

What it measures: sets of rows that say the same and are labelled differently, over all splits.
Why it inflates a score: at least one label of each set is wrong or arbitrary; in the test set it moves the score either way.
How it errs: the label may depend on something that is not in the text; near-equal texts may differ in the one word that matters.
Source: Northcutt et al. 2021, arXiv:2103.14749 (label errors in test sets); the rule itself is ours.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.audit._twins import by_code, neighbours
from veridical.core.finding import Finding, Looked, Skipped
from veridical.dataset.rows import IntArray


@dataclass(frozen=True)
class Params:
    """When two texts are held to the same label."""

    min_jaccard: float = 0.8
    """Jaccard similarity, 0..1, from which near-equal texts must agree. Stricter than for duplicates: one word may
    turn a label."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    labelled = np.flatnonzero(data.codes >= 0)
    held = by_code(evidence.similar.groups, labelled.astype(np.int64), data.ids)
    findings: list[Finding] = []
    near = neighbours(evidence)
    for group, copies in held.items():
        if len({int(data.codes[row]) for row in copies}) > 1:
            findings += _equal(evidence, copies)
            continue
        for other, jaccard in near.get(group, ()):
            if jaccard < params.min_jaccard or other not in held:
                continue
            twin = next((row for row in held[other] if data.codes[row] != data.codes[copies[0]]), None)
            if twin is not None:
                findings += [_finding(evidence, row, twin, jaccard, f"near {jaccard:.2f}") for row in copies]
                break
    summary = f"{len(findings)} of {len(labelled)} rows contradict a row that says the same."
    return Looked(len(labelled), tuple(findings), summary)


def _equal(evidence: Evidence, copies: list[int]) -> list[Finding]:
    codes: IntArray = evidence.data.codes
    votes = Counter(int(codes[row]) for row in copies)
    said = ", ".join(f"{n} x {evidence.data.labels[code]}" for code, n in sorted(votes.items()))
    return [
        _finding(evidence, row, next(other for other in copies if codes[other] != codes[row]), 1.0, f"exact; {said}")
        for row in copies
    ]


def _finding(evidence: Evidence, row: int, twin: int, score: float, said: str) -> Finding:
    data = evidence.data
    mine, other = data.labels[data.codes[row]], data.labels[data.codes[twin]]
    reason = f"labelled {mine!r}, while {data.ids[twin]} says the same and is {other!r}"
    return Finding(data.ids[row], data.splits[row], score, reason, said, data.ids[twin], "set_aside_conflicts")


def planted() -> Planted:
    plain = rows(120, seed=6, n_words=24)
    turned = {"neg": "pos", "pos": "neg"}
    clash = [(f"clash-{i}", "train", row[2], turned[row[3]]) for i, row in enumerate(plain[:8])]
    agree = [(f"agree-{i}", "train", row[2], row[3]) for i, row in enumerate(plain[:8])]
    bad = frozenset([row[0] for row in clash] + [row[0] for row in plain[:8]])
    return Planted(dataset([*plain, *clash]), bad, dataset([*plain, *agree]))


check = Check(run, Params(), planted, one_label=True)
