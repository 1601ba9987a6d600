"""What several checks and the ledger need of one data set, computed once and only when asked for."""

from functools import cached_property

from veridical.core.progress import Progress, silent
from veridical.dataset.engine import Engine
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.similarity import SimilarPairs, clusters, similar_pairs
from veridical.models.out_of_fold import OutOfFold, out_of_fold


class Evidence:
    """Lazily computed facts about `data`, shared by all checks of one run."""

    def __init__(self, data: Dataset, *, seed: int, progress: Progress = silent, engine: Engine | None = None) -> None:
        self.data = data
        self.seed = seed
        self.progress = progress
        self.engine = engine

    @cached_property
    def similar(self) -> SimilarPairs:
        """Exact groups and verified near-duplicate pairs over all rows."""
        return similar_pairs(self.data, engine=self.engine, progress=self.progress)

    @cached_property
    def clusters(self) -> IntArray:
        """Cluster code of each row, shape (N,): connected components of the near-duplicate graph over all splits."""
        return clusters(self.data, self.similar)

    @cached_property
    def folds(self) -> OutOfFold:
        """Predictions of torch-free models that saw neither the row nor its cluster."""
        return out_of_fold(self.data, self.clusters, seed=self.seed, progress=self.progress)
