"""Which rows say the same: equal after normalisation, near-duplicates verified by exact Jaccard, short texts inside longer ones.

Candidates come from MinHash with banding, run by the engine; every candidate is then verified by the exact Jaccard similarity of
its shingles, so a reported pair is a pair. Shingles: pairs of adjacent words for long alphabetic text, 4 characters for short
alphabetic text, 2 characters for Chinese, Japanese and Korean. Texts of middling length are compared both ways, so that an edit
cannot move one across the line unseen.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from veridical.core.progress import Progress, silent
from veridical.dataset.containment import containment
from veridical.dataset.engine import Engine, chosen
from veridical.dataset.grouping import are_strata
from veridical.dataset.minhash_candidates import candidates
from veridical.dataset.normalisation import is_cjk, normalise
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.dataset.shingles import characters, distinct, shingles, word_codes, words

__all__ = ["SimilarPairs", "SimilarityParams", "clusters", "is_cjk", "normalise", "similar_pairs"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SimilarityParams:
    """When two texts count as near-duplicates."""

    word_threshold: float = 0.4
    """Jaccard of adjacent word pairs from which long texts are near-duplicates, 0..1. One word in seven edited leaves 0.5;
    unrelated AG News texts stay under 0.1. Ours; no source."""
    character_threshold: float = 0.45
    """Jaccard of character shingles from which texts with at least `enough_shingles` are near-duplicates, 0..1. Ours; no
    source."""
    short_threshold: float = 0.6
    """The same for texts with at most `few_shingles`; between the two it falls in a line. Measured on one-sentence reviews: finds
    95 % of texts with one word in ten edited and 85 % with one in five; 0.8 finds 85 % and 68 %. Ours; no source."""
    few_shingles: int = 15
    """Shingles of a short text. Ours; no source."""
    enough_shingles: int = 50
    """Shingles from which `character_threshold` holds. Ours; no source."""
    short_words: int = 40
    """Alphabetic texts up to this many words are compared by characters. Ours; no source."""
    long_words: int = 20
    """Alphabetic texts from this many words are compared by word pairs. Ours; no source."""
    hot_bucket: int = 40
    """Rows in one bucket from which not all pairs are tried but each row against the next three. Ours; no source."""
    giant_share: float = 0.05
    """Share of the distinct texts that one cluster may hold (and more than 50) before it is cut again at `giant_threshold`."""
    giant_threshold: float = 0.8
    """Jaccard that pairs of a giant cluster must reach to stay. Ours; no source."""
    contained_share: float = 0.8
    """Share of a test text's long shingles that must stand in one longer train text. Ours; no source."""
    boilerplate_rows: int = 20
    """Train rows from which a long shingle counts as boilerplate and is ignored. Document-frequency filter, ours; no source."""


@dataclass(frozen=True, eq=False)
class SimilarPairs:
    """groups: (N,) code of each row's exact group (equal after normalisation). left, right: (P,) row positions, the first rows
    of two different groups, left < right. jaccard: (P,) exact. contained: (Q,) test rows found inside the train rows
    `container` (Q,), with the share found, `share` (Q,)."""

    groups: IntArray
    left: IntArray
    right: IntArray
    jaccard: FloatArray
    contained: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    container: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    share: FloatArray = field(default_factory=lambda: np.zeros(0))


def similar_pairs(
    data: Dataset, *, params: SimilarityParams = SimilarityParams(), engine: Engine | None = None, progress: Progress = silent
) -> SimilarPairs:
    """All near-duplicate pairs of `data`, over all splits together."""
    texts = [normalise(text) for text in data.texts]
    if data.seconds is not None:
        texts = [f"{text} ¦ {normalise(second)}" for text, second in zip(texts, data.seconds, strict=True)]
    different = sorted(set(texts))  # sorted: what is found does not depend on the order of rows
    codes = {text: code for code, text in enumerate(different)}
    groups = np.fromiter((codes[text] for text in texts), np.int64, len(texts))
    first = np.unique(groups, return_index=True)[1].astype(np.int64)
    left, right, jaccard = _near(different, params=params, engine=engine or chosen(), progress=progress)
    a, b = np.minimum(first[left], first[right]), np.maximum(first[left], first[right])
    order = np.lexsort((b, a))
    test, train = _one_each(data, groups, "test"), _one_each(data, groups, "train")
    inner, outer, share = containment(
        [texts[i] for i in test],
        [texts[i] for i in train],
        contained_share=params.contained_share,
        boilerplate_rows=params.boilerplate_rows,
    )
    return SimilarPairs(groups, a[order], b[order], jaccard[order], test[inner], train[outer], share)


