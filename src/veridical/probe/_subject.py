"""What a probe looks at: one scored model on one data set, with everything that several probes need computed once."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.core import plugins
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Dataset, IntArray
from veridical.models.model import FloatArray, Model
from veridical.models.queries import Queries
from veridical.models.trained_answers import TrainedAnswers
from veridical.probe._edit_review import Reviewed
from veridical.probe._read_labels import ReadLabels, as_given
from veridical.probe._test_rows import BUDGETS, TestRows
from veridical.tasks._contract import Metric, Task
from veridical.train.config import DEFAULTS, TrainConfig
from veridical.train.trained import Trained

__all__ = ["BUDGETS", "Recipe", "Subject", "subject_of"]


@dataclass(frozen=True)
class Recipe:
    """How the scored model was trained, so that a probe can train it again (`train.training.train`)."""

    model: str
    countermeasures: tuple[str, ...] = ()
    config: TrainConfig = DEFAULTS


@dataclass(frozen=True, eq=False)
class Subject(TestRows):
    """trained: the scored model with its probabilities for every row. queries: None where only predictions are known. recipe:
    None for a model that veridical did not train. budget: quick, standard or thorough; a probe scales its sample by it. reviewed:
    what people said of edited texts, by kind of edit. read: what they said of test labels, None where nobody has read any. kept:
    where answers of encoders trained again are kept, so that a kill costs no finished training; None: nowhere."""

    trained: Trained
    evidence: Evidence
    queries: Queries | None
    recipe: Recipe | None = None
    metric: str = "accuracy"
    budget: str = "standard"
    seed: int = 0
    reviewed: tuple[Reviewed, ...] = ()
    read: ReadLabels | None = None
    progress: Progress = field(default=silent)
    kept: TrainedAnswers | None = None

    @property
    def model(self) -> Model | None:
        return self.trained.model

    @property
    def labels(self) -> tuple[str, ...]:
        return self.data.labels

    @cached_property
    def test_rows(self) -> IntArray:
        """Positions of all labelled test rows that have a prediction."""
        rows = self.data.rows("test")
        known = np.isfinite(self.trained.probabilities[rows]).all(axis=1)
        return rows[(self.data.codes[rows] >= 0) & known]

    @property
    def codes(self) -> IntArray:
        """Labels as given, (n,)."""
        return self.data.codes[self.rows]

    @property
    def probabilities(self) -> FloatArray:
        """(n, C)."""
        return np.asarray(self.trained.probabilities[self.rows])

    @property
    def predicted(self) -> IntArray:
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def right(self) -> FloatArray:
        """1.0 where the prediction is the label, (n,)."""
        return np.asarray(self.predicted == self.codes, np.float64)

    @cached_property
    def label_given(self) -> ReadLabels:
        """Labels of `rows` as given."""
        return as_given(self.rows, self.codes, len(self.labels))

    @cached_property
    def label_read(self) -> ReadLabels:
        """Labels of `rows` as far as people have read them; as given where nobody has."""
        return self.read.of(self.rows, self.codes) if self.read is not None else self.label_given

    @property
    def metric_function(self) -> Metric:
        task: Task = plugins.get("veridical.tasks", "task", self.data.task)
        return task.metric(self.metric, self.labels)


def subject_of(data: Dataset, model: Model, *, recipe: Recipe | None = None, seed: int = 0, budget: str = "standard") -> Subject:
    """A model that is at hand, as a subject; used by toys and tests."""
    probabilities = model.predict(data.inputs())
    trained = Trained(model, model.kind, tuple(data.ids), probabilities, data.labels, None, 0.0, external=recipe is None)
    return Subject(trained, Evidence(data, seed=seed), Queries(model), recipe, seed=seed, budget=budget)
