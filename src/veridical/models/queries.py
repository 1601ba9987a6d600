"""The query engine: everything that asks a model many questions asks here.

Algorithms are generators: they yield a list of inputs and are sent the class probabilities of these, until they return their
result. The engine advances many at once, merges what they ask, asks each different input once, keeps answers, and gives the
model one long list, so that it can sort by length and fill its batches (an encoder cuts them by tokens).
"""

import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Sequence
from typing import TypeVar

import numpy as np

from veridical.core.errors import InputError
from veridical.core.probe_record import Counts
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray, Model

T = TypeVar("T")
Search = Generator[Sequence[Text], FloatArray, T]
"""Yields inputs (list of B), is sent probabilities (B, C), returns its result."""

ACTIVE = 512
"""Searches that are advanced together. Ours: enough to fill batches where each asks a few inputs at a time."""
CACHED_CELLS = 20_000_000
"""Probabilities kept (rows x classes): 160 MB; the answers longest unused are forgotten first. Ours; no source."""
FORWARD_ROWS = 4096
"""Inputs given to the model at a time, so that progress shows and Ctrl-C is heard. Ours; no source."""
ASKED_TWICE = 64
"""Inputs asked a second time to see whether the model changes its answers. Ours; no source."""
SAME = 1e-3
"""Probabilities that differ by less are the same answer: rows that fall into other batches differ in the last digits. Ours."""


class Queries:
    """Questions to one model. Not for several threads at once; `counts` says what has been asked so far."""

    def __init__(self, model: Model, *, progress: Progress = silent, active: int = ACTIVE) -> None:
        self.model = model
        self.progress = progress
        self.active = active
        self._answers: OrderedDict[Text, FloatArray] = OrderedDict()
        self._capacity = max(1, CACHED_CELLS // max(len(model.labels), 1))
        self._asked = self._unique = self._forwards = 0
        self._seconds = 0.0
        self._changed: float | None = None

    @property
    def counts(self) -> Counts:
        return Counts(self._asked, self._unique, self._forwards, round(self._seconds, 3), self._changed)

    def ask(self, inputs: Sequence[Text]) -> FloatArray:
        """Class probabilities (len(inputs), C); each different input is computed once."""
        self._asked += len(inputs)
        found: dict[Text, FloatArray] = {}
        new: list[Text] = []
        for text in dict.fromkeys(inputs):
            kept = self._answers.get(text)
            if kept is None:
                new.append(text)
            else:
                self._answers.move_to_end(text)
                found[text] = kept
        self._unique += len(new)
        for start in range(0, len(new), FORWARD_ROWS):
            part = new[start : start + FORWARD_ROWS]
            self.progress("ask", start, len(new))
            found.update(zip(part, self._forward(part), strict=True))
        self._remember(found, new)
        return np.stack([found[text] for text in inputs]) if inputs else np.zeros((0, len(self.model.labels)))

    def _forward(self, inputs: list[Text]) -> FloatArray:
        began = time.perf_counter()
        answers = np.asarray(self.model.predict(inputs), np.float64)
        self._seconds += time.perf_counter() - began
        self._forwards += len(inputs)
        if answers.shape != (len(inputs), len(self.model.labels)):
            raise InputError(
                f"The model gave answers of shape {answers.shape} for {len(inputs)} inputs and {len(self.model.labels)} labels. "
                "It must give one probability for each label and input."
            )
        if not np.isfinite(answers).all():
            wrong = int((~np.isfinite(answers).all(axis=1)).sum())
            raise InputError(
                f"The model gave NaN or infinity for {wrong} of {len(inputs)} inputs. Every probability must be 0 to 1."
            )
        return answers

    def _remember(self, found: dict[Text, FloatArray], new: list[Text]) -> None:
        for text in new:
            self._answers[text] = found[text]
        while len(self._answers) > self._capacity:
            self._answers.popitem(last=False)

    def run(self, searches: Iterable[Search[T]], *, stage: str = "search", total: int = 0) -> list[T]:
        """The results of all searches, in their order. `total`: how many there are, for the progress bar (0: unknown).

        A search that raises stops the whole; then, and on Ctrl-C, every search is closed before the error goes on.
        """
        waiting = enumerate(searches)
        running: dict[int, tuple[Search[T], Sequence[Text]]] = {}
        results: dict[int, T] = {}
        try:
            while True:
                for number, search in waiting:
                    self._advance(number, search, None, running, results)
                    if len(running) >= self.active:
                        break
                if not running:
                    return [results[number] for number in sorted(results)]
                self._round(running, results)
                self.progress(stage, len(results), total)
        finally:
            for search, _ in running.values():
                search.close()

    def _round(self, running: dict[int, tuple[Search[T], Sequence[Text]]], results: dict[int, T]) -> None:
        """Ask what all running searches wait for in one list, and hand out the answers."""
        asking = list(running.items())
        answers = self.ask([text for _, (_, wanted) in asking for text in wanted])
        start = 0
        for number, (search, wanted) in asking:
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

    def repeatability(self, inputs: Sequence[Text]) -> float:
        """Share of up to ASKED_TWICE of these inputs whose answer changes when it is asked again, kept in `counts`."""
        chosen = list(dict.fromkeys(inputs))[:ASKED_TWICE]
        if not chosen:
            return 0.0
        first, second = self.ask(chosen), self._forward(chosen)
        self._changed = float((np.abs(first - second).max(axis=1) > SAME).mean())
        return self._changed
