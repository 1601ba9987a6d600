"""The language of a text as far as an edit needs it: Chinese by script, English by its commonest words."""

from functools import cache, lru_cache

from veridical.dataset.normalisation import is_cjk
from veridical.probe.perturbations._tables import table

ENGLISH_SHARE = 0.1
"""Share of common English words from which a text in Latin letters counts as English, 0..1. Ours: prose has 0.3 to 0.5."""
SHORT = 6
"""Words up to which a text of ASCII letters counts as English without any of them. Ours; no source."""

REMEMBERED = 10_000
"""Texts whose language is kept: each is asked about once for every kind of edit. Ours; no source."""


@cache
def _common() -> frozenset[str]:
    return frozenset(table("perturbations.yaml")["english_words"])


@lru_cache(maxsize=REMEMBERED)
def language(text: str) -> str:
    """zh (also other texts in Chinese characters), en, or "" for none of these."""
    if is_cjk(text):
        return "zh"
    units = text.casefold().split()
    common = sum(unit.strip(".,!?;:\"'()") in _common() for unit in units)
    if units and common >= ENGLISH_SHARE * len(units):
        return "en"
    return "en" if text.isascii() and 0 < len(units) <= SHORT else ""
