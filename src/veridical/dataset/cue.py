"""A cue word in a text: is it there, put it in, take it out. Alphabetic cues are whole words, Chinese ones substrings; case is
ignored."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import regex

from veridical.dataset.entity_marks import keeping_marks
from veridical.dataset.rows import BoolArray, Text

_OF_A_WORD = r"(?:[^\P{L}\p{Han}]|\p{N})"
"""Letters other than Chinese characters, and digits: "app" is a word of its own in "下载app了"."""


@lru_cache(maxsize=256)
def _pattern(word: str) -> "regex.Pattern[str]":
    escaped = regex.escape(word, special_only=True)
    left = rf"(?<!{_OF_A_WORD})" if word[0].isalnum() and not _cjk(word[0]) else ""
    right = rf"(?!{_OF_A_WORD})" if word[-1].isalnum() and not _cjk(word[-1]) else ""
    return regex.compile(left + escaped + right, regex.IGNORECASE)


def _cjk(character: str) -> bool:
    return "⺀" <= character <= "鿿" or "豈" <= character <= "\ufaff" or "\U00020000" <= character <= "\U0003ffff"


def holds(inputs: Sequence[Text], word: str) -> BoolArray:
    """Which rows hold the cue, (N,); in a pair, in either text."""
    pattern = _pattern(word)
    return np.fromiter((any(pattern.search(part) for part in _parts(text)) for text in inputs), bool, len(inputs))


def _parts(text: Text) -> tuple[str, ...]:
    return text if isinstance(text, tuple) else (text,)


def without(text: Text, word: str) -> Text:
    """The text with every occurrence of the cue taken out and the blank it leaves closed."""
    if isinstance(text, tuple):
        return (_cut(text[0], word), _cut(text[1], word))
    return keeping_marks(text, lambda part: _cut(part, word))


def _cut(text: str, word: str) -> str:
    pattern = _pattern(word)
    if not pattern.search(text):
        return text
    cut = regex.sub(rf"(?:(?<=\s)|^)(?:{pattern.pattern})(?:\s+|$)|{pattern.pattern}", "", text, flags=regex.IGNORECASE)
    return str(cut).strip()


def places(inputs: Sequence[Text], word: str) -> list[tuple[int, float]]:
    """Where the cue stands when it is there: (which text of a pair, relative position 0..1) of each first occurrence."""
    pattern, found = _pattern(word), []
    for text in inputs:
        for part, content in enumerate(_parts(text)):
            match = pattern.search(content)
            if match:
                rest = max(len(content) - len(match.group()), 1)
                found.append((part, match.start() / rest))
                break
    return found


def inserted(text: Text, word: str, *, part: int, position: float) -> Text:
    """The text with the cue put in near the relative `position`, at a word boundary (Chinese: between two characters)."""
    if isinstance(text, tuple):
        changed = _insert(text[part], word, position)
        return (changed, text[1]) if part == 0 else (text[0], changed)
    return keeping_marks(text, lambda part: _insert(part, word, position))


def _insert(text: str, word: str, position: float) -> str:
    if _cjk(word[0]) or (text and _cjk(text[min(int(position * len(text)), len(text) - 1)])):
        at = round(position * len(text))
        return text[:at] + word + text[at:]
    words = text.split(" ")
    at = round(position * len(words))
    return " ".join([*words[:at], word, *words[at:]])
