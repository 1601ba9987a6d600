"""Which tags of words are probably wrong.

Two families that saw neither the row nor its cluster: the linear tagger, and how often the same word carries each type elsewhere.
A word is doubted by the product of the two (as in naive Bayes, the second divided by how frequent the type is). Types are
compared, not tags: whether an entity begins or goes on is not judged.
"""

import numpy as np
import numpy.typing as npt

from veridical.audit._confident_learning import label_thresholds, temperature_scaled
from veridical.audit._evidence import Evidence
from veridical.audit._suspects import Judged, Suspect, unsure
from veridical.dataset.rows import IntArray
from veridical.models.answer_folds import AnswerFolds
from veridical.models.model import FloatArray
from veridical.tasks._tags import OUTSIDE

Flags = npt.NDArray[np.bool_]
PRIOR = 3.0
"""Places of a word elsewhere that the usual mix of types counts for. Ours: of 1, 3 and 10 on WNUT17, CrossNER and Weibo it hardly
matters."""


class Words:
    """Words of rows that can be judged, in the order of the rows' ids, so that ties do not hang on the order of the file.

    row, place: of each word, (M,); place: number in the data. given: type, (M,). kinds: types, `O` among them, K of them. tagger:
    probabilities of the linear tagger, (M, K), scaled. counts: how often the word carries each type in train rows of other folds,
    (M, K).
    """

    def __init__(self, evidence: Evidence, folds: AnswerFolds) -> None:
        data = evidence.data
        code = {tag: number for number, tag in enumerate(folds.classes)}
        tags = np.array([code.get(tag, -1) for answer in data.answers for tag in str(answer).split(" ")], np.int64)
        row = np.repeat(np.arange(len(data)), np.diff(folds.start))
        usable = np.flatnonzero((tags >= 0) & ~np.isnan(folds.probabilities[:, 0]))
        rank = np.argsort(np.argsort(np.array(data.ids, dtype=np.str_)))
        self.place = usable[np.lexsort((usable, rank[row[usable]]))]
        self.row, self.tags = row[self.place], tags[self.place]
        of_tag = [tag.partition("-")[2] or OUTSIDE for tag in folds.classes]
        self.kinds = sorted(set(of_tag))
        merged = np.eye(len(self.kinds))[[self.kinds.index(kind) for kind in of_tag]]
        self.given = merged[self.tags].argmax(axis=1)
        text = [word for one in data.texts for word in one.split(" ")]
        self.text = [text[place] for place in self.place]
        self.tagger = folds.probabilities[self.place] @ merged
        if len(self.place):
            self.tagger = temperature_scaled(self.tagger, self.given)
        self.begins = np.array([not folds.classes[tag].startswith("I-") for tag in self.tags], bool)
        self.counts = self._elsewhere(folds.fold, np.asarray(data.splits == "train"))

    def _elsewhere(self, fold: IntArray, of_train: Flags) -> FloatArray:
        _, word = np.unique(np.array([text.casefold() for text in self.text], dtype=object).astype(str), return_inverse=True)
        part, n = fold[self.row], int(word.max(initial=-1)) + 1
        train, found = of_train[self.row], np.zeros((len(word), len(self.kinds)))
        for number in np.unique(part):
            seen, mine = np.zeros((n, len(self.kinds))), part == number
            np.add.at(seen, (word[train & ~mine], self.given[train & ~mine]), 1.0)
            found[mine] = seen[word[mine]]
        return found

    def both(self) -> FloatArray:
        """What the two families say together, (M, K)."""
        usual = np.bincount(self.given, minlength=len(self.kinds)) / max(len(self.given), 1)
        n = self.counts.sum(axis=1, keepdims=True)
        rate = (self.counts + PRIOR * usual) / (n + PRIOR)
        product = self.tagger * np.divide(rate, usual, out=np.zeros_like(rate), where=usual > 0)
        return np.asarray(product / np.maximum(product.sum(axis=1, keepdims=True), 1e-300))


def tag_errors(
    evidence: Evidence, folds: AnswerFolds, *, reach: float, least: int, elsewhere: int, agreeing: float
) -> Judged | str:
    """Or why nothing can be judged. The arguments are fields of the check's Params."""
    words = Words(evidence, folds)
    counts = np.bincount(words.given, minlength=len(words.kinds))
    if (counts >= least).sum() < 2:
        return f"Fold models need words of two kinds, {least} each; add rows."
    best, outside = words.tagger.argmax(axis=1), words.kinds.index(OUTSIDE)
    if why := unsure((best == words.given).astype(float), best != outside, evidence.clusters[words.row]):
        return why
    both, at = words.both(), np.arange(len(words.given))
    best, stands = both.argmax(axis=1), words.counts.sum(axis=1)
    agrees = (stands >= elsewhere) & (words.counts[at, best] >= agreeing * stands) & (counts[best] >= least)
    reached = words.tagger[at, best] >= reach * label_thresholds(words.tagger, words.given)[best]
    # Words that are common elsewhere stand in titles: an entity is none only where no word of it says otherwise.
    entity = np.cumsum(words.begins | (words.given == outside))
    against = np.bincount(entity, (best != outside) | ~agrees)[entity] > 0
    doubted = (best != words.given) & agrees & reached & ~((words.given != outside) & (best == outside) & against)
    suspects = _runs(words, folds, both, best, doubted)
    return Judged(suspects, len(np.unique(words.row)), folds.n_drawn)


def _runs(words: Words, folds: AnswerFolds, both: FloatArray, best: IntArray, doubted: Flags) -> list[Suspect]:
    """One suspect for doubted words that stand side by side with one type given and one expected."""
    runs: list[list[int]] = []
    for at in np.flatnonzero(doubted).tolist():
        before = runs[-1][-1] if runs else -2
        alike = before == at - 1 and words.row[before] == words.row[at]
        if alike and words.given[before] == words.given[at] and best[before] == best[at]:
            runs[-1].append(at)
        else:
            runs.append([at])
    return [_suspect(words, folds, both, run, int(best[run[0]])) for run in runs]


def _suspect(words: Words, folds: AnswerFolds, both: FloatArray, run: list[int], best: int) -> Suspect:
    given = int(words.given[run[0]])
    worst = max(run, key=lambda at: 1 - both[at, given])
    row = int(words.row[worst])
    first = int(words.place[run[0]] - folds.start[row]) + 1
    said, own, expected = " ".join(words.text[at] for at in run), words.kinds[given], words.kinds[best]
    which = f"word {first}" if len(run) == 1 else f"words {first} to {first + len(run) - 1}"
    what = f"{which}, {said!r}: tagged {own!r}, models that never saw the row say {expected!r}"
    n, same = int(words.counts[worst].sum()), int(words.counts[worst, best])
    seen = f"p({expected}) = {words.tagger[worst, best]:.2f}, p({own}) = {words.tagger[worst, given]:.2f}; "
    seen += f"{words.text[worst]!r} is {expected!r} in {same} of {n} other places"
    return Suspect(row, first, float(1 - both[worst, given]), what, seen)
