"""What goes wrong, said in one sentence: what, got, allowed, next step. The CLI prints it and exits with `exit_code`."""

from collections.abc import Iterable
from difflib import get_close_matches

NEAR = 0.65
"""Likeness (difflib ratio, 0..1) from which a known name is offered instead of an unknown one. Ours; no source."""
SHOWN_NAMES = 20
"""Known names that a refusal lists. Ours; no source."""


def nearest(got: str, known: Iterable[str]) -> str:
    """The half sentence that offers the known name most like `got`; empty where none is near."""
    near = get_close_matches(got, list(known), n=1, cutoff=NEAR)
    return f" Did you mean {near[0]!r}?" if near else ""


class VeridicalError(Exception):
    """Base of everything veridical raises on purpose. Exit code 2: the input."""

    exit_code = 2


class InputError(VeridicalError):
    """The user's data, options or files cannot be used as they are."""


class UnknownName(InputError):
    """A name that is not in the list of known ones; suggests the nearest."""

    def __init__(self, kind: str, got: str, known: Iterable[str], next_step: str = "") -> None:
        names = list(known)
        shown = ", ".join(names[:SHOWN_NAMES]) or "none"
        more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        super().__init__(f"Unknown {kind} {got!r}.{nearest(got, names)} Known: {shown}{more}. {next_step}".strip())


class SurroundingsError(VeridicalError):
    """The machine cannot do it: disk, memory, a busy run folder, a missing extra. Exit code 3."""

    exit_code = 3


class MissingExtra(SurroundingsError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra [{extra}], which is not installed. Run: pip install 'veridical[{extra}]'")
