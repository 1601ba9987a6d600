"""Words that are rare in the training rows are read as their commonest synonym there.

What it measures: nothing; of a word that stands in few training rows, the synonym that stands in most. The reading stays with the
model, which is trained and asked through it.
Why it inflates a score: test rows use the words of train rows; a rarer word of the same meaning, which an attack searches for, is
one the model has hardly learned.
How it errs: synonyms of another sense are taken too, so some rare words are read wrongly and a little of the score is lost; two
common synonyms stay apart; English alone, by the thesaurus installed.
Source: Wang et al. 2021, UAI (synonym encoding), which gives all words a code. Ours leaves common words as they are, since coding
them cost more of the score in a trial (docs/log.md); what this one costs stands below.
What it wins back is measured on synonyms of the same thesaurus; those of another it may not know.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from veridical.core.randomness import stream
from veridical.dataset import thesaurus
from veridical.dataset.rows import Text
from veridical.models.lexical_normalisation import LexicalNormaliser, words_of
from veridical.train._contract import Countermeasure, Toy
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import slipped_words, wrong_on_test


@dataclass(frozen=True)
class Params:
    """Settings of common_synonyms."""

    rare: int = field(default=3, metadata=between(0))
    """Times in the training rows below which a word is read as a synonym that stands there as often or more; 0 is off. Ours: of
    2, 3, 5 and 10 it left most of the score under synonym attack, not told apart from 2 and 5 (one seed)."""
    shortest: int = field(default=3, metadata=between(1))
    """Letters that both words must have, >= 1: of single letters and abbreviations the thesaurus knows units and states. Ours."""
    groups: tuple[tuple[str, ...], ...] = ()
    """Words that mean the same, in the place of the installed thesaurus."""


def lacking(params: Params) -> str | None:
    """Off, and with groups, it needs no thesaurus."""
    return None if params.groups or not params.rare else thesaurus.missing()


def normaliser(texts: Sequence[Text], _vocabulary: Sequence[str], params: Params) -> LexicalNormaliser | None:
    """Every rare word that has a common synonym, with it; of equally common ones the first in the order of its senses."""
    if not params.rare:
        return None
    counted, instead = Counter(words_of(texts)), {}
    for word, others in (_of_groups(params.groups) if params.groups else thesaurus.entries()).items():
        common = [other for other in others if counted[other] >= params.rare and len(other) >= params.shortest]
        if counted[word] < params.rare and len(word) >= params.shortest and common:
            instead[word] = max(common, key=counted.__getitem__)
    return LexicalNormaliser(instead=instead)


def _of_groups(groups: Sequence[Sequence[str]]) -> Mapping[str, Sequence[str]]:
    """Each word with the others of all its groups."""
    found: dict[str, list[str]] = {}
    for group in groups:
        for word in group:
            found.setdefault(word, []).extend(other for other in group if other != word)
    return found


def surroundings(params: Params) -> str:
    """The thesaurus that decides which words are read as which; nothing where none is used."""
    return "" if params.groups or not params.rare else thesaurus.fingerprint()


def toy() -> Toy:
    """A word always says the label, another beside it in eight of ten; test rows name the first otherwise, which the word list
    does not know."""
    data, groups = (
        slipped_words(stream(0, "synonyms"), good="splendid", plain="simple"),
        (("good", "splendid"), ("plain", "simple")),
    )
    return Toy(data, wrong_on_test, params=Params(groups=groups))


countermeasure = Countermeasure(
    params=Params(), off=Params(rare=0), toy=toy, lacking=lacking, surroundings=surroundings, normaliser=normaliser
)
