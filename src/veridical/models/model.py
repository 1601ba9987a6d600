"""What can predict: the one protocol that every model kind meets."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import Text

FloatArray = npt.NDArray[np.float64]


class Model(Protocol):
    """A classifier over `labels`. `kind` is the name in model.json by which `models.stored.open_model` finds its loader."""

    @property
    def kind(self) -> str: ...

    @property
    def labels(self) -> tuple[str, ...]: ...

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        """Class probabilities, shape (len(inputs), C), rows sum to 1. Raises InputError on inputs of the wrong shape."""
        ...

    def save(self, folder: Path) -> None:
        """Safetensors plus JSON; nothing pickled."""
        ...


def reading(model: Model) -> AbstractContextManager[None]:
    """To be held open while a model is asked question after question: an encoder keeps ready what every one of them needs."""
    opened: AbstractContextManager[None] = getattr(model, "reading", nullcontext)()
    return opened
