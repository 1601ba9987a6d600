"""Rows of rare classes count more.

What it measures: how often each class occurs among the training rows; a row weighs (1 / frequency of its class) ** power.
Why it inflates a score: accuracy rewards a model that ignores rare classes, and unweighted training makes one.
How it errs: rare rows with wrong labels count more too, and probabilities no longer follow the class frequencies.
Source: King and Zeng 2001, Logistic Regression in Rare Events Data; power < 1 is ours.
"""

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from veridical.dataset.rows import SCHEMA, Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between


@dataclass(frozen=True)
class Params:
    """Settings of class_weights."""

    power: float = field(default=1.0, metadata=between(0, 1))
    """0 leaves all rows alike, 1 gives every class the same total weight, 0..1. King and Zeng 2001 use 1."""


def row_weights(codes: IntArray, n_classes: int, params: Params) -> FloatArray:
    """Weights (N,), mean 1."""
    counts = np.bincount(codes, minlength=n_classes)
    weights = np.asarray(np.maximum(counts, 1)[codes] ** -float(params.power))
    return np.asarray(weights * (len(codes) / weights.sum()))


def toy() -> Toy:
    """One row in eight is `rare`; its word also stands in a third of the others, so an unweighted model calls it common."""
    texts, labels = [], []
    for i in range(320):
        rare = i % 8 == 0
        texts.append(" ".join(["odd" if rare or i % 3 == 0 else "plain", f"w{i % 20}", f"w{i % 7}"]))
        labels.append("rare" if rare else "common")
    columns = {"id": [str(i) for i in range(320)], "split": ["train"] * 256 + ["test"] * 64, "text": texts, "label": labels}
    table = pa.table({f.name: pa.array(columns.get(f.name, [None] * 320), f.type) for f in SCHEMA}, schema=SCHEMA)
    data = Dataset("classification", table, ("common", "rare"), table.slice(0, 0))

    def missed(probabilities: FloatArray, data: Dataset) -> float:
        """Share of rare test rows that are missed."""
        rows = np.array([i for i in data.rows("test") if data.codes[i] == 1])
        return float((probabilities[rows].argmax(1) != 1).mean())

    return Toy(data, missed)


countermeasure = Countermeasure(params=Params(), answers=("imbalance",), off=Params(power=0.0), toy=toy, row_weights=row_weights)
