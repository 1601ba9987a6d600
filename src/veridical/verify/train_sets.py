"""The training sets of the trial: they differ in one repair, or in its placebo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.repair._edits import row_weights
from veridical.verify.fitting import Fit
from veridical.verify.placebo import matched_rows


@dataclass(frozen=True, eq=False)
class TrainSet:
    """train, test: positions in the whole data. codes: labels of all its rows (N,). weights: of the train rows, or None."""

    train: IntArray
    test: IntArray
    codes: IntArray
    weights: FloatArray | None


def train_set(whole: Dataset, edited: Dataset, edits: Sequence[Edit] = ()) -> TrainSet:
    """What is trained on when the data is `edited`, which holds some rows of `whole`, possibly relabelled, moved or weighed."""
    place = {row: position for position, row in enumerate(whole.ids)}
    position = np.array([place[row] for row in edited.ids], dtype=np.int64)
    codes = whole.codes.copy()
    codes[position] = edited.codes
    labelled = edited.rows("train")
    labelled = labelled[edited.codes[labelled] >= 0]
    weights = row_weights(edited, edits)
    test = np.sort(position[edited.rows("test")])
    order = np.argsort(position[labelled])  # table order, so that an edit's place in the log cannot change a fit
    train = position[labelled][order]
    return TrainSet(train, test, codes, None if weights is None else weights[labelled][order])


def placebo_of(
    untouched: TrainSet,
    repaired: TrainSet,
    edits: Sequence[Edit],
    *,
    data: Dataset,
    confidence: FloatArray,
    rng: np.random.Generator,
) -> TrainSet:
    """Weights: the same ones, dealt to other rows. Else: as many matched rows set aside. confidence: of all rows (N,)."""
    if repaired.weights is not None:
        return replace(repaired, weights=rng.permutation(repaired.weights))
    touched = {edit.row for edit in edits}
    edited = untouched.train[[data.ids[row] in touched for row in untouched.train]]
    out = matched_rows(edited, untouched.train, codes=untouched.codes, confidence=confidence, rng=rng)
    return replace(untouched, train=np.setdiff1d(untouched.train, out))


def probabilities(on: TrainSet, rows: IntArray, *, fit: Fit, seed: int) -> FloatArray:
    """Probabilities (n, C) for `rows` by one model trained on this set."""
    return fit(on.train, on.codes[on.train], on.weights, seed)(rows)
