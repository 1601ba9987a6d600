"""Edits of an input that leave its right answer where it is: the number of words, the words of an answer, an answer's place.

Tokens of a tagged text keep their number, and those of an entity are edited only by slips that leave the word the word it is
(typing, scanning, case). In a text with an answer, edits keep off the answers; the question is edited like any text.
"""

import json
from collections.abc import Sequence

import numpy as np

from veridical.dataset.rows import Text
from veridical.probe import perturbations
from veridical.probe.perturbations import STRENGTH, Place, language, named, with_rewrites
from veridical.tasks._tags import OUTSIDE

INSIDE_ENTITIES = ("keyboard", "ocr", "homoglyphs", "case")
"""Kinds of edit that may touch the words of an entity: a reader still reads the same name."""


def edited_by_one(head: str, text: Text, gold: str, kinds: Sequence[str], rng: np.random.Generator) -> Text:
    """The input with one of these kinds of edit, drawn evenly from those that find a place in it; unchanged where none does."""
    state = int(rng.integers(2**63))
    for kind in rng.permutation(list(kinds)).tolist():
        changed = edited(head, text, gold, kind, np.random.default_rng(state), strength=STRENGTH)
        if changed != text:
            return changed
    return text


def edited(head: str, text: Text, gold: str, kind: str, rng: np.random.Generator, *, strength: float) -> Text:
    """The input with this kind of edit at a share of its places; unchanged where none fits. head: as in `Structure`."""
    if head == "labels":
        return perturbations.edited(text, kind, rng, strength=strength)
    if isinstance(text, tuple):
        kept = _answers_at(text[0], gold)
        asked = perturbations.edited(text[1], kind, rng, strength=strength)
        return _apart(text[0], kept, kind, rng, strength=strength), str(asked)
    kept = [] if kind in INSIDE_ENTITIES else _entities_at(text, gold)
    return _apart(text, kept, kind, rng, strength=strength, same_words=True)


def _answers_at(text: str, gold: str) -> list[Place]:
    """Every place at which a right answer stands."""
    found = []
    for answer, _ in json.loads(gold):
        at = text.find(answer) if answer else -1
        while at >= 0:
            found.append((at, at + len(answer)))
            at = text.find(answer, at + 1)
    return found


def _entities_at(text: str, gold: str) -> list[Place]:
    found, start = [], 0
    for word, tag in zip(text.split(" "), gold.split(" "), strict=True):
        if tag != OUTSIDE:
            found.append((start, start + len(word)))
        start += len(word) + 1
    return found


def _apart(
    text: str, kept: list[Place], kind: str, rng: np.random.Generator, *, strength: float, same_words: bool = False
) -> str:
    """As `perturbations.edited`, off the places `kept`, and with as many words as before where that is asked for."""
    made, spoken = named(kind), language(text)
    if not text.strip() or (made.languages and (spoken not in made.languages or made.missing(spoken) is not None)):
        return text
    places = made.places(text)
    order, draws = rng.permutation(len(places)), rng.random(len(places))
    wanted = max(1, round(strength * len(places)))
    written: dict[Place, str] = {}
    for at in order.tolist():
        start, end = places[at]
        if len(written) == wanted:
            break
        if any(start <= stop and end >= begin for begin, stop in kept):  # nor what stands right beside it
            continue
        options = made.rewrites(text, places[at])
        if same_words:
            options = [word for word in options if _as_many(text, places[at], word)]
        if options:
            written[places[at]] = options[int(draws[at] * len(options))]
    after = with_rewrites(text, written)
    return text if same_words and _words(after) != _words(text) else after


def _as_many(text: str, place: Place, word: str) -> bool:
    return _words(with_rewrites(text, {place: word})) == _words(text)


def _words(text: str) -> int:
    """Words, 0 where one of them would be empty."""
    found = text.split(" ")
    return len(found) if all(found) else 0