def _one_each(data: Dataset, groups: IntArray, split: str) -> IntArray:
    """The first row of each exact group within a split."""
    rows = data.rows(split)
    return rows[np.sort(np.unique(groups[rows], return_index=True)[1])]


def clusters(
    data: Dataset, similar: SimilarPairs, *, by_group: bool = True, params: SimilarityParams = SimilarityParams()
) -> IntArray:
    """Cluster code of each row, (N,): connected components of equal, near-equal and contained texts and of equal `group`
    values. Similarity chains (a like b, b like c, ...): a component of texts larger than `giant_share` of them is cut again, by
    dropping its pairs under `giant_threshold`; what still hangs together stays together. by_group: whether `group` ties rows."""
    kept = np.ones(len(similar.left), bool)
    found = _components(_text_links(similar, kept), len(data))
    size = np.bincount(found[np.unique(similar.groups, return_index=True)[1]], minlength=1)
    giant = np.flatnonzero((size > params.giant_share * size.sum()) & (size > 50))
    if len(giant):
        kept = ~np.isin(found[similar.left], giant) | (similar.jaccard >= params.giant_threshold)
    tied = [_group_links(data)] if by_group else []
    return _components([*_text_links(similar, kept), *tied], len(data))


Links = tuple[IntArray, IntArray]


def _text_links(similar: SimilarPairs, kept: BoolArray) -> list[Links]:
    first = np.unique(similar.groups, return_index=True)[1].astype(np.int64)
    equal = (np.arange(len(similar.groups)), first[similar.groups])
    return [equal, (similar.left[kept], similar.right[kept]), (similar.contained, similar.container)]


def _group_links(data: Dataset) -> Links:
    """Each row of a named group with the first of that group; strata link nothing."""
    if are_strata(data.table.column("group")):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    named = np.array([value or "" for value in data.table.column("group").to_pylist()], dtype=object)
    rows = np.flatnonzero(named != "").astype(np.int64)
    _, at, member = np.unique(named[rows].astype(str), return_index=True, return_inverse=True)
    return rows, rows[at][member]


def _components(links: list[Links], n: int) -> IntArray:
    a, b = (np.concatenate([link[side] for link in links]) for side in (0, 1))
    graph = sp.coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


# --- near-duplicates ------------------------------------------------------------------------------------------------------------

WORD_NGRAM, CHARACTER_NGRAM, CJK_NGRAM = 2, 4, 2
BANDS = 64
"""Bands of a signature. With 3 hashes a band, a pair at Jaccard 0.4 is a candidate with 98.5 %, at 0.5 with 99.98 %; with 4, at
0.5 with 98.4 % and at 0.6 with 99.99 %."""
MANY_ROWS, VERY_MANY_ROWS = 30_000, 300_000
"""Texts compared by characters from which bands are 4 or 5 hashes wide, not 3: fewer false candidates, at some recall near the
threshold."""


