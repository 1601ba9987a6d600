"""Two passages stand side by side, and the model says whether the second follows the first (next sentence prediction).

What is asked: one yes or no a pair; half of the pairs are of one document, half take their second passage from another.
What it is good for: pairs of texts, where little else tells that they belong together.
How it errs: passages of different documents differ in subject, so that words in common decide it without any sense of order; Liu
et al. 2019 (RoBERTa, arXiv:1907.11692) found downstream scores no worse without it. Documents of one sentence give no pair.
Source: Devlin et al. 2019, arXiv:1810.04805, section 3.1.
"""

from dataclasses import dataclass

import numpy as np

from veridical.train._objectives import Asked, Objective
from veridical.train.packing import Shown, Special


@dataclass(frozen=True)
class Params:
    """Settings of nsp: there are none; half of the pairs follow."""


def ask(shown: Shown, _params: Params, _special: Special, _rng: np.random.Generator) -> tuple[Shown, Asked]:
    """One answer a row, read at its first token. Code 0: it follows, as in transformers' BertForNextSentencePrediction."""
    rows = np.arange(len(shown.ids))
    return shown, Asked(rows, np.zeros_like(rows), 1 - shown.follows, shown.owner[:, 0])


objective = Objective(Params(), "pairs", "both", "pair", ask)
