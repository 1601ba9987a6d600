"""Words that must not decide are dealt to the training rows anew, whatever their labels, so that they teach nothing.

What it measures: nothing; each declared word is taken out of every training text and put into as many texts as held it, drawn at
random, at places where it stood before.
Why it inflates a score: a word that goes with one label in train and test alike answers for the text.
How it errs: a word declared wrongly is made useless; a text without its word may read oddly; what goes along with the word (a
template, a source) stays.
Source: Ours; no source. It is the contract's transplant, done to the texts that are learned from.
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.cue import holds, inserted, places, without
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.train._contract import Countermeasure, Toy
from veridical.train.countermeasures._toys import planted_cue, worst_group


@dataclass(frozen=True)
class Params:
    """Settings of ignore_words."""

    words: str = ""
    """The words, joined by +; empty: off."""
    listed: tuple[str, ...] = ()
    """The same as a list, in the place of `words`: `veridical run` gives those that the contract declares."""


def rewritten(data: Dataset, rows: IntArray, params: Params, rng: np.random.Generator) -> Dataset:
    """The data set with the words dealt anew to `rows`."""
    words = list(params.listed) or [word.strip() for word in params.words.split("+") if word.strip()]
    there = [word for word in words if holds(data.inputs(rows), word).any()]
    if words and not there:
        raise InputError(f"ignore_words names {', '.join(words)}, which stand in no training row. Check their spelling.")
    for word in there:
        given = data.inputs(rows)
        held = holds(given, word)
        spots = places(given, word)
        dealt = rng.permutation(held)
        where = rng.integers(len(spots), size=len(rows))
        texts = [without(text, word) for text in given]
        data = data.with_inputs(rows, [_put(t, word, spots[w]) if d else t for t, d, w in zip(texts, dealt, where, strict=True)])
    return data


def _put(text: Text, word: str, spot: tuple[int, float]) -> Text:
    return inserted(text, word, part=spot[0], position=spot[1])


def toy() -> Toy:
    """A cue goes with the label in 95 of 100 train rows and in half of the test rows; it is declared not to decide."""
    return Toy(planted_cue(), worst_group, params=Params(words="odd+plain+w1+w2"))


countermeasure = Countermeasure(params=Params(), answers=("shortcut",), off=Params(words=""), toy=toy, rewritten=rewritten)
