"""What several checks and the ledger need of one data set, computed once and only when asked for."""

from collections.abc import Callable
from functools import cached_property

from veridical.core.plugins import get
from veridical.core.progress import Progress, silent
from veridical.dataset.engine import Engine
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.similarity import SimilarPairs, clusters, similar_pairs
from veridical.models.answer_folds import AnswerFolds, answer_folds
from veridical.models.answering_linear import LINEAR_HEADS
from veridical.models.frozen_features import Float32
from veridical.models.joined_folds import joined
from veridical.models.out_of_fold import OutOfFold, out_of_fold
from veridical.tasks._contract import Structure


class Evidence:
    """Lazily computed facts about `data`, shared by all checks of one run."""

    def __init__(
        self,
        data: Dataset,
        *,
        seed: int,
        progress: Progress = silent,
        engine: Engine | None = None,
        encoded: Callable[[], Float32 | None] | None = None,
    ) -> None:
        """encoded: gives features (N, D) of all rows, by an encoder before it is trained on them, or None."""
        self.data = data
        self.seed = seed
        self.progress = progress
        self.engine = engine
        self.encoded = encoded

    @cached_property
    def similar(self) -> SimilarPairs:
        """Exact groups and verified near-duplicate pairs over all rows."""
        return similar_pairs(self.data, engine=self.engine, progress=self.progress)

    @cached_property
    def clusters(self) -> IntArray:
        """Cluster code of each row, shape (N,): connected components of the near-duplicate graph over all splits."""
        return clusters(self.data, self.similar)

    @cached_property
    def text_clusters(self) -> IntArray:
        """The same by texts alone, whatever groups say, (N,)."""
        return clusters(self.data, self.similar, by_group=False)

    @cached_property
    def folds(self) -> OutOfFold:
        """Predictions of torch-free models that saw neither the row nor its cluster."""
        return out_of_fold(self.data, self.clusters, seed=self.seed, progress=self.progress)

    @cached_property
    def foresight(self) -> OutOfFold:
        """What the account expects of each row: the folds, with a head on `encoded` where there is one. The nearer they come to
        what can be known of a label, the less is left to chance of what rows are drawn, leaked and reviewed."""
        if self.encoded is None:
            return self.folds
        return joined(self.folds, self.data, self.clusters, encoded=self.encoded, seed=self.seed, progress=self.progress)

    @cached_property
    def answer_folds(self) -> AnswerFolds | None:
        """The same where answers are structures, by linear models; None where there is no linear model, or no train row."""
        return self.fitted_answer_folds()

    def fitted_answer_folds(self) -> AnswerFolds | None:
        """The same, fitted on these rows."""
        structure: Structure | None = get("veridical.tasks", "task", self.data.task).structure
        if structure is None or structure.head not in LINEAR_HEADS or not len(self.data.rows("train")):
            return None
        return answer_folds(self.data, structure, self.clusters, seed=self.seed, progress=self.progress)
