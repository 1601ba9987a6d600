"""Edits of letters, marks and blanks, in any language."""

from collections.abc import Sequence
from functools import cache

import regex

from veridical.probe.perturbations._record import Perturbation, Place
from veridical.probe.perturbations._tables import table

SHORTEST_TYPO = 4
"""Letters a word must have for a typing error, so that a reader still knows it. Pruthi et al. 2019, arXiv:1905.11268."""
FILE = "perturbations.yaml"
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}--\p{Han}]+(?:['’][\p{L}\p{M}]+)*", regex.V1)
_CASED = regex.compile(r"[\p{Lu}\p{Ll}]+")
_MARK = regex.compile(r"(?<!\d)\p{P}+|\p{P}+(?!\d)")
_BLANK = regex.compile(r"[ \t]+")
_HAN_GAP = regex.compile(r"(?<=\p{Han})(?=\p{Han})")


def _found(pattern: "regex.Pattern[str]", text: str) -> list[Place]:
    return [match.span() for match in pattern.finditer(text)]


def words_at(text: str) -> list[Place]:
    """Words written with letters; Chinese characters are none."""
    return _found(_WORD, text)


def _long_words(text: str) -> list[Place]:
    return [(start, end) for start, end in words_at(text) if end - start >= SHORTEST_TYPO and text[start:end].isalpha()]


def _distinct(word: str, written: list[str]) -> list[str]:
    return [one for one in dict.fromkeys(written) if one != word]


def _typed(text: str, place: Place) -> Sequence[str]:
    """One slip in the inside of the word (the first letter stays): swapped, lost, doubled, or the key beside."""
    word, keys = text[slice(*place)], _keys()
    written = []
    for i in range(1, len(word)):
        letter = word[i]
        if i + 1 < len(word):
            written.append(word[:i] + word[i + 1] + letter + word[i + 2 :])
        written += [word[:i] + word[i + 1 :], word[:i] + letter + word[i:]]
        beside = keys.get(letter.lower(), "")
        written += [word[:i] + (key.upper() if letter.isupper() else key) + word[i + 1 :] for key in beside]
    return _distinct(word, written)


@cache
def _keys() -> dict[str, str]:
    # YAML reads the bare keys y and n as text or truth values, depending on the version.
    return {{True: "y", False: "n"}.get(key, key): beside for key, beside in table(FILE)["keyboard"].items()}


def _scanned(text: str, place: Place) -> Sequence[str]:
    word = text[slice(*place)]
    written = []
    for old, new in table(FILE)["ocr"]:
        start = word.find(old)
        while start >= 0:
            written.append(word[:start] + new + word[start + len(old) :])
            start = word.find(old, start + 1)
    return _distinct(word, written)


def _lookalike(text: str, place: Place) -> Sequence[str]:
    word, glyphs = text[slice(*place)], table(FILE)["homoglyphs"]
    return [word[:i] + glyph + word[i + 1 :] for i, letter in enumerate(word) for glyph in glyphs.get(letter, "")]


def _recased(text: str, place: Place) -> Sequence[str]:
    word = text[slice(*place)]
    return _distinct(word, [word.upper(), word.lower(), word.capitalize()])


def _marks(text: str) -> list[Place]:
    """Marks, and the end of a text that has none there."""
    found = _found(_MARK, text)
    end = len(text.rstrip())
    return found if not end or (found and found[-1][1] == end) else [*found, (end, end)]


def _remarked(text: str, place: Place) -> Sequence[str]:
    """Lost, doubled, or written as in the other script."""
    mark, widths = text[slice(*place)], table(FILE)["full_width"]
    if not mark:
        return [".", "。"] if regex.search(r"\p{Han}", text) else ["."]
    other = {**widths, **{wide: narrow for narrow, wide in widths.items()}}
    return _distinct(mark, ["", mark + mark[-1], "".join(other.get(c, c) for c in mark)])


def _blanks(text: str) -> list[Place]:
    return sorted(_found(_BLANK, text) + _found(_HAN_GAP, text))


def _reblanked(text: str, place: Place) -> Sequence[str]:
    blank = text[slice(*place)]
    return _distinct(blank, ["", blank * 2, "\u00a0", "\n"] if blank else [" ", "\u3000"])


CHARACTERS = {
    "keyboard": Perturbation("One typing slip in a word of four letters or more.", _long_words, _typed),
    "ocr": Perturbation("Letters that a scanner takes for others.", words_at, _scanned),
    "homoglyphs": Perturbation("A letter of another script that looks the same.", words_at, _lookalike),
    "case": Perturbation("A word in capitals, in small letters, or with a capital.", lambda text: _found(_CASED, text), _recased),
    "punctuation": Perturbation("A mark lost, doubled, or written as in the other script.", _marks, _remarked),
    "spaces": Perturbation("A blank lost, doubled or broken, or put between Chinese characters.", _blanks, _reblanked),
}
