"""Which tags of words are probably wrong.

Two families that saw neither the row nor its cluster: the linear tagger, and how often the same word carries each type elsewhere.
A word is doubted by the product of the two (as in naive Bayes, the second divided by how frequent the type is). Types are
compared, not tags: whether an entity begins or goes on is not judged.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._confident_learning import label_thresholds, temperature_scaled
from veridical.audit._evidence import Evidence
from veridical.audit._suspects import Judged, Suspect, unsure
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.answer_folds import AnswerFolds
from veridical.models.model import FloatArray
from veridical.tasks._tags import OUTSIDE

Flags = BoolArray
PRIOR = 3.0
"""Places of a word elsewhere that the usual mix of types counts for. Ours: of 1, 3 and 10 on WNUT17, CrossNER and Weibo it hardly
matters."""


@dataclass(frozen=True, eq=False)
class Words:
    """Words of rows that can be judged, in the order of the rows' ids, so that ties do not hang on the order of the file.

    text, row, place: of each word, M of each; place: number in the data. given: type, (M,). begins: whether its tag may begin an
    entity, (M,). kinds: types, `O` among them, K of them. tagger: probabilities of the linear tagger, scaled, (M, K). counts: how
    often the word carries each type in train rows of other folds, (M, K).
    """

    text: list[str]
    row: IntArray
    place: IntArray
    given: IntArray
    begins: Flags
    kinds: list[str]
    tagger: FloatArray
    counts: FloatArray

    def both(self) -> FloatArray:
        """What the two families say together, (M, K)."""
        usual = np.bincount(self.given, minlength=len(self.kinds)) / max(len(self.given), 1)
        n = self.counts.sum(axis=1, keepdims=True)
        rate = (self.counts + PRIOR * usual) / (n + PRIOR)
        product = self.tagger * np.divide(rate, usual, out=np.zeros_like(rate), where=usual > 0)
        return np.asarray(product / np.maximum(product.sum(axis=1, keepdims=True), 1e-300))


def judged_words(evidence: Evidence, folds: AnswerFolds) -> Words:
    data = evidence.data
    code = {tag: number for number, tag in enumerate(folds.classes)}
    tags = np.array([code.get(tag, -1) for answer in data.answers for tag in str(answer).split(" ")], np.int64)
    row = np.repeat(np.arange(len(data)), np.diff(folds.start))
    place = np.flatnonzero((tags >= 0) & ~np.isnan(folds.probabilities[:, 0]))
    rank = np.argsort(np.argsort(np.array(data.ids, dtype=np.str_)))
    place = place[np.lexsort((place, rank[row[place]]))]
    of_tag = [tag.partition("-")[2] or OUTSIDE for tag in folds.classes]
    kinds = sorted(set(of_tag))
    merged = np.eye(len(kinds))[[kinds.index(kind) for kind in of_tag]]
    given = merged[tags[place]].argmax(axis=1)
    text = [word for one in data.texts for word in one.split(" ")]
    begins = np.array([not folds.classes[tag].startswith("I-") for tag in tags[place]], bool)
    tagger = folds.probabilities[place] @ merged
    chosen = [text[at] for at in place]
    counts = _elsewhere(
        chosen, given, fold=folds.fold[row[place]], of_train=np.asarray(data.splits == "train")[row[place]], n_kinds=len(kinds)
    )
    scaled = temperature_scaled(tagger, given) if len(place) else tagger
    return Words(chosen, row[place], place, given, begins, kinds, scaled, counts)


def _elsewhere(text: list[str], given: IntArray, *, fold: IntArray, of_train: Flags, n_kinds: int) -> FloatArray:
    """How often each word carries each type in train rows of other folds, (M, K)."""
    _, word = np.unique(np.array([one.casefold() for one in text], dtype=np.str_), return_inverse=True)
    found = np.zeros((len(word), n_kinds))
    for number in np.unique(fold):
        mine = fold == number
        seen, others = np.zeros((int(word.max()) + 1, n_kinds)), of_train & ~mine
        np.add.at(seen, (word[others], given[others]), 1.0)
        found[mine] = seen[word[mine]]
    return found


def tag_errors(
    evidence: Evidence, folds: AnswerFolds, *, reach: float, least: int, elsewhere: int, agreeing: float
) -> Judged | str:
    """Or why nothing can be judged. The arguments are fields of the check's Params."""
    words = judged_words(evidence, folds)
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
    return Judged(suspects, len(np.unique(words.row[stands >= elsewhere])), folds.n_drawn)


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
