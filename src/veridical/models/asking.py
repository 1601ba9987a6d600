"""Asking one model: equal inputs are computed once, answers are kept, and it is counted what was asked."""

import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from veridical.core.probe_record import Counts
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Text

A = TypeVar("A")

FORWARD_ROWS = 4096
"""Inputs given to the model at a time, so that progress shows and Ctrl-C is heard. Ours; no source."""
ASKED_TWICE = 64
"""Inputs asked a second time to see whether the model changes its answers. Ours; no source."""


class Asking(ABC, Generic[A]):
    """What is common to models of all kinds; `A` is what a model says of one input. Not for several threads at once.

    capacity: answers kept; those longest unused are forgotten first.
    """

    def __init__(self, *, capacity: int, progress: Progress = silent) -> None:
        self.progress = progress
        self._answers: OrderedDict[Text, A] = OrderedDict()
        self._capacity = max(1, capacity)
        self._asked = self._unique = self._forwards = 0
        self._seconds = 0.0
        self._changed: float | None = None

    @abstractmethod
    def compute(self, inputs: list[Text]) -> list[A]:
        """What the model says of these inputs."""

    @abstractmethod
    def differ(self, first: A, second: A) -> bool:
        """Whether two answers to one input are not the same."""

    @property
    def counts(self) -> Counts:
        return Counts(self._asked, self._unique, self._forwards, round(self._seconds, 3), self._changed)

    def answers(self, inputs: Sequence[Text], asking: Callable[[int, int], None] | None = None) -> list[A]:
        """One answer for each input; each different input is computed once. asking: told how many of the new inputs are answered,
        before each part of them is given to the model; by default the progress is."""
        told = asking or (lambda done, total: self.progress("ask", done, total))
        self._asked += len(inputs)
        found: dict[Text, A] = {}
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
            told(start, len(new))
            found.update(zip(part, self._forward(part), strict=True))
        self._remember(found, new)
        return [found[text] for text in inputs]

    def _forward(self, inputs: list[Text]) -> list[A]:
        began = time.perf_counter()
        answers = self.compute(inputs)
        self._seconds += time.perf_counter() - began
        self._forwards += len(inputs)
        return answers

    def _remember(self, found: dict[Text, A], new: list[Text]) -> None:
        for text in new:
            self._answers[text] = found[text]
        while len(self._answers) > self._capacity:
            self._answers.popitem(last=False)

    def repeatability(self, inputs: Sequence[Text]) -> float:
        """Share of up to ASKED_TWICE of these inputs whose answer changes when it is asked again, kept in `counts`."""
        chosen = list(dict.fromkeys(inputs))[:ASKED_TWICE]
        if not chosen:
            return 0.0
        first, second = self.answers(chosen), self._forward(chosen)
        changed = [self.differ(a, b) for a, b in zip(first, second, strict=True)]
        self._changed = sum(changed) / len(changed)
        return self._changed
