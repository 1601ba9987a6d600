"""Edits of whole words: contractions, Chinese characters and synonyms keep the label; denials, numbers and names change it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import regex

from veridical.dataset import thesaurus
from veridical.probe.perturbations._characters import FILE, words_at
from veridical.probe.perturbations._language import language
from veridical.probe.perturbations._record import Perturbation, Place
from veridical.probe.perturbations._tables import confusions, table

CHARACTERS_FILE = "chinese_characters.yaml"
_NUMBER = regex.compile(r"(?<![\p{L}\p{N}.,])\d+(?![\p{L}\p{N}]|[.,]\d)")


def like(word: str, model: str) -> str:
    """`word` with the capitals of `model`."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


# Contractions: I'm and I am, both ways.


@cache
def _contractions() -> dict[str, str]:
    given = table(FILE)
    both = {form: other for long, short in given["contractions"] for form, other in ((long, short), (short, long))}
    return {**both, **dict(given["contracted_only"])}


@cache
def _contraction_pattern() -> "regex.Pattern[str]":
    return _any_of(_contractions())


def _any_of(words: Sequence[str] | dict[str, str]) -> "regex.Pattern[str]":
    """Any of the words as whole words; Chinese ones anywhere. The longest that fits."""
    options = "|".join(
        regex.escape(word)
        if regex.search(r"\p{Han}", word)
        else rf"(?<![\p{{L}}\p{{N}}]){regex.escape(word)}(?![\p{{L}}\p{{N}}])"
        for word in sorted(words, key=len, reverse=True)
    )
    return regex.compile(options, regex.IGNORECASE)


def _contractible(text: str) -> list[Place]:
    return [match.span() for match in _contraction_pattern().finditer(text.replace("’", "'"))]


def _contracted(text: str, place: Place) -> Sequence[str]:
    word = text[slice(*place)]
    other = _contractions()[word.replace("’", "'").casefold()]
    kept = other[:1].upper() + other[1:] if word[:1].isupper() else other
    return [regex.sub(r"^i\b|\bi\b", "I", kept) if word.casefold().startswith("i") and other.startswith(("i ", "i'")) else kept]


# Chinese characters of the same shape or sound.


def _confused(kind: str) -> Perturbation:
    def places(text: str) -> list[Place]:
        known = confusions(CHARACTERS_FILE, kind)
        return [(i, i + 1) for i, character in enumerate(text) if character in known]

    def rewrites(text: str, place: Place) -> Sequence[str]:
        return tuple(confusions(CHARACTERS_FILE, kind)[text[place[0]]])

    said = "shape" if kind == "alike" else "sound"
    return Perturbation(f"A Chinese character of nearly the same {said}.", places, rewrites, languages=("zh",))


# Synonyms.


@cache
def _chinese_synonyms() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in table("chinese_synonyms.yaml")["groups"]:
        for word in group:
            found.setdefault(word, tuple(other for other in group if other != word))
    return found


def _chinese_words(text: str) -> list[Place]:
    """Where the words of jieba's segmentation stand that the list knows."""
    from veridical.dataset.words import words

    known, found, start = _chinese_synonyms(), [], 0
    for word in words(text):
        at = text.find(word, start)
        if at < 0:
            continue
        start = at + len(word)
        if word in known:
            found.append((at, start))
    return found


def _replaceable(text: str) -> list[Place]:
    return _chinese_words(text) if language(text) == "zh" else words_at(text)


def _synonyms(text: str, place: Place) -> Sequence[str]:
    word = text[slice(*place)]
    if word in _chinese_synonyms():
        return _chinese_synonyms()[word]
    return [like(other, word) for other in thesaurus.english(word)]


# What changes the label, used apart.


@cache
def _denials() -> dict[str, str]:
    found: dict[str, str] = {}
    for pairs in table(FILE)["negations"].values():
        for said, denied in pairs:
            found.setdefault(said, denied)
            found.setdefault(denied, said)
    for long, short in table(FILE)["contractions"]:
        if long.endswith("not"):
            found[short] = long.removesuffix("not").strip()
            found.setdefault(long, found[short])
    return found


@cache
def _denial_pattern() -> "regex.Pattern[str]":
    return _any_of(_denials())


def _deniable(text: str) -> list[Place]:
    return [match.span() for match in _denial_pattern().finditer(text.replace("’", "'"))]


def _denied(text: str, place: Place) -> Sequence[str]:
    word = text[slice(*place)]
    return [like(_denials()[word.replace("’", "'").casefold()], word)]


def _numbers(text: str) -> list[Place]:
    return [match.span() for match in _NUMBER.finditer(text)]


def _renumbered(text: str, place: Place) -> Sequence[str]:
    """Another number of as many digits."""
    said = text[slice(*place)]
    least = 10 ** (len(said) - 1) if len(said) > 1 else 0
    return [str((int(said) + step - least) % (10 ** len(said) - least) + least) for step in (1, 2, 3, 5, 7)]


@cache
def _names() -> dict[str, tuple[str, ...]]:
    return {name: tuple(other for other in kind if other != name) for kind in table(FILE)["entities"] for name in kind}


@cache
def _name_pattern() -> "regex.Pattern[str]":
    return regex.compile(_any_of(list(_names())).pattern)  # a name has its capital


def _named(text: str) -> list[Place]:
    return [match.span() for match in _name_pattern().finditer(text)]


def _renamed(text: str, place: Place) -> Sequence[str]:
    return _names()[text[slice(*place)]]


def _missing(tool: Callable[[], str | None]) -> Callable[[str], str | None]:
    return lambda spoken: tool() if spoken == "en" else None


WORDS = {
    "contractions": Perturbation("I am and I'm, both ways.", _contractible, _contracted, languages=("en",)),
    "lookalikes_zh": _confused("alike"),
    "homophones_zh": _confused("sound"),
    "synonyms": Perturbation(
        "A word of the same meaning.", _replaceable, _synonyms, languages=("en", "zh"), missing=_missing(thesaurus.missing)
    ),
    "negation": Perturbation(
        "A statement denied, or a denial taken back.", _deniable, _denied, languages=("en", "zh"), keeps_label=False
    ),
    "numbers": Perturbation("Another number.", _numbers, _renumbered, keeps_label=False),
    "entities": Perturbation(
        "Another place, day, month or company.", _named, _renamed, languages=("en", "zh"), keeps_label=False
    ),
}
