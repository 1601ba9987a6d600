"""Words that a model reads as other words. Kept beside the model and applied to every text before anything else reads it, so that
whoever asks the model, an attack too, asks it through them.

A word is a run of letters that are not Han and touch no digit; numbers, names with digits, contractions (it's), and whatever
stands in square brackets without a space ([UNK]) are read as they are.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.dataset.rows import Text

FILE = "normalisers.json"
_LETTER = r"[[\p{L}\p{M}]--\p{Han}]"
_WORD = regex.compile(
    rf"\[[^\]\s]+\](*SKIP)(*FAIL)|(?<!{_LETTER}|\p{{N}}|{_LETTER}['’]){_LETTER}++(?!\p{{N}}|['’]{_LETTER})", regex.V1
)
ENDS = ("\x02", "\x03")
"""What stands before a word and after it."""
REMEMBERED = 1 << 18
"""Words whose reading is kept. Ours; no source."""


@dataclass(frozen=True, eq=False)
class LexicalNormaliser:
    """instead: word -> the word read in its place. known: words read as they are, likeliest first; any other is read as the
    likeliest known word that is one slip away (a letter lost, added, replaced, or swapped with its neighbour), if there is one;
    empty: every word is known. All case folded. shortest: letters that a word must have to be taken for a slip."""

    instead: Mapping[str, str] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    shortest: int = 3

    def read(self, text: Text) -> Text:
        """The text as the model gets it; of a pair, both."""
        if isinstance(text, str):
            return self._text(text)
        return self._text(text[0]), self._text(text[1])

    def _text(self, text: str) -> str:
        return str(_WORD.sub(lambda found: self._word(found.group()), text))

    @cached_property
    def _word(self) -> Callable[[str], str]:
        return lru_cache(REMEMBERED)(self._looked_up)

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {word: place for place, word in reversed(list(enumerate(self.known)))}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.known), default=0)

    @cached_property
    def _beside(self) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Letters that stand after each letter in known words, and before it."""
        after: dict[str, set[str]] = {}
        before: dict[str, set[str]] = {}
        for word in self.known:
            marked = f"{ENDS[0]}{word}{ENDS[1]}"
            for first, second in pairwise(marked):
                after.setdefault(first, set()).add(second)
                before.setdefault(second, set()).add(first)
        return after, before

    def __getstate__(self) -> dict[str, Any]:
        """What it was made of, without what it remembers of words read so far."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def _looked_up(self, word: str) -> str:
        folded = word.casefold()
        meant = self.instead.get(folded)
        if meant is None and folded not in self._rank and self.shortest <= len(folded) <= self._longest + 1:
            near = {slip for slip in self._slips(folded) if slip in self._rank}
            meant = min(near, key=self._rank.__getitem__, default=None)
        return word if meant is None else _cased(meant, like=word)

    def _slips(self, word: str) -> Iterator[str]:
        """Everything one slip away that could be a known word: letters are put only where known words have them side by side."""
        after, before = self._beside
        marked = f"{ENDS[0]}{word}{ENDS[1]}"
        for at in range(1, len(marked)):
            head, tail = marked[1:at], marked[at:-1]
            left = after.get(marked[at - 1], set())
            yield from (head + letter + tail for letter in left & before.get(marked[at], set()))
            if tail:
                yield head + tail[1:]
                yield from (head + letter + tail[1:] for letter in left & before.get(marked[at + 1], set()))
            if len(tail) > 1:
                yield head + tail[1] + tail[0] + tail[2:]


def _cased(word: str, *, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word


def read_through(texts: Sequence[Text], normalisers: Sequence[LexicalNormaliser]) -> list[Text]:
    """The texts as one normaliser after the other has them read."""
    read = list(texts)
    for normaliser in normalisers:
        read = [normaliser.read(text) for text in read]
    return read


def words_of(texts: Sequence[Text]) -> Iterator[str]:
    """The words of the texts, case folded, as often as they occur."""
    for text in texts:
        for part in (text,) if isinstance(text, str) else text:
            yield from (found.casefold() for found in _WORD.findall(part))


def save_normalisers(folder: Path, normalisers: Sequence[LexicalNormaliser]) -> dict[str, Any]:
    """What model.json says of them, nothing where there are none; they stand in a file of their own."""
    if not normalisers:
        return {}
    write_json(folder / FILE, [{"instead": dict(n.instead), "known": list(n.known), "shortest": n.shortest} for n in normalisers])
    return {"normalisers": len(normalisers)}


def load_normalisers(folder: Path, about: Mapping[str, Any]) -> tuple[LexicalNormaliser, ...]:
    """Those that model.json (`about`) speaks of. Raises InputError where they are not there."""
    wanted = about.get("normalisers", 0)
    if not wanted:
        return ()
    try:
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = tuple(LexicalNormaliser(dict(one["instead"]), tuple(one["known"]), int(one["shortest"])) for one in stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / FILE}, which its model reads every text through, cannot be read. Copy the whole folder."
        ) from error
    if len(found) != wanted:
        raise InputError(f"{folder / FILE} holds {len(found)} normalisers and its model.json names {wanted}. Train it again.")
    return found
