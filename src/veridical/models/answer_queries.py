"""The query engine for models whose answers are more than one label: the same merging, keeping and counting as `queries`."""

from collections.abc import Sequence

import numpy as np

from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text
from veridical.models.answering import Answering, Answers
from veridical.models.asking import Asking

KEPT = 200_000
"""Answers kept: of 30 words each some 100 MB. Ours; no source."""
Said = tuple[str, float]
"""An answer and how sure the model is of it."""


class AnswerQueries(Asking[Said]):
    """Questions to one model."""

    def __init__(self, model: Answering, *, progress: Progress = silent) -> None:
        super().__init__(capacity=KEPT, progress=progress)
        self.model = model

    def ask(self, inputs: Sequence[Text]) -> Answers:
        """One answer for each input; each different input is computed once."""
        found = self.answers(inputs)
        return Answers([said for said, _ in found], np.array([sure for _, sure in found], np.float64))

    def compute(self, inputs: list[Text]) -> list[Said]:
        found = self.model.answer(inputs)
        if len(found.said) != len(inputs) or len(found.confidence) != len(inputs):
            raise InputError(f"The model gave {len(found.said)} answers for {len(inputs)} inputs. It must give one for each.")
        return list(zip(found.said, found.confidence.tolist(), strict=True))

    def differ(self, first: Said, second: Said) -> bool:
        return first[0] != second[0]
