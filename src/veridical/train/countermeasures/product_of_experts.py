"""The model learns what a model that cheats has not already answered (product of experts).

What it measures: how sure a cheat is of every train row's label, from one word, from part of the input, or from words alone.
Why it inflates a score: where a cheat is right, a model can answer as the cheat does and never learn the task.
How it errs: where the cheat's evidence is also the right evidence, the model learns too little of it, and its answers lose
calibration; a cheat that knows too little changes nothing.
Source: Clark et al. 2019, arXiv:1909.03683 (bias product); He et al. 2019, arXiv:1908.10763.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp

from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.floors import one_word, opening, presence
from veridical.models.model import FloatArray
from veridical.models.word_bayes import fit_word_bayes
from veridical.train._contract import Countermeasure, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import cue_that_misleads

FOLDS = 5
"""Parts of the train rows, each answered by a cheat that learned from the others. Ours; no source."""
CHEATS = ("one_word", "partial_input", "bag_of_words")


@dataclass(frozen=True)
class Params:
    """Settings of product_of_experts."""

    weight: float = field(default=1.0, metadata=between(0))
    """Factor on the cheat's log-probabilities, >= 0; 0 is off. Clark et al. 2019 use 1."""
    cheat: Literal["one_word", "partial_input", "bag_of_words"] = "one_word"
    """What the cheat reads: whether the word that helps most is there; the second text of a pair, or the first words; which
    words are there. The floors of the report say how far each gets."""
    told: FloatArray | None = field(default=None, repr=False, compare=False)
    """Log-probabilities (N, C) of the cheat for every row; None: from a cheat trained first."""


def study(seen: Study, params: Params) -> Params:
    """Train the cheat on parts of the train rows and ask it about the others."""
    if params.cheat not in CHEATS:
        raise InputError(f"cheat of product_of_experts = {params.cheat!r} is unknown. Use one of: {', '.join(CHEATS)}.")
    if not params.weight or params.told is not None:
        return params
    held = _held(seen.data, params.cheat)
    told = np.zeros((len(seen.data), len(seen.data.labels)))
    fold = stream(seen.seed, "product_of_experts").integers(FOLDS, size=len(seen.train))
    for number in range(FOLDS):
        learned, asked = seen.train[fold != number], seen.train[fold == number]
        if len(learned) and len(asked):
            codes = seen.data.codes[learned]
            told[asked] = _answers(held[learned], codes, held[asked], cheat=params.cheat, n_classes=told.shape[1])
    return replace(params, told=told)


def _held(data: Dataset, cheat: str) -> sp.csr_matrix:
    inputs = data.inputs()
    return presence(opening(inputs) if cheat == "partial_input" else inputs)


def _answers(learned: sp.csr_matrix, codes: IntArray, asked: sp.csr_matrix, *, cheat: str, n_classes: int) -> FloatArray:
    """Log-probabilities (n, C) of the cheat."""
    if cheat != "one_word":
        model = fit_word_bayes(learned, codes, n_classes=n_classes)
        return np.asarray(np.log(np.maximum(model.predict_features(asked), 1e-12)))
    table = np.ones((n_classes, n_classes))  # what the rule says x the label, each pair as if seen once
    np.add.at(table, (one_word(learned, codes, learned, n_classes=n_classes), codes), 1)
    said = one_word(learned, codes, asked, n_classes=n_classes)
    return np.asarray(np.log(table / table.sum(axis=1, keepdims=True))[said])


def offsets(rows: IntArray, params: Params) -> FloatArray | None:
    """The cheat's log-probabilities (B, C) times their factor; none for a row that only fills a piece."""
    if params.told is None:
        return None
    return np.asarray(params.weight * params.told[rows] * (rows >= 0)[:, None])


countermeasure = Countermeasure(
    params=Params(), answers=("shortcut",), off=Params(weight=0.0), toy=cue_that_misleads, study=study, offsets=offsets
)
