"""Every token is to be said from those before it (causal language modelling).

What is asked: each token of a document but its opening one, and the end of the document.
What it is good for: models that write; its perplexity is that of the text, and bits per character compare over tokenizers.
How it errs: a token never sees what follows, so as an encoder it reads the first words of a text alone.
With mlm (`mlm+clm`) one encoder learns both, step by step in turn, by the mask alone, as UniLM; GPT-BERT moves the answers of mlm
one place to the left so that both read alike, which is not done here: the model stays one that others open as a BERT.
Source: Radford et al. 2018 (GPT); Dong et al. 2019, arXiv:1905.03197 (UniLM); Charpentier and Samuel 2024, arXiv:2410.24159.
"""

from dataclasses import dataclass

import numpy as np

from veridical.train._objectives import Asked, Objective
from veridical.train.packing import Shown, Special


@dataclass(frozen=True)
class Params:
    """Settings of clm: there are none."""


def ask(shown: Shown, _params: Params, _special: Special, _rng: np.random.Generator) -> tuple[Shown, Asked]:
    """The next token of every token that has one in its segment."""
    segment = shown.segment
    follows = (segment[:, :-1] == segment[:, 1:]) & (segment[:, :-1] > 0)
    row, column = np.nonzero(follows)
    return shown, Asked(row, column, shown.ids[row, column + 1], shown.owner[row, column])


objective = Objective(Params(), "packed", "left", "tokens", ask, trunk="decoder", counts_all=True)
