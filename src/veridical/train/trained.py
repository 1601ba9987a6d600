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
    learned: "Learned | None" = None
    """How much of an encoder was trained; None for other models."""


@dataclass(frozen=True, slots=True)
class Learned:
    """tuning: name of the method. n_trained: numbers that training could change, the head's among them. n_all: all numbers of the
    model in training, what the method adds included."""

    tuning: str
    n_trained: int
    n_all: int

    @property
    def share(self) -> float:
        """0..1."""
        return self.n_trained / self.n_all
