"""What goes wrong, said in one sentence: what, got, allowed, next step. The CLI prints it and exits with `exit_code`."""

from collections.abc import Iterable

NEAR = 0.65
"""Likeness (1 - typing errors / length of the longer name, 0..1) from which a known name is offered. Ours; no source."""
SHORTEST_BEGINNING = 3
"""Characters from which the beginning of a name counts as the name. Ours; no source."""
LONGEST_NAME = 60
"""Characters of a known name that a refusal shows. Ours; no source."""
SHOWN_NAMES = 20
"""Known names that a refusal lists. Ours; no source."""


def nearest(got: str, known: Iterable[str]) -> str:
    """The half sentence that offers the known name most like `got`; empty where none is near."""
    names = list(known)
    best = max(names, key=lambda name: _likeness(got, name), default="")
    return f" Did you mean {best!r}?" if names and _likeness(got, best) >= NEAR else ""


def _likeness(got: str, name: str) -> float:
    """1 - (letters to insert, delete, replace, or swap with their neighbour) / length; 1 where `name` goes on after `got`."""
    from rapidfuzz.distance import OSA

    typed, meant = got.lower().lstrip("-"), name.lower().lstrip("-")
    if len(typed) >= SHORTEST_BEGINNING and meant.startswith(typed):
        return 1.0
    return OSA.normalized_similarity(typed, meant)


class VeridicalError(Exception):
    """Base of everything veridical raises on purpose. Exit code 2: the input."""

    exit_code = 2


class InputError(VeridicalError):
    """The user's data, options or files cannot be used as they are."""


class ModelFailed(InputError):
    """The model's answer to some inputs cannot be used, or it raised on them."""


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


class UnknownName(InputError):
    """A name that is not in the list of known ones; suggests the nearest."""

    def __init__(self, kind: str, got: str, known: Iterable[str], next_step: str = "") -> None:
        names = list(known)
        shown = ", ".join(_short(name) for name in names[:SHOWN_NAMES]) or "none"
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        super().__init__(f"Unknown {kind} {got!r}.{nearest(got, names)} Known: {shown}{more}. {next_step}".strip())


FULL = ("No space left on device", "os error 28", "Disk quota exceeded", "File too large", "os error 27", "disk is full")
"""What libraries written in Rust and C++ say of a full disk, in their own types."""


def is_full_disk(error: Exception) -> bool:
    """Whether the error, of whatever type, says that there is no space."""
    return any(words in str(error) for words in FULL)


class SurroundingsError(VeridicalError):
    """The machine cannot do it: disk, memory, a busy run folder, a missing extra. Exit code 3."""

    exit_code = 3


class MissingExtra(SurroundingsError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}], which is not installed. Run: pip install 'veridical[{extra}]'")
