"""Evidence about some of the rows, made from evidence about all of them without looking at the others' labels."""

from functools import cached_property

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.similarity import SimilarPairs
from veridical.models.out_of_fold import OutOfFold, out_of_fold


class Restricted(Evidence):
    """Evidence about `rows` (positions in `whole.data`), with `data` = those rows, possibly relabelled or moved.

    Groups, pairs and clusters come from the whole: they depend on texts alone. keep_folds: also keep the whole's out-of-fold
    predictions; without it, models are fitted again on these rows only, so that no label of another row has any say.
    """

    def __init__(self, whole: Evidence, data: Dataset, rows: IntArray, *, keep_folds: bool) -> None:
        super().__init__(data, seed=whole.seed, progress=whole.progress)
        self._whole, self._rows, self._keep_folds = whole, rows, keep_folds

    @cached_property
    def similar(self) -> SimilarPairs:
        whole = self._whole.similar
        groups = whole.groups[self._rows]
        codes, first = np.unique(groups, return_index=True)
        # A pair links two groups through one row of each; if that row is gone, any other row of its group stands in.
        ends = []
        for side in (whole.left, whole.right):
            at = np.minimum(np.searchsorted(codes, whole.groups[side]), max(len(codes) - 1, 0))
            ends.append(np.where(codes[at] == whole.groups[side], first[at], -1) if len(codes) else np.full(len(side), -1))
        both = (ends[0] >= 0) & (ends[1] >= 0)
        return SimilarPairs(groups=groups, left=ends[0][both], right=ends[1][both], jaccard=whole.jaccard[both])

    @cached_property
    def clusters(self) -> IntArray:
        return self._whole.clusters[self._rows]

    @cached_property
    def folds(self) -> OutOfFold:
        if not self._keep_folds:
            return out_of_fold(self.data, self.clusters, seed=self.seed, progress=self.progress)
        whole, rows = self._whole.folds, self._rows
        return OutOfFold(whole.probabilities[rows], whole.word_probabilities[rows], whole.fold[rows], whole.features.rows(rows))
