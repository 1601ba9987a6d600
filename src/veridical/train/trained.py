"""What training hands on."""

from dataclasses import dataclass

import pyarrow as pa

from veridical.models.model import FloatArray, Model


@dataclass(frozen=True, eq=False)
class Trained:
    """A model and what it says about every row of the data set it came from.

    kind: linear, encoder, callable, endpoint or predictions. ids, probabilities (n, C): every row (train, valid and test) in
    table order; of a predictions file only the rows present, the others NaN. labels: names of the C classes. dynamics: loss,
    margin and correctness per row and epoch, None where there are no epochs. external: not trained by veridical, so it cannot
    be retrained.
    """

    model: Model | None
    kind: str
    ids: tuple[str, ...]
    probabilities: FloatArray
    labels: tuple[str, ...]
    dynamics: pa.Table | None
    seconds: float
    external: bool
    warnings: tuple[str, ...] = ()
    """Sentences for the user."""
