"""Long work says how far it is: a callback that the CLI turns into a bar, plain lines or silence."""

from typing import Protocol


class Progress(Protocol):
    """Called as `progress(stage, done, total)`; `total` 0 means unknown."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


def silent(stage: str, done: int, total: int) -> None:
    """Says nothing."""
