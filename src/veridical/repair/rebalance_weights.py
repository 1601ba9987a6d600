"""Let rows of rare labels count more in training.

What it measures: nothing; every train row gets a weight by the frequency of its label. No row is set aside.
Why it inflates a score: a model that favours common labels scores well on accuracy and badly on the rare labels.
How it errs: weights move the model away from the label frequencies it will meet, so accuracy often falls where macro-F1 rises.
Source: King and Zeng 2001, Political Analysis 9(2) (weighting by inverse frequency); the root is ours; no source.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import AuditRecord
from veridical.repair._contract import Edit, Repair
from veridical.repair._edits import weigh
from veridical.repair._planted_rows import rows

NAME = "rebalance_weights"


@dataclass(frozen=True)
class Params:
    """How far the weights go towards equal classes."""

    power: float = 0.5
    """Weight = (mean rows per label / rows of this label) ** power; 0 leaves all as is, 1 makes labels equal. Ours; no source."""


def apply(evidence: Evidence, audit: AuditRecord, params: Params, rng: np.random.Generator) -> tuple[Edit, ...]:
    data = evidence.data
    if not audit.findings(repair.answers[0]):
        return ()
    train = data.rows("train")
    train = train[data.codes[train] >= 0]
    if not len(train):  # answers of more than one label
        return ()
    counts = np.bincount(data.codes[train], minlength=len(data.labels))
    present = counts > 0
    weight = np.zeros(len(counts))
    weight[present] = (counts[present].mean() / counts[present]) ** params.power
    weight *= counts.sum() / (weight * counts).sum()  # mean 1 over train rows
    edits: list[Edit] = []
    for row in sorted((int(r) for r in train), key=lambda r: data.ids[r]):
        code = data.codes[row]
        reason = f"{data.labels[code]!r} has {counts[code]} of {len(train)} train rows"
        edits.append(weigh(data, row, float(weight[code]), reason=reason, check=repair.answers[0], repair=NAME))
    return tuple(edits)


def planted() -> Planted:
    train = rows(200, split="train", seed=11, share_positive=0.04)
    test = rows(40, split="test", seed=12)
    return Planted(dataset(train + test), frozenset(r[0] for r in train), dataset(rows(200, split="train", seed=13) + test))


repair = Repair(apply, Params(), "training", ("class_imbalance",), planted)
