"""Processes that torchrun or `accelerate launch` started for one run: the first does the stages, the others train along.

The others wait until the first says that training begins, or that it does not. After the training each is alone: what follows
(accounting, repairs) is done by the first as if it had been alone all the time.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from veridical.core.surroundings import place_among_processes

TRAIN, LEAVE = 1, 0
LONGEST_WAIT = timedelta(days=30)
"""How long the others wait for the first one's audit: longer than any. Should the first die, torchrun ends the others."""


@contextmanager
def together() -> Iterator[None]:
    """For the first process: within it the others train along; after it this one is alone. Nothing where it is alone already."""
    if place_among_processes()[1] == 1:
        yield
        return
    _said(TRAIN)
    yield
    _part()


def dismiss() -> None:
    """For the first process: there is nothing to train, and the others need not wait."""
    if place_among_processes()[1] > 1:
        _said(LEAVE)
        _part()


def called() -> bool:
    """For the others: wait; whether there is a training to join."""
    return _said(LEAVE) == TRAIN


def _said(order: int) -> int:
    """What the first process says, in all of them; `order` is what it says."""
    import torch
    from accelerate import PartialState
    from torch import distributed

    PartialState(cpu=not torch.accelerator.is_available())
    waiting = distributed.new_group(backend="gloo", timeout=LONGEST_WAIT)  # on the CPU: a waiting GPU would spin
    said = torch.tensor(order)
    distributed.broadcast(said, src=0, group=waiting)
    return int(said)


def _part() -> None:
    """This process has no others any more, and Accelerate knows it."""
    from accelerate.state import AcceleratorState, GradientState, PartialState

    PartialState().destroy_process_group()
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        os.environ.pop(name, None)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
