"""The model is asked for less than certainty.

What it measures: nothing; it moves a share of each row's target evenly to all classes.
Why it inflates a score: a model driven to certainty learns wrong labels by heart and is sure of its errors.
How it errs: where labels are right, it makes sure predictions look unsure, and it hides how classes differ from one another.
Source: Szegedy et al. 2016, arXiv:1512.00567, section 7; with noisy labels: Lukasik et al. 2020, arXiv:2003.02819.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from veridical.core.randomness import stream
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between


@dataclass(frozen=True)
class Params:
    """Settings of label_smoothing."""

    share: float = field(default=0.1, metadata=between(0, 1))
    """Share of the target that is spread over all classes, 0..1. Szegedy et al. 2016."""


def loss(logits: Any, codes: Any, params: Params) -> Any:
    """Cross-entropy (B,) against the smoothed targets."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(logits, codes, reduction="none", label_smoothing=float(params.share))


def toy() -> Toy:
    """One word decides; one label in five is wrong, in train only."""
    rng = stream(0, "label_smoothing toy")
    texts, labels = [], []
    for i in range(320):
        good = bool(rng.random() < 0.5)
        texts.append(" ".join(["good" if good else "bad", f"w{i % 20}", f"w{rng.integers(20)}"]))
        wrong = i < 256 and rng.random() < 0.2
        labels.append("pos" if good != wrong else "neg")
    columns = {"id": [str(i) for i in range(320)], "split": ["train"] * 256 + ["test"] * 64, "text": texts, "label": labels}
    table = pa.table({f.name: pa.array(columns.get(f.name, [None] * 320), f.type) for f in SCHEMA}, schema=SCHEMA)
    data = Dataset("classification", table, ("neg", "pos"), table.slice(0, 0))

    def certainty(probabilities: FloatArray, data: Dataset) -> float:
        """Mean probability of the predicted class on test rows."""
        return float(probabilities[data.rows("test")].max(1).mean())

    return Toy(data, certainty)


countermeasure = Countermeasure(params=Params(), answers=("noise",), off=Params(share=0.0), toy=toy, loss=loss)
