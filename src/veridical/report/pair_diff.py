"""Two texts side by side: which pieces they share and which they do not."""

import re
from dataclasses import dataclass

TOKEN = re.compile(r"[^\W\u2e80-\ua4cf\uac00-\ud7a3]+|\s+|.", re.DOTALL)
"""A word, a run of white space, or one other character (a Chinese one by itself)."""
LEAD = 60
"""Characters of common beginning kept before the first difference of long texts. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is shown of one text. full_length: characters of the whole text, 0 when nothing was cut."""

    pieces: tuple[Piece, ...]
    full_length: int = 0


def excerpt(text: str, *, limit: int) -> Excerpt:
    """The beginning of one text."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return Excerpt((Piece(cut, differs=False),), len(text) if cut != text else 0)


def side_by_side(left: str, right: str, *, limit: int) -> tuple[Excerpt, Excerpt]:
    """Both texts cut to the same window, what only one of them holds marked."""
    if left == right:
        return excerpt(left, limit=limit), excerpt(right, limit=limit)
    start = _window_start(left, right, limit)
    windows = [text[start : start + limit] for text in (left, right)]
    marked = _marked(*(TOKEN.findall(window) for window in windows))
    return _framed(marked[0], left, right, start, limit), _framed(marked[1], right, left, start, limit)


def _framed(pieces: tuple[Piece, ...], text: str, other: str, start: int, limit: int) -> Excerpt:
    """The pieces with an ellipsis where the text goes on."""
    if start + limit < len(other) and len(pieces) > 1:
        # What follows in the other text is not shown, so a last piece may differ by that cut alone.
        pieces = (*pieces[:-1], Piece(pieces[-1].text, differs=False))
    before = (Piece("…", differs=False),) if start else ()
    after = (Piece("…", differs=False),) if start + limit < len(text) else ()
    return Excerpt((*before, *pieces, *after), len(text) if before or after else 0)


def _window_start(left: str, right: str, limit: int) -> int:
    """Long texts are shown from shortly before their first difference."""
    if max(len(left), len(right)) <= limit:
        return 0
    shared = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return max(0, shared - LEAD)


def _marked(left: list[str], right: list[str]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    from rapidfuzz.distance import Indel

    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for step in Indel.opcodes(left, right):
        differs = step.tag != "equal"
        for pieces, tokens, low, high in (
            (sides[0], left, step.src_start, step.src_end),
            (sides[1], right, step.dest_start, step.dest_end),
        ):
            if high > low:
                pieces.append(Piece("".join(tokens[low:high]), differs))
    return tuple(sides[0]), tuple(sides[1])
