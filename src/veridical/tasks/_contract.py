"""What a task is: its metrics, which one it declares, the floors it must show, and what an encoder learns of its labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.errors import UnknownName
from veridical.dataset.row_shape import RowShape
from veridical.dataset.rows import Dataset, Text

FloatArray = npt.NDArray[np.float64]
Metric = Callable[[FloatArray, FloatArray, FloatArray], float]
"""metric(right, true, predicted) -> share; each argument has shape (W,): what was right, what was to be found and what was
said, summed over rows by weight. For a classifier W is the number of classes, and the three are the diagonal, the row sums and
the column sums of its confusion matrix; for entities W is the number of types. All metrics reported depend on these alone."""


@dataclass(frozen=True, eq=False)
class Margins:
    """Sufficient statistics of n rows; right, true, predicted: each (n, W)."""

    right: FloatArray
    true: FloatArray
    predicted: FloatArray

    def stacked(self) -> FloatArray:
        """(n, 3W)."""
        return np.concatenate([self.right, self.true, self.predicted], axis=1)


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to score answers of more than one label.

    margins: (right answers, given answers, names of what answers are made of) -> Margins. stands_for: the measure that belongs in
    its place where this one counts what is no achievement; empty where it does not. why: what it counts, for the reader. by_name:
    the statistics hold a column for each name, in the order of the names, and further ones for names not among them.
    """

    metric: Metric
    margins: Callable[[Sequence[str], Sequence[str], tuple[str, ...]], Margins]
    stands_for: str = ""
    why: str = ""
    by_name: bool = False


@dataclass(frozen=True, slots=True)
class Structure:
    """What a task brings whose answer is more than one label. Answers are strings, as the label column stores them.

    shape: how rows stand in a file. measures: by the name that --metric takes. head: what an encoder answers with: `words` (a
    class for every word of the text), `labels` (yes or no for every name) or `span` (a part of the text). classes: names ->
    classes of the head. floors: data -> what trivial rules answer on its test rows, learned on its train rows.
    """

    shape: RowShape
    measures: Mapping[str, Measure]
    head: str
    classes: Callable[[tuple[str, ...]], tuple[str, ...]]
    floors: Callable[[Dataset], Mapping[str, list[str]]]
    written: Callable[[str, str], Any]
    """(answer, notation of the files or empty) -> the answer as predictions are written: a list, or a text."""
    shown: Callable[[Text, str], str]
    """(input, answer) -> the answer as a reader sees it beside its row, on one line; empty where it says: nothing."""
    in_sheet: Callable[[Text, str, str], str]
    """(input, answer, notation of the files or empty) -> the answer as a review sheet shows it; never blank, and
    `from_sheet` gives the same answer back."""
    from_sheet: Callable[[Text, str, str, tuple[str, ...]], str]
    """(input, cell that a person filled in, notation, names that answers are made of) -> the answer; raises BadCell."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A metric that must know the labels. of: labels, in the order of their codes -> the metric. stands_for, why: see Measure."""

    of: Callable[[tuple[str, ...]], Metric]
    stands_for: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """The record a task file ends with. `floors` has no default: a score without its floor is not shown."""

    name: str
    metrics: Mapping[str, Metric | Bound]
    declared: str
    floors: tuple[str, ...]
    structure: Structure | None = None
    """None where a row has one label."""
    shape: RowShape | None = None
    """How rows with one label stand in a file, where that is more than a text and a label."""
    parts: Mapping[str, Callable[[Text], Text]] = field(default_factory=dict)
    """Floor -> the part of an input that it reads, with a bag of words."""
    ordered: bool = False
    """Labels are grades: numbers, or in the order that --order gives."""
    markers: tuple[str, ...] = ()
    """Marks in a text that an encoder learns as tokens of their own; it answers from the states at those that open."""
    targets: Callable[[int], FloatArray] | None = None
    """Number of classes -> what an encoder is to say where each is true, (C, C), rows sum to 1; None: that class alone."""

    def metric(self, name: str, labels: tuple[str, ...]) -> Metric:
        """The metric called `name` of these labels. Raises UnknownName."""
        if name not in self.metrics:
            raise UnknownName("metric", name, list(self.metrics), "Give it as --metric NAME.")
        found = self.metrics[name]
        return found.of(labels) if isinstance(found, Bound) else found

    def belongs(self, name: str) -> str:
        """The metric that belongs in the place of one that counts what is no achievement; its own name where it counts none."""
        found = self.metrics[name]
        return (found.stands_for or name) if isinstance(found, Bound) else name
