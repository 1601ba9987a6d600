"""Words that the model does not know are read as the known word that one slip of the keys leads to.

What it measures: nothing; known are the words of the training rows and those that the tokenizer has whole. The reading stays with
the model, which is trained and asked through it.
Why it inflates a score: test rows are written as carefully as train rows; a slip breaks a word into pieces that say nothing, and
attacks that search for slips turn half of the answers or more.
How it errs: a slip that makes another known word is not seen; a rare name, a new word or one of another language that is one
letter off a known word is read as that word; two slips in a word stay; of Han characters it reads none.
Source: Pruthi, Dhingra and Lipton 2019, arXiv:1905.11268 (recognising words before classifying). Their recogniser is a network
with a fallback; ours is a list with the edits of Damerau 1964, DOI 10.1145/363958.363994, likeliest word first.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from veridical.core.randomness import stream
from veridical.dataset.rows import Text
from veridical.models.lexical_normalisation import LexicalNormaliser, words_of
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import slipped_words, wrong_on_test


@dataclass(frozen=True)
class Params:
    """Settings of spelling."""

    least: int = field(default=2, metadata=between(0))
    """Times that a word must stand in the training rows to be known, >= 1; once may be a slip itself. 0 is off. Ours."""
    shortest: int = field(default=3, metadata=between(2))
    """Letters that a word must have to be read as another, >= 2. Ours; no source."""
    shortest_alone: int = field(default=5, metadata=between(2))
    """The same where no tokenizer has the words of the language (model linear), so that a word that train lacks may well be
    right. Ours: 3 letters cost some of the score as it is in a trial, 5 nothing (docs/log.md)."""
    covered: float = field(default=0.5, metadata=between(0, 1))
    """Share of the common words of the training rows, 0..1, from which a tokenizer counts as having the language's. Ours."""


def normaliser(texts: Sequence[Text], vocabulary: Sequence[str], params: Params) -> LexicalNormaliser | None:
    """The known words, commonest in the training rows first, then in the order of the tokenizer's vocabulary."""
    if not params.least:
        return None
    counted = Counter(words_of(texts))
    common = [word for word, n in sorted(counted.items(), key=lambda item: (-item[1], item[0])) if n >= params.least]
    whole = set(vocabulary)
    covers = bool(whole) and sum(word in whole for word in common) >= params.covered * len(common)
    shortest = params.shortest if covers else params.shortest_alone
    return LexicalNormaliser(known=tuple(dict.fromkeys([*common, *vocabulary])), shortest=shortest)


def toy() -> Toy:
    """A long word always says the label, a short one beside it in eight of ten; in test rows the long word has a slip, which the
    word list does not know."""
    return Toy(slipped_words(stream(0, "spelling")), wrong_on_test)


countermeasure = Countermeasure(params=Params(), answers=("fragility",), off=Params(least=0), toy=toy, normaliser=normaliser)
