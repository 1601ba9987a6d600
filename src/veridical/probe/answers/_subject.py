"""What a probe looks at where an answer is more than one label: a scored model on a data set, and how its answers are scored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core import plugins
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import IntArray
from veridical.models.answer_queries import AnswerQueries
from veridical.models.answering import Answering
from veridical.models.model import FloatArray
from veridical.probe._read_labels import ReadLabels
from veridical.probe._subject import Recipe
from veridical.probe._test_rows import TestRows
from veridical.tasks._contract import Margins, Measure, Structure
from veridical.train.answered import Answered


@dataclass(frozen=True, eq=False)
class AnswerSubject(TestRows):
    """answered: the scored model with its answer to every row. read: whether its answers to test rows are wholly right as far as
    people have read them, None where nobody has. The rest as in `Subject`. Scores are those of the measure that the
    task declares in the place of one that counts what is no achievement."""

    answered: Answered
    evidence: Evidence
    queries: AnswerQueries | None
    recipe: Recipe | None = None
    metric: str = ""
    budget: str = "standard"
    seed: int = 0
    read: ReadLabels | None = None
    progress: Progress = field(default=silent)

    @property
    def model(self) -> Answering | None:
        return self.answered.model

    @property
    def task(self) -> str:
        return self.data.task

    @cached_property
    def structure(self) -> Structure:
        found: Structure | None = plugins.get("veridical.tasks", "task", self.task).structure
        assert found is not None
        return found

    @cached_property
    def measured(self) -> str:
        """Name of the measure that scores are in."""
        named = self.metric or str(plugins.get("veridical.tasks", "task", self.task).declared)
        return self.structure.measures[named].stands_for or named

    @property
    def measure(self) -> Measure:
        return self.structure.measures[self.measured]

    @cached_property
    def test_rows(self) -> IntArray:
        """Positions of all labelled test rows that have an answer."""
        rows = self.data.rows("test")
        fit = [self.data.answers[row] is not None and self.answered.said[row] is not None for row in rows]
        return np.asarray(rows[np.array(fit, bool)])

    @cached_property
    def gold(self) -> list[str]:
        """Answers as labelled, (n,)."""
        return [str(self.data.answers[row]) for row in self.rows]

    @cached_property
    def said(self) -> list[str]:
        """What the model answered, (n,)."""
        return [str(self.answered.said[row]) for row in self.rows]

    @property
    def confidence(self) -> FloatArray:
        """How sure the model is of each answer as a whole, 0..1, (n,)."""
        return np.asarray(self.answered.confidence[self.rows])

    def margins(self, gold: Sequence[str], said: Sequence[str]) -> Margins:
        """Statistics of answers under the measure."""
        return self.measure.margins(gold, said, self.data.labels)

    def exact(self, gold: Sequence[str], said: Sequence[str]) -> FloatArray:
        """1.0 where an answer is wholly right, (n,)."""
        name = {"span": "exact_match", "labels": "subset_accuracy"}.get(self.structure.head)
        if name is None:
            return np.array([g == s for g, s in zip(gold, said, strict=True)], np.float64)
        return np.asarray(self.structure.measures[name].margins(gold, said, self.data.labels).right[:, 0])


def answer_subject_of(
    evidence: Evidence,
    model: Answering,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    budget: str = "standard",
    metric: str = "",
) -> AnswerSubject:
    """A model that is at hand, as a subject; used by toys and tests."""
    data = evidence.data
    found = model.answer(data.inputs())
    answered = Answered(model, model.kind, tuple(data.ids), tuple(found.said), found.confidence, data.labels, None, 0.0)
    return AnswerSubject(answered, evidence, AnswerQueries(model), recipe, metric=metric, seed=seed, budget=budget)
