"""Edits of a text that a reader would forgive, and a few that change what it says: one registry of pure functions.

`perturb(text, names, rng)` makes one of the named kinds of edit; `edited(text, name, rng)` makes a certain one. The same state of
the generator gives the same edit, and a stronger edit holds the weaker one drawn from the same state. An empty text stays as it
is, no text becomes empty, marks of entities stay whole, and of a pair both texts are edited. A kind of edit that finds no place
(a text without digits, another language) leaves the text unchanged.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from veridical.core.errors import SurroundingsError, UnknownName
from veridical.dataset.entity_marks import keeping_marks
from veridical.dataset.rows import Text
from veridical.probe.perturbations._characters import CHARACTERS
from veridical.probe.perturbations._language import language
from veridical.probe.perturbations._record import Perturbation, Place
from veridical.probe.perturbations._words import WORDS

PERTURBATIONS: dict[str, Perturbation] = {**CHARACTERS, **WORDS}
NAMES: tuple[str, ...] = tuple(PERTURBATIONS)
"""All kinds of edit."""
LABEL_CHANGING: tuple[str, ...] = tuple(name for name in NAMES if not PERTURBATIONS[name].keeps_label)
"""Those that are made to change what a text says; a model is expected to notice."""
STRENGTH = 0.1
"""Share of the places where an edit could happen (words, mostly) at which it does, 0..1; at least one. Ours; no source."""
LANGUAGE_SHARE = 0.1
"""Share of the texts that must be in a language for its edits to be looked at, 0..1. Ours; no source."""

__all__ = [
    "LABEL_CHANGING", "NAMES", "PERTURBATIONS", "STRENGTH", "Perturbation", "Place", "edited", "language", "missing", "named",
    "perturb", "usable", "with_rewrites",
]  # fmt: skip


def named(name: str) -> Perturbation:
    """Raises UnknownName with the nearest one."""
    if name not in PERTURBATIONS:
        raise UnknownName("perturbation", name, NAMES)
    return PERTURBATIONS[name]


def missing(name: str, texts: Sequence[Text]) -> str | None:
    """What is not installed for this kind of edit on these texts, and how to get it; None where nothing is missing. Only
    languages of a tenth of the texts or more count."""
    kind = named(name)
    return next((said for one in sorted(_spoken(texts)) if (said := kind.missing(one))), None)


def usable(texts: Sequence[Text]) -> tuple[str, ...]:
    """The kinds of edit that should keep the label, are for a language of these texts, and lack nothing."""
    spoken = _spoken(texts)
    kept = [name for name in NAMES if PERTURBATIONS[name].keeps_label and missing(name, texts) is None]
    return tuple(name for name in kept if not PERTURBATIONS[name].languages or spoken & set(PERTURBATIONS[name].languages))


def _spoken(texts: Sequence[Text]) -> set[str]:
    found = Counter(language(part) for text in texts for part in ([text] if isinstance(text, str) else text))
    return {one for one, n in found.items() if n >= LANGUAGE_SHARE * found.total()}


def perturb(text: Text, names: Sequence[str], rng: np.random.Generator, *, strength: float = STRENGTH) -> Text:
    """The text with one of the named kinds of edit, drawn evenly from those that find a place in it; unchanged where none does.

    Raises UnknownName for a name that is not in NAMES, SurroundingsError where none of the named kinds can be had for this text
    because of what is not installed (`missing` says so for many texts beforehand).
    """
    lacking = [missing(name, [text]) for name in names]
    if lacking and all(lacking):
        raise SurroundingsError(str(lacking[0]))
    state = int(rng.integers(2**63))
    for name in rng.permutation(list(names)).tolist():
        # Every kind starts from the same state, so that an edit does not depend on how many kinds failed before.
        changed = edited(text, name, np.random.default_rng(state), strength=strength)
        if changed != text:
            return changed
    return text


def edited(text: Text, name: str, rng: np.random.Generator, *, strength: float = STRENGTH) -> Text:
    """The text with this kind of edit at a share `strength` (0..1) of its places, at least one; unchanged where none fits
    or where `missing` says what is not installed."""
    if not 0 < strength <= 1:
        raise ValueError(f"strength must lie in (0, 1], got {strength}")
    kind = named(name)
    if isinstance(text, str):
        return keeping_marks(text, lambda part: _edited(part, kind, rng, strength))
    return _edited(text[0], kind, rng, strength), _edited(text[1], kind, rng, strength)


def _edited(text: str, kind: Perturbation, rng: np.random.Generator, strength: float) -> str:
    if not text.strip():
        return text
    if kind.languages:
        spoken = language(text)
        if spoken not in kind.languages or kind.missing(spoken) is not None:
            return text
    places = kind.places(text)
    order, draws = rng.permutation(len(places)), rng.random(len(places))
    wanted = max(1, round(strength * len(places)))
    written: dict[Place, str] = {}
    for at in order.tolist():
        if len(written) == wanted:
            break
        if options := kind.rewrites(text, places[at]):
            written[places[at]] = options[int(draws[at] * len(options))]
    return with_rewrites(text, written)


def with_rewrites(text: str, written: Mapping[Place, str]) -> str:
    """The text with other words at some of its places; as it was where nothing would be left of it."""
    after = text
    for (start, end), word in sorted(written.items(), reverse=True):
        after = after[:start] + word + after[end:]
    return after if after.strip() else text
