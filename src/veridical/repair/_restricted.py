"""Evidence about some of the rows, made from evidence about all of them without looking at the others' labels."""

from functools import cached_property

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.dataset.rows import SPLITS, Dataset, IntArray
from veridical.dataset.similarity import SimilarPairs
from veridical.models.answer_folds import AnswerFolds
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
        groups = whole.groups
        # Containment runs from test rows to train rows: who stands in for a row that is gone must come from its own split.
        sided = groups * len(SPLITS) + np.array([SPLITS.index(split) for split in self._whole.data.splits], dtype=np.int64)
        left, right = self._stand_ins(groups, whole.left), self._stand_ins(groups, whole.right)
        inner, outer = self._stand_ins(sided, whole.contained), self._stand_ins(sided, whole.container)
        near, inside = (left >= 0) & (right >= 0), (inner >= 0) & (outer >= 0)
        left, right = left[near], right[near]
        return SimilarPairs(
            groups=np.unique(groups[self._rows], return_inverse=True)[1].astype(np.int64),
            left=np.minimum(left, right),
            right=np.maximum(left, right),
            jaccard=whole.jaccard[near],
            contained=inner[inside],
            container=outer[inside],
            share=whole.share[inside],
        )

    def _stand_ins(self, codes: IntArray, named: IntArray) -> IntArray:
        """For each row `named` in a pair (positions in the whole): the first row here with the same code (N,), or -1."""
        here, first = np.unique(codes[self._rows], return_index=True)
        if not len(here):
            return np.full(len(named), -1, np.int64)
        at = np.minimum(np.searchsorted(here, codes[named]), len(here) - 1)
        return np.where(here[at] == codes[named], first[at], -1).astype(np.int64)

    @cached_property
    def clusters(self) -> IntArray:
        return self._whole.clusters[self._rows]

    @cached_property
    def folds(self) -> OutOfFold:
        if not self._keep_folds:
            return out_of_fold(self.data, self.clusters, seed=self.seed, progress=self.progress)
        return self._whole.folds.rows(self._rows)

    @cached_property
    def foresight(self) -> OutOfFold:
        return self._whole.foresight.rows(self._rows) if self._keep_folds else self.folds

    @cached_property
    def answer_folds(self) -> AnswerFolds | None:
        if not self._keep_folds:
            return self.fitted_answer_folds()
        whole = self._whole.answer_folds
        return None if whole is None else whole.rows(self._rows)
