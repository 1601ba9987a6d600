"""Several models on the same rows where an answer is more than one label: statistics in the place of classes."""

from dataclasses import dataclass

import numpy as np

from veridical.core.bootstrap import FloatArray, IntArray
from veridical.core.errors import InputError
from veridical.dataset.rows import BoolArray
from veridical.ledger.population import Population
from veridical.tasks._contract import Margins, Measure, Metric, Structure
from veridical.tasks._totals import gradient
from veridical.verify.joint_review import JointReview, ReadAnswers, joint_review
from veridical.verify.paired_terms import readable


@dataclass(frozen=True, eq=False)
class Counted:
    """One measure on n rows of K runs: statistics of each run, (n, 3W), the same W for all."""

    measure: Measure
    runs: tuple[FloatArray, ...]

    @property
    def width(self) -> int:
        return int(self.runs[0].shape[1]) // 3


@dataclass(frozen=True, eq=False)
class AnsweredRows:
    """As `paired_terms.Paired`. reported, declared: the score as it is reported, and the one that belongs in its place. gold:
    answers as labelled (n,). said: what each run answered, (n,) each. review: what people read of them, None without."""

    gold: tuple[str, ...]
    said: tuple[tuple[str, ...], ...]
    reported: Counted
    declared: Counted
    clusters: IntArray
    people: Population | None = None
    review: JointReview | None = None

    @property
    def n(self) -> int:
        return len(self.gold)

    @property
    def k(self) -> int:
        return len(self.said)

    @property
    def width(self) -> int:
        return self.reported.width

    def metric_of(self, terms: str) -> Metric:
        return self._in(terms).measure.metric

    def counted(self, run: int, labels: FloatArray | None, *, terms: str) -> tuple[FloatArray, FloatArray]:
        if labels is not None:
            raise InputError("Other labels than those given cannot be counted where an answer is more than one label.")
        found = self._in(terms).runs[run] if self.review is None or terms == "reported" else self.review.rows(run)
        return found, found[:, : found.shape[1] // 3].sum(axis=1)

    def doubt(self, totals: FloatArray) -> FloatArray:
        if self.review is None:
            return np.zeros((self.k, 0))
        return self.review.doubt(np.stack([gradient(self.declared.measure.metric, one) for one in totals]))

    def alike(self, first: int, second: int) -> bool:
        return self.said[first] == self.said[second]

    def right(self, run: int) -> BoolArray:
        """Rows of which everything that was to be found was found, and nothing else said."""
        found = self.declared.runs[run]
        right, true, predicted = np.split(found, 3, axis=1)
        return np.asarray((np.abs(right - true) < 1e-9).all(axis=1) & (np.abs(right - predicted) < 1e-9).all(axis=1))

    def _in(self, terms: str) -> Counted:
        return self.declared if terms == "honest" else self.reported


def answered_rows(
    structure: Structure,
    *,
    gold: tuple[str, ...],
    said: tuple[tuple[str, ...], ...],
    names: tuple[str, ...],
    metric: str,
    clusters: IntArray,
    people: Population | None = None,
    read: ReadAnswers | None = None,
) -> AnsweredRows:
    """names: what answers are made of in any run. read: what people said of some rows."""

    def counted(name: str) -> Counted:
        measure = structure.measures[name]
        return Counted(measure, tuple(_even([measure.margins(gold, one, names) for one in said])))

    reported = counted(metric)
    instead = structure.measures[metric].stands_for
    review = None
    if read is not None and people is not None and readable(people):
        measure, carried = structure.measures[instead or metric], people.projection(~people.leaked) @ people.target
        review = joint_review(measure, read, gold=gold, said=said, names=names, carried=carried, clusters=clusters)
    return AnsweredRows(gold, said, reported, counted(instead) if instead else reported, clusters, people, review)


def _even(found: list[Margins]) -> list[FloatArray]:
    """Statistics of every run over as many names: one run may have said a name that no other knows."""
    width = max(rows.true.shape[1] for rows in found)

    def wide(part: FloatArray) -> FloatArray:
        return np.pad(part, ((0, 0), (0, width - part.shape[1])))

    return [np.concatenate([wide(rows.right), wide(rows.true), wide(rows.predicted)], axis=1) for rows in found]
