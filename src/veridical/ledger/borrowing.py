"""Borrowing strength from train rows: their out-of-fold accuracy, once enough of their labels were reviewed.

The fold models' accuracy on the population is known well from the many train rows, and it can be computed on the test rows too.
Where the two differ, the test rows were easy or hard beyond what their description shows, and the model's own score moves along:
honest + share * (accuracy on train - accuracy on test), the share being the one with the smallest variance (a control variate).
Assumption: the reviewed train rows tell the rate of wrong train labels. Without `min_reviewed` answers for train rows nothing is
borrowed, and where the two accuracies differ by more than chance allows it is refused, and said so.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.dataset.rows import IntArray
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.review import Frame, ReviewParams, apply_answers, frame
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class BorrowParams:
    """When train rows may help."""

    min_reviewed: int = 50
    """Answers for train rows from which their accuracy is used. Ours; no source."""
    max_z: float = 3.0
    """Standard errors by which the fold models' accuracy may differ between train and test. Ours; no source."""


@dataclass(frozen=True, eq=False)
class TrainRows:
    """The train rows, one of each cluster that has no test row.

    ids: (m,). codes: labels (m,). predicted: by the fold models, out of fold, (m,). expected: p(label | text), (m, C).
    """

    ids: npt.NDArray[Any]
    codes: IntArray
    predicted: IntArray
    expected: FloatArray

    def noise(self) -> LabelNoise:
        c = self.expected.shape[1]
        return LabelNoise(np.eye(c), "none", 0.0, 1.0, self.expected)


@dataclass(frozen=True, slots=True)
class Borrowed:
    """accuracy: of the fold models on rightly labelled train rows, a share. standard_error: of it, by sampling and review."""

    accuracy: float
    standard_error: float
    n_reviewed: int
    wrong_seen: int


def frame_of_train(train: TrainRows) -> Frame:
    """Strata of the train rows, by whether the fold models agree with the label."""
    return frame(
        train.noise(),
        ids=[str(row) for row in train.ids],
        codes=train.codes,
        predicted=train.predicted,
        leaked=np.zeros(len(train.codes), bool),
        params=ReviewParams(),
    )


def borrowed(train: TrainRows, truth: IntArray, *, params: BorrowParams = BorrowParams()) -> Borrowed | None:
    """truth: reviewed label of each train row, -1 where not reviewed, -2 where unsure, (m,). None with too few answers."""
    if int((truth >= 0).sum()) < params.min_reviewed:
        return None
    noise, asked = train.noise(), ReviewParams()
    strata = frame_of_train(train)
    read = apply_answers(noise, strata, truth=truth, codes=train.codes, predicted=train.predicted, params=asked)
    rows = np.arange(len(train.codes))
    right = read.labels[rows, train.predicted]
    moved = read.change[rows, train.predicted] * ~read.seen
    mass = np.bincount(read.stratum, moved, minlength=len(read.spread)) / len(right)
    variance = right.var() / len(right) + float(((mass * read.spread) ** 2).sum())
    return Borrowed(float(right.mean()), float(np.sqrt(variance)), int(read.seen.sum()), read.wrong_seen)
