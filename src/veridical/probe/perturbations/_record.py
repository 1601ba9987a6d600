"""What a perturbation is: places in a text, and what may be written at each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Place = tuple[int, int]
"""Start and end of a stretch of the text, as in a slice; equal where something may be put in."""


@dataclass(frozen=True, slots=True)
class Perturbation:
    """One kind of edit.

    about: what happens to a text, one sentence. places(text): where it could happen, ascending, without overlap. rewrites(text,
    place): what may stand there instead, none equal to what stands there; () where nothing fits. languages: of the texts it is
    for, () for any. keeps_label: False where the edit is made to change what the text says. missing(language): what is not
    installed and how to get it, one sentence; None where nothing is missing.
    """

    about: str
    places: Callable[[str], list[Place]]
    rewrites: Callable[[str, Place], Sequence[str]]
    languages: tuple[str, ...] = ()
    keeps_label: bool = True
    missing: Callable[[str], str | None] = lambda _: None