@dataclass(frozen=True)
class _Family:
    """Texts compared in one way. rows: positions among the distinct texts. texts: those texts."""

    rows: IntArray
    texts: list[str]
    ngram: int
    by_words: bool

    @property
    def width(self) -> int:
        return 3 if self.by_words else 3 + (len(self.rows) > MANY_ROWS) + (len(self.rows) > VERY_MANY_ROWS)

    def tokens(self) -> list[str]:
        """The units of each text with blanks between them."""
        return self.texts if self.by_words else [" ".join(text.replace(" ", "_")) for text in self.texts]

    def shingles(self, chosen: IntArray) -> sp.csr_matrix:
        """Which shingles the chosen texts have: binary csr (chosen, distinct shingles)."""
        texts = [self.texts[i] for i in chosen]
        if self.by_words:
            found, lengths = words(texts)
            units = word_codes(found, found.unique())
        else:
            units, lengths = characters(texts)
        row, code = shingles(units, lengths, self.ngram)
        codes, column = np.unique(code, return_inverse=True)
        matrix = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(texts), max(len(codes), 1)))
        matrix.sum_duplicates()
        matrix.data[:] = 1.0
        return matrix

    def threshold(self, n_shingles: npt.NDArray[np.int32], params: SimilarityParams) -> FloatArray:
        """Jaccard from which a pair counts whose smaller text has `n_shingles`."""
        if self.by_words:
            return np.full(len(n_shingles), params.word_threshold)
        counts, least = (params.few_shingles, params.enough_shingles), (params.short_threshold, params.character_threshold)
        return np.asarray(np.interp(n_shingles, counts, least))


def _families(texts: list[str], *, params: SimilarityParams) -> list[_Family]:
    cjk: list[int] = []
    short: list[int] = []
    long: list[int] = []
    for position, text in enumerate(texts):
        if is_cjk(text):
            cjk.append(position)
            continue
        n_words = text.count(" ") + 1
        if n_words <= params.short_words:
            short.append(position)
        if n_words >= params.long_words:
            long.append(position)
    kinds = ((cjk, CJK_NGRAM, False), (short, CHARACTER_NGRAM, False), (long, WORD_NGRAM, True))
    return [_Family(np.array(rows, np.int64), [texts[i] for i in rows], ngram, by_words) for rows, ngram, by_words in kinds]


def _near(
    texts: list[str], *, params: SimilarityParams, engine: Engine, progress: Progress
) -> tuple[IntArray, IntArray, FloatArray]:
    """(left, right, jaccard) over positions of distinct texts, left < right, each pair once."""
    families = [family for family in _families(texts, params=params) if len(family.rows) > 1]
    done, total = 0, sum(len(family.rows) for family in families)
    left, right, jaccard = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]
    for family in families:
        progress("near-duplicates", done, total)
        a, b, similarity = _verified(family, params=params, engine=engine)
        left.append(family.rows[a])
        right.append(family.rows[b])
        jaccard.append(similarity)
        done += len(family.rows)
    progress("near-duplicates", done, total)
    low, high, similarity = np.concatenate(left), np.concatenate(right), np.concatenate(jaccard)
    order = np.lexsort((-similarity, high, low))  # a pair seen both ways keeps its larger similarity
    low, high, similarity = low[order], high[order], similarity[order]
    new = np.ones(len(low), bool)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return low[new], high[new], similarity[new]


def _verified(family: _Family, *, params: SimilarityParams, engine: Engine) -> tuple[IntArray, IntArray, FloatArray]:
    """The candidates of a family whose exact Jaccard passes the threshold: (left, right, jaccard), positions in the family."""
    a, b = candidates(
        family.tokens(), ngram=family.ngram, bands=BANDS, width=family.width, hot_bucket=params.hot_bucket, engine=engine
    )
    chosen = distinct(np.concatenate([a, b])).astype(np.int64)
    matrix = family.shingles(chosen)
    left, right = np.searchsorted(chosen, a), np.searchsorted(chosen, b)
    jaccard = _exact_jaccard(matrix, left, right)
    size = np.diff(matrix.indptr)
    kept = jaccard >= family.threshold(np.minimum(size[left], size[right]), params)
    return a[kept], b[kept], jaccard[kept]


def _exact_jaccard(matrix: sp.csr_matrix, left: IntArray, right: IntArray) -> FloatArray:
    size = np.diff(matrix.indptr).astype(np.float64)
    shared = np.zeros(len(left))
    for start in range(0, len(left), 100_000):
        part = slice(start, start + 100_000)
        shared[part] = np.asarray(matrix[left[part]].multiply(matrix[right[part]]).sum(axis=1)).ravel()
    return np.asarray(shared / np.maximum(size[left] + size[right] - shared, 1.0))
