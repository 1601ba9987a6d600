"""What a probe looks at: one scored model on one data set, with everything that several probes need computed once."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core import plugins
from veridical.core.progress import Progress, silent
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.models.model import FloatArray, Model
from veridical.models.queries import Queries
from veridical.probe._edit_review import Reviewed
from veridical.tasks._contract import Metric, Task
from veridical.train.config import DEFAULTS, TrainConfig
from veridical.train.trained import Trained

BUDGETS = ("quick", "standard", "thorough")
FEWEST_UNLEAKED = 100
"""Unleaked test rows below which all test rows are looked at. Ours; no source."""


@dataclass(frozen=True)
class Recipe:
    """How the scored model was trained, so that a probe can train it again (`train.training.train`)."""

    model: str
    countermeasures: tuple[str, ...] = ()
    config: TrainConfig = DEFAULTS


@dataclass(frozen=True, eq=False)
class Subject:
    """trained: the scored model with its probabilities for every row. queries: None where only predictions are known. recipe:
    None for a model that veridical did not train. budget: quick, standard or thorough; a probe scales its sample by it. reviewed:
    what people said of edited texts, by kind of edit.

    Test rows of clusters that stand in train are left out of `rows`: what survives of a score is asked on rows the model has
    not seen, unless too few are left (then all test rows, and `n_leaked` says how many of them do).
    """

    trained: Trained
    evidence: Evidence
    queries: Queries | None
    recipe: Recipe | None = None
    metric: str = "accuracy"
    budget: str = "standard"
    seed: int = 0
    reviewed: tuple[Reviewed, ...] = ()
    progress: Progress = field(default=silent)

    @property
    def data(self) -> Dataset:
        return self.evidence.data

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

    @cached_property
    def rows(self) -> IntArray:
        """Positions (n,) of the test rows to look at."""
        unleaked = self.test_rows[~self._in_train(self.test_rows)]
        return self.test_rows if len(unleaked) < FEWEST_UNLEAKED else unleaked

    @cached_property
    def n_leaked(self) -> int:
        """How many of `rows` have an equal or near-equal text in train."""
        return int(self._in_train(self.rows).sum())

    def _in_train(self, rows: IntArray) -> npt.NDArray[np.bool_]:
        return np.isin(self.evidence.clusters[rows], self.evidence.clusters[self.data.rows("train")])

    @cached_property
    def inputs(self) -> list[Text]:
        return self.data.inputs(self.rows)

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
    def clusters(self) -> IntArray:
        """Cluster code of each row, (n,)."""
        return np.asarray(self.evidence.clusters[self.rows])

    @property
    def metric_function(self) -> Metric:
        task: Task = plugins.get("veridical.tasks", "task", self.data.task)
        return task.metrics[self.metric]

    def limit(self, quick: int, standard: int, thorough: int) -> int:
        """The figure for this budget."""
        return {"quick": quick, "standard": standard, "thorough": thorough}[self.budget]

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """At most n places within `rows`, ascending, drawn cluster by cluster so that no family fills the sample."""
        if n >= len(self.rows):
            return np.arange(len(self.rows), dtype=np.int64)
        order = rng.permutation(len(self.rows))
        turn = np.zeros(len(order), np.int64)
        seen: dict[int, int] = {}
        for place, row in enumerate(order):
            cluster = int(self.clusters[row])
            turn[place] = seen[cluster] = seen.get(cluster, -1) + 1
        return np.sort(order[np.argsort(turn, kind="stable")][:n]).astype(np.int64)


def subject_of(data: Dataset, model: Model, *, recipe: Recipe | None = None, seed: int = 0, budget: str = "standard") -> Subject:
    """A model that is at hand, as a subject; used by toys and tests."""
    probabilities = model.predict(data.inputs())
    trained = Trained(model, model.kind, tuple(data.ids), probabilities, data.labels, None, 0.0, external=recipe is None)
    return Subject(trained, Evidence(data, seed=seed), Queries(model), recipe, seed=seed, budget=budget)
