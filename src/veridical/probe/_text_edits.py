"""Cuts, shuffles and masks of a text that keep its kind: words between blanks, or Chinese words run together."""

from collections.abc import Callable, Sequence

import numpy as np

from veridical.dataset.entity_marks import around
from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import Text
from veridical.dataset.words import words


def pieces(text: str) -> tuple[list[str], str]:
    """The units of a text in order, and what stands between them; an entity with its marks is one unit."""
    units: list[str] = []
    for part, entity in around(text):
        units += [part] if entity else words(part) if is_cjk(text) else part.split()
    return units, "" if is_cjk(text) else " "


def each(text: Text, edit: Callable[[str], str]) -> Text:
    """The edit made to the text, or to both texts of a pair."""
    return edit(text) if isinstance(text, str) else (edit(text[0]), edit(text[1]))


def opening(text: Text, n: int) -> Text:
    """The first n units."""

    def cut(part: str) -> str:
        units, between = pieces(part)
        return between.join(units[:n])

    return each(text, cut)


def shuffled(text: Text, n: int, rng: np.random.Generator) -> Text:
    """The units in random order, runs of n kept together."""

    def mix(part: str) -> str:
        units, between = pieces(part)
        runs = [units[start : start + n] for start in range(0, len(units), n)]
        return between.join(unit for at in rng.permutation(len(runs)) for unit in runs[at])

    return each(text, mix)


def masked(text: Text, neutral: Sequence[str], rng: np.random.Generator) -> Text:
    """As many units as before, each a neutral word."""

    def mask(part: str) -> str:
        units, between = pieces(part)
        return between.join(rng.choice(list(neutral), len(units)).tolist()) if units else ""

    return each(text, mask)
