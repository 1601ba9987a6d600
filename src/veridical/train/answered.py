"""What training hands on where an answer is more than one label."""

from dataclasses import dataclass

import pyarrow as pa

from veridical.models.answering import Answering
from veridical.models.model import FloatArray
from veridical.train.trained import Learned


@dataclass(frozen=True, eq=False)
class Answered:
    """A model and what it answers to every row of the data set it came from.

    kind: linear, encoder or predictions. said: answers as the label column stores them, (n,), None where a file of predictions
    lacks the row. confidence: 0..1, NaN there, (n,). names: what answers are made of. The rest as in Trained.
    """

    model: Answering | None
    kind: str
    ids: tuple[str, ...]
    said: tuple[str | None, ...]
    confidence: FloatArray
    names: tuple[str, ...]
    dynamics: pa.Table | None
    seconds: float
    external: bool = False
    warnings: tuple[str, ...] = ()
    learned: Learned | None = None
