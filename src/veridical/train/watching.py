"""Who looks on while a model is trained: told of every step and every epoch, and may end it after an epoch.

The loop knows one watcher and calls it in the first process alone. A watcher changes nothing else: with and without one, the
model is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StepSeen:
    """step, epoch: from 1. loss: mean of the step's rows by weight, penalties included. rate: step size of the encoder.
    gradient_norm: length of the gradient before it was cut."""

    step: int
    epoch: int
    loss: float
    rate: float
    gradient_norm: float


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """epoch, step: from 1, the step being the last of the epoch. metric: name of the score. score: of the validation rows, None
    where there are none; log_loss: their mean. best_epoch: the one whose tensors would be kept now."""

    epoch: int
    step: int
    metric: str
    score: float | None
    log_loss: float | None
    best_epoch: int


class Watcher(Protocol):
    """Told how training goes."""

    def begins(self, step: int, epoch: int) -> None:
        """Training goes on after this many steps and finished epochs; what was told beyond them is not so."""
        ...

    def after_step(self, seen: StepSeen) -> None: ...

    def after_epoch(self, seen: EpochSeen) -> bool:
        """Whether to go on."""
        ...


@dataclass(frozen=True, slots=True)
class Watchers:
    """Several in one; training goes on while all of them want it to."""

    each: Sequence[Watcher]

    def begins(self, step: int, epoch: int) -> None:
        for watcher in self.each:
            watcher.begins(step, epoch)

    def after_step(self, seen: StepSeen) -> None:
        for watcher in self.each:
            watcher.after_step(seen)

    def after_epoch(self, seen: EpochSeen) -> bool:
        wanted = [watcher.after_epoch(seen) for watcher in self.each]  # each is told, whatever the others want
        return all(wanted)
