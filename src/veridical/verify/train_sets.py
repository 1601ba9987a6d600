"""The training sets of the trial: they differ in one repair, or in its placebo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.repair._edits import row_weights
from veridical.verify.fitting import Fit
from veridical.verify.judging import known, labels_of
from veridical.verify.placebo import matched_rows
from veridical.verify.scoring import Labels


@dataclass(frozen=True, eq=False)
class TrainSet:
    """train, test: positions in the whole data. labels: of all its rows (N,), as `judging.labels_of` gives them. weights: of the
    train rows, or None."""

    train: IntArray
    test: IntArray
    labels: Labels
    weights: FloatArray | None


def train_set(whole: Dataset, edited: Dataset, edits: Sequence[Edit] = ()) -> TrainSet:
    """What is trained on when the data is `edited`, which holds some rows of `whole`, possibly relabelled, moved or weighed."""
    place = {row: position for position, row in enumerate(whole.ids)}
    position = np.array([place[row] for row in edited.ids], dtype=np.int64)
    labels, now = labels_of(whole).copy(), labels_of(edited)
    labels[position] = now
    labelled = edited.rows("train")
    labelled = labelled[known(now[labelled])]
    weights = row_weights(edited, edits)
    test = np.sort(position[edited.rows("test")])
    order = np.argsort(position[labelled])  # table order, so that an edit's place in the log cannot change a fit
    train = position[labelled][order]
    return TrainSet(train, test, labels, None if weights is None else weights[labelled][order])


def placebo_of(
    untouched: TrainSet,
    repaired: TrainSet,
    edits: Sequence[Edit],
    *,
    data: Dataset,
    strata: IntArray,
    confidence: FloatArray,
    rng: np.random.Generator,
) -> TrainSet:
    """Weights: the same ones, dealt to other rows. Else: as many matched rows set aside. strata, confidence: of all rows (N,)."""
    if repaired.weights is not None:
        return replace(repaired, weights=rng.permutation(repaired.weights))
    touched = {edit.row for edit in edits}
    edited = untouched.train[[data.ids[row] in touched for row in untouched.train]]
    out = matched_rows(edited, untouched.train, codes=strata, confidence=confidence, rng=rng)
    return replace(untouched, train=np.setdiff1d(untouched.train, out))


def said_of(on: TrainSet, rows: IntArray, *, fit: Fit, seed: int) -> npt.NDArray[Any]:
    """What one model trained on this set gives for `rows`, (n, ...)."""
    return fit(on.train, on.labels[on.train], on.weights, seed)(rows)
