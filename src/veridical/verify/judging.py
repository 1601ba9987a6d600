"""How tasks of one kind are tried: what is right of a row, how answers are counted, what tells two models apart, what a placebo
copies. Everything else about a trial is the same for all tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.repair._contract import Edit
from veridical.tasks._contract import Metric, Structure, Task
from veridical.verify.answer_yardstick import answer_yardstick
from veridical.verify.scoring import Labels, Yardstick, yardstick

SAME_MODEL = 0.01
"""Mean total variation distance of the answers under which two seeds count as one model, 0..1: a solver stops within it. Where an
answer has no probability, the share of rows answered otherwise. Ours; no source."""
MANY = 3
"""Parts of an answer from which a placebo no longer tells rows apart by their number. Ours; no source."""


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
    """Rows with one label: codes, -1 where unknown; what models say are probabilities (n, C)."""

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


@dataclass(frozen=True, eq=False)
class ByAnswer:
    """Rows whose answers are structures, as the label column stores them, None where unknown; models say answers too, (n,)."""

    name: str
    right: Labels
    clusters: IntArray
    names: tuple[str, ...]
    structure: Structure

    def ruler(self, rows: IntArray, *, votes: str, within: IntArray | None = None) -> Yardstick:
        measure = self.structure.measures[self.name]
        return answer_yardstick(rows, self.right, self.clusters, measure=measure, names=self.names, votes=votes, within=within)

    def one_model(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> bool:
        return float(np.mean(first != second)) < SAME_MODEL

    def matching(self, opened: Evidence) -> tuple[IntArray, FloatArray]:
        """Stratum: how much there is to be found, up to MANY."""
        from veridical.train.answer_folds import amount, difficulty

        data, structure = opened.data, self.structure
        found = [0.0 if answer is None else amount(structure, answer) for answer in data.answers]
        sure = difficulty(opened, structure)[:, 0]
        return np.minimum(found, MANY).astype(np.int64), sure

    def unfit(self, edits: Sequence[Edit]) -> str:
        by_one_label = any(edit.action in ("relabel", "weight") for edit in edits)
        return "It relabels or weighs rows by one label each, which this task does not have." if by_one_label else ""

    def lacking(self, labels: Labels) -> str:
        answers = [str(answer) for answer in labels if answer is not None]
        try:
            self.structure.shape.names(answers)
        except InputError:
            answers = []
        return "It would leave nothing to train on." if len(answers) < 2 else ""


def judging_of(task: str, *, metric: str, labels: tuple[str, ...], right: Labels, clusters: IntArray) -> Judging:
    """right, clusters: of all rows (N,). metric: the score as it is reported. labels: of the task, or what answers are made of.

    Answers of more than one label are judged by the metric that the task declares in the place of one that counts what is no
    achievement.
    """
    plug_in: Task = get("veridical.tasks", "task", task)
    structure = plug_in.structure
    if structure is not None:
        return ByAnswer(structure.measures[metric].stands_for or metric, right, clusters, labels, structure)
    return ByLabel(metric, right, clusters, len(labels), plug_in.metric(metric, labels))


def labels_of(data: Dataset) -> Labels:
    """What each row is labelled, (N,): its code, -1 where unknown; or its answer as it is stored, None where unknown."""
    structured = get("veridical.tasks", "task", data.task).structure is not None
    return np.array(data.answers, dtype=object) if structured else data.codes


def known(labels: Labels) -> BoolArray:
    """Which of the labels are known."""
    if labels.dtype == object:
        return np.array([label is not None for label in labels], bool)
    return np.asarray(labels >= 0)
