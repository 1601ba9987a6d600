"""Sentences of the records in another language. Records are written in English; here they are said again when they are drawn.

words/sentences.LANG.yaml is a list of [English, other]; `{name}` stands for anything, and what it stands for is translated too.
A sentence without an entry stays as it is; a test walks the source so that none is forgotten.
"""

import re
from functools import cache
from importlib.resources import files

Rule = tuple[re.Pattern[str], str]
PLACE = re.compile(r"\{(\w+)\}")
BREAK = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\-'])")
"""Between two sentences."""
DEEPEST = 4
"""Fragments inside fragments that are looked into."""


def translated(text: str, lang: str) -> str:
    """`text` in language `lang`; sentence by sentence where the whole has no entry."""
    return text if lang == "en" or not text else _said(text, _rules(lang), 0)


def _said(text: str, rules: tuple[Rule, ...], depth: int) -> str:
    whole = _matched(text, rules, depth)
    if whole is not None:
        return whole
    pieces = BREAK.split(text)
    if len(pieces) < 2:
        return text
    return _joined(pieces, rules, depth)


def _joined(pieces: list[str], rules: tuple[Rule, ...], depth: int) -> str:
    """The longest runs of sentences that have an entry, then the rest as it is."""
    for length in range(len(pieces) - 1, 0, -1):
        head = _matched(" ".join(pieces[:length]), rules, depth)
        if head is not None:
            return head + _said(" ".join(pieces[length:]), rules, depth)
    return pieces[0] + " " + _said(" ".join(pieces[1:]), rules, depth)


def _matched(text: str, rules: tuple[Rule, ...], depth: int) -> str | None:
    for pattern, template in rules:
        found = pattern.fullmatch(text)
        if found:
            inner = {name: _fragment(value, rules, depth + 1) for name, value in found.groupdict().items()}
            return template.format(**inner)
    return None


def _fragment(text: str, rules: tuple[Rule, ...], depth: int) -> str:
    """What a place stands for: a fragment with an entry, a list whose items all have one, or anything else as it is."""
    if depth > DEEPEST:
        return text
    whole = _matched(text, rules, depth)
    if whole is not None:
        return whole
    items = [_matched(item, rules, depth) for item in text.split(", ")]
    known = [item for item in items if item is not None]
    return "、".join(known) if len(known) == len(items) > 1 else text


@cache
def _rules(lang: str) -> tuple[Rule, ...]:
    import yaml

    text = files("veridical.report").joinpath("words", f"sentences.{lang}.yaml").read_text(encoding="utf-8")
    pairs = sorted(yaml.safe_load(text), key=lambda pair: -len(PLACE.sub("", pair[0])))  # what says most is tried first
    return tuple((_pattern(english), other) for english, other in pairs)


def _pattern(english: str) -> re.Pattern[str]:
    parts = PLACE.split(english)
    return re.compile("".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.DOTALL)
