"""Test rows whose text, or nearly their text, the model may have seen in training.

What it measures: test and validation rows with an equal, near-equal or containing text in train, and their share of the test set.
Why it inflates a score: a model answers rows it has seen from memory, and the score counts that as skill.
How it errs: near-equal short texts may be honest repetitions of the population; a paraphrase shares no shingles and is missed.
Source: Lee et al. 2022, arXiv:2107.06499; Singh et al. 2024, arXiv:2411.03923 (containment by longest match).
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, nonsense, rows
from veridical.audit._twins import twins_in
from veridical.core.estimate import Estimate
from veridical.core.finding import Finding, Looked, Skipped
from veridical.core.proportion import wilson


@dataclass(frozen=True)
class Params:
    """Which splits are held against train."""

    splits: tuple[str, ...] = ("test", "valid")
    """Splits whose rows must not stand in train. By definition."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data, train = evidence.data, evidence.data.rows("train")
    held = np.concatenate([data.rows(split) for split in params.splits])
    if not len(train) or not len(held):
        return Skipped("There is only one split, so nothing can overlap; give a test set with --test or a split column.")
    findings = []
    twins = twins_in(evidence, held, train)
    for row, twin in twins.items():
        other = data.ids[twin.row]
        said = {"exact": "equals", "near": "nearly equals", "contained": "stands inside", "linked": "is linked to"}[twin.how]
        findings.append(
            Finding(
                data.ids[row], data.splits[row], twin.similarity, f"{said} {other} in train", twin.evidence, other, "drop_leaks"
            )
        )
    test = data.rows("test")
    leaked = [row for row in test.tolist() if row in twins]
    measures = {}
    if len(test):
        clusters = len(np.unique(evidence.clusters[test]))
        low, high = wilson(len(leaked), len(test))
        measures["share_of_test"] = Estimate(len(leaked) / len(test), low, high, 0.95, len(test), clusters, "Wilson")
    summary = f"{len(leaked)} of {len(test)} test rows have an equal or near-equal text in train."
    if tied := int((~np.isin(evidence.text_clusters[leaked], evidence.text_clusters[train])).sum()):
        summary = (
            f"{len(leaked)} of {len(test)} test rows hang together with train rows: {len(leaked) - tied} by an equal or "
            f"near-equal text, {tied} by a group of which train holds rows."
        )
    return Looked(len(held), tuple(findings), summary, measures)


def planted() -> Planted:
    plain = rows(120, seed=4, n_words=24)
    train = [row for row in plain if row[1] == "train"]
    long = nonsense(np.random.default_rng(5), 60)
    host = ("host", "train", long, "neg")
    exact = [(f"exact-{i}", "test", row[2].title(), row[3]) for i, row in enumerate(train[:6])]
    near = [(f"near-{i}", "test", " ".join(["other", *row[2].split()[1:]]), row[3]) for i, row in enumerate(train[6:12])]
    inside = [("inside-0", "test", " ".join(long.split()[20:34]), "neg")]
    bad = [*exact, *near, *inside]
    return Planted(dataset([*plain, host, *bad]), frozenset(row[0] for row in bad), dataset([*plain, host]))


check = Check(run, Params(), planted)
