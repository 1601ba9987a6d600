"""How tasks of one kind are tried: what is right of a row, how answers are counted, what tells two models apart, what a placebo
copies. Everything else about a trial is the same for all tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.plugins import get
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.tasks._contract import Metric, Task
from veridical.verify.scoring import BoolArray, Labels, Yardstick, yardstick

SAME_MODEL = 0.01
"""Mean total variation distance of the answers under which two seeds count as one model, 0..1: a solver stops within it. Ours; no
source."""


class Judging(Protocol):
    """name: of the metric that decides. right: what is right of every row of the data (N,)."""

    @property
    def name(self) -> str: ...

    @property
    def right(self) -> Labels: ...

    def ruler(self, rows: IntArray, *, votes: str, within: IntArray | None = None) -> Yardstick:
        """The yardstick of those of the rows of which it is known what is right. votes, within: as in `scoring.seats`."""
        ...

    def one_model(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
        """Whether what two models said of the same rows, (n, ...), is what one would say."""
        ...

    def matching(self, opened: Evidence) -> tuple[IntArray, FloatArray]:
        """What a placebo copies of each row: a stratum, and the confidence of models that did not see the row, (n,) each."""
        ...

    def unfit(self, edits: Sequence[Edit]) -> str:
        """Why such edits have no place in this kind of task, empty where they have."""
        ...

    def lacking(self, labels: Labels) -> str:
        """Why train rows with these labels teach nothing, empty where they do."""
        ...


@dataclass(frozen=True, eq=False)
class ByLabel:
    """Rows with one label: codes, -1 where unknown; `said` are probabilities (n, C)."""

    name: str
    right: IntArray
    clusters: IntArray
    n_classes: int
    metric: Metric

    def ruler(self, rows: IntArray, *, votes: str, within: IntArray | None = None) -> Yardstick:
        return yardstick(
            rows, self.right, self.clusters, n_classes=self.n_classes, metric=self.metric, votes=votes, within=within
        )

    def one_model(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
        return float(np.abs(first - second).sum(axis=1).mean() / 2) < SAME_MODEL

    def matching(self, opened: Evidence) -> tuple[IntArray, FloatArray]:
        return opened.data.codes, opened.folds.probabilities.max(axis=1)

    def unfit(self, edits: Sequence[Edit]) -> str:
        return ""

    def lacking(self, labels: Labels) -> str:
        return "It would leave fewer than two labels to train on." if len(set(labels.tolist()) - {-1}) < 2 else ""


def judging_of(task: str, *, metric: str, labels: tuple[str, ...], right: Labels, clusters: IntArray) -> Judging:
    """right, clusters: of all rows (N,). metric: the score as it is reported. labels: of the task."""
    plug_in: Task = get("veridical.tasks", "task", task)
    return ByLabel(metric, right, clusters, len(labels), plug_in.metric(metric, labels))


def labels_of(data: Dataset) -> Labels:
    """What each row is labelled, (N,): its code, -1 where unknown."""
    return data.codes


def known(labels: Labels) -> BoolArray:
    return np.asarray(labels >= 0)
