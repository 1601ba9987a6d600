"""Words that name who a text is about, and their counterparts in the other groups; lists in data/identity_*.yaml.

A swap takes a text one or more steps round the groups of an axis: every word of group g becomes its counterpart of group
g + step. Where a counterpart is missing or cannot be told (her: him or his?), there is no swap rather than a wrong one.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import regex

from veridical.dataset.rows import Text

_NEXT = regex.compile(r"[ \t]+([\p{L}'’]+)")
_LAST = regex.compile(r"([\p{L}'’]+)[ \t]+$")
_SURNAME = regex.compile(r"[ \t]+\p{Lu}[\p{Ll}'’-]+")
_ARTICLE = regex.compile(r"(?<![\p{L}\p{N}])(an?)([ \t]+)$", regex.IGNORECASE)
_SENTENCE_END = (".", "!", "?", ";", ":", "\n", '"', "“")


@dataclass(frozen=True, slots=True)
class Swap:
    """text: None where a counterpart is missing or unclear. groups: places of the groups whose words stand in the original."""

    text: Text | None
    groups: frozenset[int]


@dataclass(frozen=True, eq=False)
class Axis:
    """forms: for each meaning the word of each group. places: recognised word (case folded) -> (meaning, group). kept: phrases
    that are left alone. given_names: words that a surname makes one particular person's."""

    name: str
    groups: tuple[str, ...]
    forms: tuple[tuple[str | None, ...], ...]
    places: dict[str, tuple[int, int]]
    kept: frozenset[str]
    given_names: frozenset[str]
    pronouns: bool
    pattern: "regex.Pattern[str]"

    def swapped(self, text: Text, step: int) -> Swap:
        """The text `step` groups further round; of a pair, both texts."""
        parts = [self._part(part, step) for part in (text if isinstance(text, tuple) else (text,))]
        groups = frozenset().union(*(found for _, found in parts))
        texts = [part for part, _ in parts]
        if not groups or any(part is None for part in texts):
            return Swap(None, groups)
        return Swap((str(texts[0]), str(texts[1])) if isinstance(text, tuple) else texts[0], groups)

    def _part(self, text: str, step: int) -> tuple[str | None, frozenset[int]]:
        made, end, groups, clear = "", 0, set(), True
        for match in self.pattern.finditer(text):
            word = match.group().casefold()
            if word in self.kept:
                continue
            group, other = self._counterpart(word, text, match.start(), match.end(), step)
            groups.add(group)
            if other is None:
                clear = False
                continue
            made += _with_article(text[end : match.start()], match.group(), other) + _cased(other, match.group())
            end = match.end()
        return (made + text[end:] if clear else None), frozenset(groups)

    def _counterpart(self, word: str, text: str, start: int, end: int, step: int) -> tuple[int, str | None]:
        if self.pronouns and word in ("her", "his"):
            return (1, _him_or_his(text[:start], text[end:])) if word == "her" else (0, _her_or_hers(text[end:]))
        meaning, group = self.places[word]
        if word in self.given_names and text[start].isupper() and _SURNAME.match(text, end):
            return group, None
        if self.pronouns and word in ("him", "hers"):
            return group, {"him": "her", "hers": "his"}[word]
        return group, self.forms[meaning][(group + step) % len(self.groups)]


def _him_or_his(before: str, after: str) -> str | None:
    """What `her` becomes; None where both would fit (`gave her money`)."""
    following, previous = _NEXT.match(after), _LAST.search(before)
    if following is None or following.group(1).casefold() in _listed("function_words"):
        return "him"
    first = not before.strip() or before.rstrip(" \t").endswith(_SENTENCE_END)
    if first or following.group(1).casefold() == "own" or (previous and previous.group(1).casefold() in _listed("prepositions")):
        return "his"
    return None


def _her_or_hers(after: str) -> str:
    following = _NEXT.match(after)
    return "hers" if following is None or following.group(1).casefold() in _listed("function_words") else "her"


def _cased(word: str, like: str) -> str:
    """`word` in the case of what it replaces; names and nations keep their capital unless the original has none."""
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like[:1].isupper():
        return word[:1].upper() + word[1:]
    return word.lower()


def _with_article(before: str, old: str, new: str) -> str:
    """`a` and `an` follow the word that comes after them."""
    article = _ARTICLE.search(before)
    if article is None or not new[:1].isascii():
        return before
    was, becomes = old[0].casefold() in "aeiou", new[0].casefold() in "aeiou"
    if was == becomes or was != (len(article.group(1)) == 2):
        return before
    letter = article.group(1)[0]
    return str(before[: article.start()] + letter + ("n" if becomes else "") + article.group(2))


def _read(name: str) -> Any:
    import yaml

    return yaml.safe_load(files("veridical.probe").joinpath("data", name).read_text(encoding="utf-8"))


@cache
def axes() -> tuple[Axis, ...]:
    """All axes of data/identity_terms.yaml."""
    return tuple(axis_of(name, entry) for name, entry in _read("identity_terms.yaml").items() if isinstance(entry, dict))


@cache
def _listed(name: str) -> frozenset[str]:
    return frozenset(_read("identity_terms.yaml")[name])


def axis_of(name: str, entry: dict[str, Any]) -> Axis:
    forms: list[tuple[str | None, ...]] = []
    places: dict[str, tuple[int, int]] = {}
    given: set[str] = set()
    for kind in ("terms", "names"):
        for line in entry.get(kind, []):
            options = [words if isinstance(words, list) else [words] for words in line]
            for group, words in enumerate(options):
                for word in words:
                    if word is not None:
                        places.setdefault(word.casefold(), (len(forms), group))
                        given |= {word.casefold()} if kind == "names" else set()
            forms.append(tuple(words[0] for words in options))
    kept = frozenset(phrase.casefold() for phrase in entry.get("kept", []))
    pronouns = bool(entry.get("pronouns", False))
    wanted = sorted({*places, *kept, *(("her", "his") if pronouns else ())}, key=lambda word: (-len(word), word))
    pattern = regex.compile("|".join(_bounded(word) for word in wanted), regex.IGNORECASE)
    return Axis(name, tuple(entry["groups"]), tuple(forms), places, kept, frozenset(given), pronouns, pattern)


def _bounded(word: str) -> str:
    escaped = regex.escape(word, special_only=True)
    return rf"(?<![\p{{L}}\p{{N}}]){escaped}(?![\p{{L}}\p{{N}}])" if word[0].isascii() else escaped


@dataclass(frozen=True, slots=True)
class Sentence:
    """One template sentence for all groups of an axis. frame: its number among the frames, the unit of resampling."""

    axis: str
    frame: int
    texts: tuple[str, ...]


@cache
def template_groups() -> dict[str, tuple[str, ...]]:
    """Axis -> its groups, in the order of `Sentence.texts`."""
    return {axis: tuple(entry["groups"]) for axis, entry in _read("identity_templates.yaml")["people"].items()}


@cache
def sentences(language: str) -> tuple[Sentence, ...]:
    """Every frame filled with every kind of person of every axis that the language has."""
    given = _read("identity_templates.yaml")
    frames = [
        frame.replace("{word}", word)
        for kind, templates in given["frames"][language].items()
        for frame in templates
        for word in given["words"][language].get(kind, [""])
    ]
    return tuple(
        Sentence(axis, number, tuple(_filled(frame, person) for person in people))
        for axis, entry in given["people"].items()
        for people in entry.get(language, [])
        for number, frame in enumerate(frames)
    )


def _filled(frame: str, person: str) -> str:
    made = frame.replace("{person}", person)
    return made[:1].upper() + made[1:]
