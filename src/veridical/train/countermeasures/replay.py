"""Rows of an earlier data set are learned beside the new ones (replay).

What it measures: nothing; with a chance of `share`, a row brings along one row of the earlier set, and its loss is added.
Why it inflates a score: a model forgets earlier rows while it learns new ones, and a test set of new rows does not show it.
How it errs: it needs the earlier rows and the same labels; where the two sets disagree on a label, both lose.
Source: Rolnick et al. 2019, arXiv:1811.11682, the replay of kept examples alone; drawing them by chance for each row is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.train._contract import Countermeasure, Pass, Study, Toy
from veridical.train._knobs import a_file, between
from veridical.train.countermeasures._rows_of_file import labelled, rows_of
from veridical.train.countermeasures._toys import FILLERS, N_TEST, N_TRAIN, as_data, loss_on_test


@dataclass(frozen=True)
class Params:
    """Settings of replay."""

    file: str = field(default="", metadata=a_file())
    """File with the earlier rows, of the same labels; it must be named."""
    share: float = field(default=0.5, metadata=between(0, 1))
    """Chance that a row brings an earlier one along, 0..1; 0 is off. Ours; no source."""
    rows: tuple[tuple[Text, str], ...] = field(default=(), repr=False, compare=False)
    """The earlier rows and their labels; empty: those of the file."""
    codes: IntArray | None = field(default=None, repr=False, compare=False)
    """Classes of the earlier rows."""


def lacking(params: Params) -> str | None:
    """The file."""
    if not params.share or params.rows or params.file:
        return None
    return "replay needs the earlier rows. Name their file: --countermeasures replay:file=earlier.csv."


def study(seen: Study, params: Params) -> Params:
    """The file read."""
    if not params.share:
        return params
    rows = params.rows
    if not rows:
        found = rows_of(params.file, data=seen.data, name="replay:file", with_labels=True)
        answers = ((text, label) for text, label in zip(found.inputs(), found.answers, strict=True))
        rows = tuple((text, label) for text, label in answers if label is not None)
    labelled(rows, seen.data.labels, path=params.file, name="replay:file")
    return replace(params, rows=rows, codes=np.array([seen.data.labels.index(label) for _, label in rows], np.int64))


def texts(params: Params) -> Sequence[Text]:
    """The earlier ones."""
    return [text for text, _ in params.rows]


def beside(seen: Pass, params: Params) -> Any:
    """Loss (B,) of the earlier row that came along; 0 where none did."""
    import torch

    added = seen.logits.new_zeros(len(seen.logits))
    if not params.share or params.codes is None:
        return added
    draws = [(rng.random() < params.share, int(rng.integers(len(params.codes)))) for rng in seen.streams()]
    at = np.array([place for place, (comes, _) in enumerate(draws) if comes], np.int64)
    chosen = np.array([draws[place][1] for place in at], np.int64)
    if not len(at):
        return added
    logits = seen.read_texts(chosen).logits
    losses = seen.loss(logits, torch.from_numpy(params.codes[chosen]).to(seen.codes.device))
    return added.index_add(0, torch.from_numpy(at).to(added.device), losses.to(added.dtype))


def _texts(n: int, words: tuple[str, str], rng: np.random.Generator) -> list[tuple[str, str]]:
    highs = [bool(rng.random() < 0.5) for _ in range(n)]
    return [(f"{words[high]} w{rng.integers(FILLERS)}", ("neg", "pos")[high]) for high in highs]


def toy() -> Toy:
    """New rows say good or bad; earlier rows said odd or plain, and so do the test rows."""
    rng = stream(0, "replay")
    rows = _texts(N_TRAIN, ("bad", "good"), rng) + _texts(N_TEST, ("plain", "odd"), rng)
    earlier = tuple(_texts(60, ("plain", "odd"), rng))
    data = as_data([text for text, _ in rows], [label for _, label in rows], n_train=N_TRAIN, names=("neg", "pos"))
    return Toy(data, loss_on_test, params=Params(rows=earlier))


countermeasure = Countermeasure(
    params=Params(), off=Params(share=0.0), toy=toy, lacking=lacking, study=study, texts=texts, beside=beside
)
