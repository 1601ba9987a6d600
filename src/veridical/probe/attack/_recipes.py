"""Recipes: what goal, which words, which rewrites, under what constraints, in what order.

deepwordbug (Gao et al. 2018, arXiv:1801.04354). Paper: words ranked by the combined head-and-tail score, one of four character
edits chosen beforehand, no question asked while editing, edit distance up to 30. Its code divides that score by two, which leaves
the order. TextAttack's recipe: words ranked by replacing each with [UNK], the best of all four edits, stop at success, no stop
word, no word twice, edit distance up to 30. Ours follows TextAttack's; `deepwordbug_paper` ranks as the paper does. One random
edit of each of the four kinds is drawn for each word before the search starts.

pwws (Ren et al. 2019, ACL P19-1103). Paper: words ranked by softmax(saliency) x gain of the best WordNet synonym; the best
synonym of each word is fixed on the original text and put in whether or not it helps there; entities become other entities.
TextAttack's recipe: no entities; words ranked by softmax(saliency) x score of the best synonym, not its gain; at each word all
synonyms are asked again and only a gain is kept. Ours is the paper's search without entities; synonyms are those of the installed
thesaurus (WordNet or MyThes) or of our Chinese list, without a tagger for parts of speech and without stop words.
`pwws_asking_again` ranks and keeps as TextAttack does; benchmarks/speed/attack_side_by_side.py compares the two.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from rapidfuzz.distance import Levenshtein

from veridical.core.errors import UnknownName
from veridical.dataset.rows import Text
from veridical.probe import perturbations
from veridical.probe.attack._record import Constraint, Goal, Recipe, Transformation, parts_of
from veridical.probe.attack._searches import (
    UNKNOWN,
    beam,
    by_gains,
    greedy,
    head_and_tail,
    left_out,
    saliency_order,
    weighted_saliency,
)
from veridical.probe.perturbations import PERTURBATIONS, Place
from veridical.probe.perturbations._characters import words_at
from veridical.probe.perturbations._tables import table

MOST_EDITS = 30
"""Characters an attack may change in a text (Levenshtein). Gao et al. 2018 use 30."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
BEAM_WIDTH = 4
"""Texts that a beam goes on with. Ours; no source."""
BEAM_DEPTH = 4
"""Words that a beam changes at most. Ours; no source."""

UNTARGETED = Goal(
    score=lambda probabilities, label: 1.0 - probabilities[:, label],
    reached=lambda probabilities, label: probabilities.argmax(axis=1) != label,
)
"""Any class but the right one."""


@cache
def _stop_words() -> frozenset[str]:
    return frozenset(word for words in table("attack.yaml")["stop_words"].values() for word in words)


NO_STOP_WORDS = Constraint(before=lambda text, place: text[slice(*place)].casefold().replace("’", "'") not in _stop_words())


def _edit_distance(original: Text, changed: Text) -> bool:
    return sum(map(Levenshtein.distance, parts_of(original), parts_of(changed))) <= MOST_EDITS


FEW_EDITS = Constraint(after=_edit_distance)


def _slips(text: str, place: Place, rng: np.random.Generator) -> Sequence[str]:
    """One random swap of neighbours, substitution, deletion and insertion (TextAttack's four classes, each with one draw)."""
    word = text[slice(*place)]
    at, here, there = rng.integers(0, [max(len(word) - 1, 1), len(word), len(word)])
    new, put = (LETTERS[i] for i in rng.integers(0, len(LETTERS), 2))
    written = [
        word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
        word[:here] + new + word[here + 1 :],
        word[:there] + word[there + 1 :],
        word[:here] + put + word[here:],
    ]
    return [one for one in dict.fromkeys(written) if one and one != word]


SLIPS = Transformation(words_at, _slips)
SYNONYMS = Transformation(
    PERTURBATIONS["synonyms"].places, lambda text, place, _: PERTURBATIONS["synonyms"].rewrites(text, place)
)


def _chinese_places(text: str) -> list[Place]:
    return sorted({place for kind in CONFUSED for place in kind.places(text)})


def _chinese_characters(text: str, place: Place, rng: np.random.Generator) -> Sequence[str]:
    character = text[slice(*place)]
    found = [one for kind in CONFUSED if kind.places(character) for one in kind.rewrites(character, (0, 1))]
    return list(dict.fromkeys(found))


CONFUSED = (PERTURBATIONS["lookalikes_zh"], PERTURBATIONS["homophones_zh"])
CHARACTERS_ZH = Transformation(_chinese_places, _chinese_characters)


def _no_synonyms(texts: Sequence[Text]) -> str | None:
    return perturbations.missing("synonyms", texts)


PWWS = Recipe(
    "Synonyms, words in the order of saliency times gain.", UNTARGETED, SYNONYMS, (NO_STOP_WORDS,),
    greedy(weighted_saliency, keep_worse=True), _no_synonyms,
)  # fmt: skip
BUG = Recipe("One slip a word, the best of four.", UNTARGETED, SLIPS, (NO_STOP_WORDS, FEW_EDITS), greedy(left_out(UNKNOWN)))

RECIPES: dict[str, Recipe] = {
    "deepwordbug": BUG,
    "deepwordbug_paper": replace(BUG, search=greedy(head_and_tail)),
    "pwws": PWWS,
    "pwws_asking_again": replace(PWWS, search=greedy(saliency_order)),
    "characters_zh": Recipe(
        "Chinese characters of the same shape or sound.", UNTARGETED, CHARACTERS_ZH, (NO_STOP_WORDS,), greedy(left_out(""))
    ),
    "beam": replace(
        BUG, about="Slips; the few best texts go on, so that few words change.", search=beam(BEAM_WIDTH, depth=BEAM_DEPTH)
    ),
    "hotflip": replace(
        BUG, about="Slips, in the order in which gradients foresee their effect.", search=greedy(by_gains), needs_gradients=True
    ),
}
"""Recipes by name."""


def recipes_named(names: Iterable[str]) -> tuple[str, ...]:
    """These names, each once, in the order of RECIPES. Raises UnknownName."""
    wanted = list(names)
    for name in wanted:
        if name not in RECIPES:
            raise UnknownName("recipe of attack", name, sorted(RECIPES), "See docs/guide/changed-texts.md")
    return tuple(name for name in RECIPES if name in wanted)
