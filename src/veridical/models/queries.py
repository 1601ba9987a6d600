"""The query engine: everything that asks a model many questions asks here.

Algorithms are generators: they yield a list of inputs and are sent the class probabilities of these, until they return their
result. The engine advances many at once, merges what they ask, asks each different input once, keeps answers, and gives the
model one long list, so that it can sort by length and fill its batches (an encoder cuts them by tokens).
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from typing import TypeVar

import numpy as np

from veridical.core.errors import InputError, ModelFailed
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text
from veridical.models.asking import Asking
from veridical.models.model import FloatArray, Model, reading

T = TypeVar("T")
Search = Generator[Sequence[Text], FloatArray, T]
"""Yields inputs (list of B), is sent probabilities (B, C), returns its result."""

ACTIVE = 512
"""Searches that are advanced together. Ours: enough to fill batches where each asks a few inputs at a time."""
CACHED_CELLS = 20_000_000
"""Probabilities kept (rows x classes): 160 MB; the answers longest unused are forgotten first. Ours; no source."""
SAME = 1e-3
"""Probabilities that differ by less are the same answer: rows that fall into other batches differ in the last digits. Ours."""


class Queries(Asking[FloatArray]):
    """Questions to one model. Not for several threads at once; `counts` says what has been asked so far."""

    def __init__(self, model: Model, *, progress: Progress = silent, active: int = ACTIVE) -> None:
        super().__init__(capacity=CACHED_CELLS // max(len(model.labels), 1), progress=progress)
        self.model = model
        self.active = active

    def ask(self, inputs: Sequence[Text]) -> FloatArray:
        """Class probabilities (len(inputs), C); each different input is computed once. Raises ModelFailed."""
        return self._ask(inputs, lambda done, total: self.progress("ask", done, total))

    def tried(self, inputs: Sequence[Text]) -> FloatArray | str:
        """The same, or why the model cannot answer these inputs: for a part that whoever asks can do without."""
        try:
            return self.ask(inputs)
        except ModelFailed as error:
            return str(error)

    def _ask(self, inputs: Sequence[Text], asking: Callable[[int, int], None]) -> FloatArray:
        """`asking` is told how many of the new inputs are answered, before each part of them is given to the model."""
        found = self.answers(inputs, asking)
        return np.stack(found) if found else np.zeros((0, len(self.model.labels)))

    def compute(self, inputs: list[Text]) -> list[FloatArray]:
        try:
            answers = np.asarray(self.model.predict(inputs), np.float64)
        except InputError as error:
            raise ModelFailed(str(error)) from error
        if answers.shape != (len(inputs), len(self.model.labels)):
            raise ModelFailed(
                f"The model gave answers of shape {answers.shape} for {len(inputs)} inputs and {len(self.model.labels)} labels. "
                "It must give one probability for each label and input."
            )
        if not np.isfinite(answers).all():
            wrong = int((~np.isfinite(answers).all(axis=1)).sum())
            raise ModelFailed(
                f"The model gave NaN or infinity for {wrong} of {len(inputs)} inputs. Every probability must be 0 to 1."
            )
        return list(answers)

    def differ(self, first: FloatArray, second: FloatArray) -> bool:
        return bool(np.abs(first - second).max() > SAME)

    def run(self, searches: Iterable[Search[T]], *, stage: str = "search", total: int = 0) -> list[T]:
        """The results of all searches, in their order. `total`: how many there are, for the progress bar (0: unknown).

        A search that raises stops the whole; then, and on Ctrl-C, every search is closed before the error goes on.
        """
        waiting = enumerate(searches)
        running: dict[int, tuple[Search[T], Sequence[Text]]] = {}
        results: dict[int, T] = {}

        def asking(_done: int, _total: int) -> None:
            self.progress(stage, len(results), total)

        try:
            with reading(self.model):
                while True:
                    for number, search in waiting:
                        self._advance(number, search, None, running, results)
                        if len(running) >= self.active:
                            break
                    if not running:
                        return [results[number] for number in sorted(results)]
                    self._round(running, results, asking)
                    self.progress(stage, len(results), total)
        finally:
            for search, _ in running.values():
                search.close()

    def _round(
        self, running: dict[int, tuple[Search[T], Sequence[Text]]], results: dict[int, T], asking: Callable[[int, int], None]
    ) -> None:
        """Ask what all running searches wait for in one list, and hand out the answers."""
        asked = list(running.items())
        answers = self._ask([text for _, (_, wanted) in asked for text in wanted], asking)
        start = 0
        for number, (search, wanted) in asked:
            self._advance(number, search, answers[start : start + len(wanted)], running, results)
            start += len(wanted)

    def _advance(
        self,
        number: int,
        search: Search[T],
        answers: FloatArray | None,
        running: dict[int, tuple[Search[T], Sequence[Text]]],
        results: dict[int, T],
    ) -> None:
        try:
            running[number] = (search, next(search) if answers is None else search.send(answers))
        except StopIteration as stopped:
            running.pop(number, None)
            results[number] = stopped.value
