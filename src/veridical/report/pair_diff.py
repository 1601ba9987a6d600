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
    cut = [_cut(text, start, limit) for text in (left, right)]
    marked = _marked(*(TOKEN.findall(text) for text in cut))
    if start + limit < max(len(left), len(right)):
        marked = (_plain_end(marked[0]), _plain_end(marked[1]))
    lengths = [len(text) if shown != text else 0 for text, shown in zip((left, right), cut, strict=True)]
    return Excerpt(marked[0], lengths[0]), Excerpt(marked[1], lengths[1])


def _plain_end(pieces: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """Where the texts are cut, what follows is unknown: a last piece that differs by the cut alone is not marked."""
    return (*pieces[:-1], Piece(pieces[-1].text, differs=False)) if len(pieces) > 1 else pieces


def _window_start(left: str, right: str, limit: int) -> int:
    """Long texts are shown from shortly before their first difference."""
    if max(len(left), len(right)) <= limit:
        return 0
    shared = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return max(0, shared - LEAD)


def _cut(text: str, start: int, limit: int) -> str:
    shown = text[start : start + limit]
    return ("…" if start else "") + shown + ("…" if start + limit < len(text) else "")


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
