"""Some words are hidden, and the model says what they were, from both sides (masked language modelling).

What is asked: of a drawn share of the words every token; four in five are replaced by the mask, one in ten by another entry drawn
at random, one in ten stands as it is.
What it is good for: encoders that are tuned to classify, tag and find.
How it errs: the masks are never seen afterwards; its perplexity is of single tokens given all others, no probability of a text,
and cannot be held against that of a causal model.
Source: Devlin et al. 2019, arXiv:1810.04805; whole words as in the notes to their released code (google-research/bert).
"""

from dataclasses import dataclass

import numpy as np

from veridical.train._objectives import Asked, Objective, check
from veridical.train.packing import Shown, Special


@dataclass(frozen=True)
class Params:
    """Settings of mlm."""

    share: float = 0.15
    """Share of the words that are asked for, 0..1. Devlin et al. 2019."""
    masked: float = 0.8
    """Of their tokens, the share replaced by the mask, 0..1. Devlin et al. 2019, section 3.1."""
    random: float = 0.1
    """The share replaced by an entry drawn at random, 0..1; the rest stay. Devlin et al. 2019, section 3.1."""
    whole_words: bool = True
    """Whether all tokens of a word are asked for together; Chinese words are those of jieba. Else tokens are drawn."""

    def __post_init__(self) -> None:
        check("share", self.share, 0.01, 0.99)
        check("masked", self.masked, 0.0, 1.0)
        check("random", self.random, 0.0, 1.0 - self.masked)


def ask(shown: Shown, params: Params, special: Special, rng: np.random.Generator) -> tuple[Shown, Asked]:
    """Hide words of the batch."""
    assert special.mask is not None
    real = shown.words >= 0
    if params.whole_words:
        # One draw a word: words are numbered within rows.
        draws = rng.random((len(shown.ids), int(shown.words.max(initial=0)) + 1))
        chance = draws[np.arange(len(shown.ids))[:, None], np.maximum(shown.words, 0)]
    else:
        chance = rng.random(shown.ids.shape)
    asked = real & (chance < params.share)
    if not asked.any() and real.any():  # a batch always asks something
        asked = real & (chance == chance[real].min())
    row, column = np.nonzero(asked)
    fate = rng.random(len(row))
    entries = special.ordinary[rng.integers(0, len(special.ordinary), len(row))]
    own = shown.ids[row, column]
    ids = shown.ids.copy()
    ids[row, column] = np.where(fate < params.masked, special.mask, np.where(fate < params.masked + params.random, entries, own))
    return shown.with_ids(ids), Asked(row, column, own, shown.owner[row, column])


objective = Objective(Params(), "packed", "both", "tokens", ask, joins=("clm", "nsp"), needs_mask=True, draws=3)
