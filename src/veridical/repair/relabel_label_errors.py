"""Give train rows with likely wrong labels the label that two models agree on.

What it measures: nothing; of the train rows that the check `label_errors` found, those go to another label on which both
out-of-fold model families agree with enough confidence. No test row is touched.
Why it inflates a score: it does not; wrong training labels usually cost points.
How it errs: it teaches the next model the prejudices of the first ones; where the labels of a whole region are wrong the models
agree on the wrong label.
Source: Northcutt et al. 2021, arXiv:1911.00068 (finding them); the relabel rule is ours; no source.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit.label_errors import check
from veridical.core.finding import AuditRecord
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import relabel
from veridical.repair._found import found_rows
from veridical.repair._planted_rows import train_part

NAME = "relabel_label_errors"


@dataclass(frozen=True)
class Params:
    """When a row gets another label instead of keeping its own."""

    min_confidence: float = 0.6
    """Mean probability of the new label over the two model families, 0..1. Ours; no source."""
    min_score: float = 0.0
    """Severity a finding must reach, 0..1; 0 acts on all that the check reports. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    found = found_rows(data, audit, repair.answers, partners=False)
    chosen = [r for r, (_, finding) in found.items() if data.splits[r] == "train" and finding.score >= params.min_score]
    if not chosen:
        return ()
    linear, words = evidence.folds.probabilities, evidence.folds.word_probabilities
    edits: list[Edit] = []
    for row in sorted(chosen, key=lambda row: data.ids[row]):
        label = int(linear[row].argmax())
        sure = float(linear[row, label] + words[row, label]) / 2
        if label == int(words[row].argmax()) and label != data.codes[row] and sure >= params.min_confidence:
            reason = f"two models outside its fold say so ({sure:.2f})"
            edits.append(relabel(data, row, data.labels[label], reason=reason, check=found[row][0], repair=NAME))
    return tuple(edits)


def planted() -> Planted:
    return train_part(check.planted())


repair = Repair(apply, Params(), "training", ("label_errors",), planted)
