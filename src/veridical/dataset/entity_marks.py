"""Two entities marked in a text: <e1>...</e1> and <e2>...</e2>, as the files of SemEval-2010 task 8 have them.

Marks are found, put in, taken out, and kept whole while the text around and between them is edited.
"""

import re
from collections.abc import Callable

MARKS = ("<e1>", "</e1>", "<e2>", "</e2>")
"""The marks, those of the first entity first."""
OPENING = (MARKS[0], MARKS[2])
MARK = re.compile(r"<(/?)\s*[eE]([12])\s*>")
ENTITY = (re.compile(r"<e1>(.*?)</e1>", re.DOTALL), re.compile(r"<e2>(.*?)</e2>", re.DOTALL))
HIDDEN = ("\ue0f1", "\ue0f2", "\ue0f3", "\ue0f4")
"""Stand-ins of MARKS while a text is edited: private characters, which are part of no word."""


def as_written(text: str) -> str:
    """The text with its marks in one spelling."""
    return MARK.sub(lambda found: f"<{found.group(1)}e{found.group(2)}>", text)


def problem(text: str) -> str:
    """Why the marks cannot be used, empty where they can."""
    counts = [text.count(mark) for mark in MARKS]
    if 0 in counts:
        return "a relation row without both entities"
    if max(counts) > 1:
        return "a relation row with an entity marked twice"
    first, second = entities(text)
    if not first.strip() or not second.strip():
        return "a relation row without both entities"
    (a, b), (c, d) = _spans(text)
    return "" if b <= c or d <= a else "a relation row whose entities overlap"


def entities(text: str) -> tuple[str, str]:
    """The two entities, empty where one is not marked."""
    first, second = (pattern.search(text) for pattern in ENTITY)
    return (first.group(1) if first else "", second.group(1) if second else "")


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each entity that is marked stands, with its marks."""
    return [found.span() for found in (pattern.search(text) for pattern in ENTITY) if found]


def marked(text: str, first: str, second: str) -> str:
    """The text with its entities marked wherever they stand as words; a text that holds marks already stays as it is."""
    if any(mark in text for mark in MARKS):
        return text
    found = [(*span, name) for entity, name in ((first, "e1"), (second, "e2")) for span in _places(text, entity.strip())]
    for start, end, name in sorted(found, reverse=True):
        text = f"{text[:start]}<{name}>{text[start:end]}</{name}>{text[end:]}"
    return text


def _places(text: str, entity: str) -> list[tuple[int, int]]:
    if not entity:
        return []
    before = r"(?<![^\W_])" if _is_letter(entity[0]) else ""
    after = r"(?![^\W_])" if _is_letter(entity[-1]) else ""
    return [found.span() for found in re.finditer(before + re.escape(entity) + after, text)]


def _is_letter(character: str) -> bool:
    """Whether a word would go on beside it; Chinese and its like are written without blanks."""
    return character.isalnum() and character < "\u2e80"


def holds_marks(text: str) -> bool:
    return MARKS[0] in text and problem(text) == ""


def around(text: str) -> list[tuple[str, bool]]:
    """The text in stretches, and whether each is an entity with its marks; whole where it has none."""
    if not holds_marks(text):
        return [(text, False)]
    found, at = [], 0
    for start, end in sorted(_spans(text)):
        found += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [*found, (text[at:], False)]


def touches_mark(text: str, start: int, end: int) -> bool:
    """Whether a stretch of the text lies in a mark, or holds a part of one."""
    if not holds_marks(text):
        return False
    return any(start < text.index(mark) + len(mark) and text.index(mark) < max(end, start + 1) for mark in MARKS)


def keeping_marks(text: str, edit: Callable[[str], str]) -> str:
    """The edited text with its marks as they were; the text itself where the edit would have lost or moved one."""
    if not holds_marks(text):
        return edit(text)
    return shown(edit(hidden(text)), text)


def hidden(text: str) -> str:
    """The text with stand-ins in place of its marks."""
    for mark, stand_in in zip(MARKS, HIDDEN, strict=True):
        text = text.replace(mark, stand_in)
    return text


def shown(text: str, before: str) -> str:
    """A text with stand-ins after an edit, with its marks again; the text before where marks were lost or moved."""
    for mark, stand_in in zip(MARKS, HIDDEN, strict=True):
        text = text.replace(stand_in, mark)
    return text if holds_marks(text) else before
