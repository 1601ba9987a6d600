"""Which rows say the same: equal after normalisation, near-duplicates verified by exact Jaccard, short texts inside longer ones.

Candidates come from MinHash with banding (Broder 1997; Indyk and Motwani 1998), run by the engine; every candidate is then
verified by the exact Jaccard similarity of its shingles, so a reported pair is a pair. Shingles: pairs of adjacent words for
long alphabetic text, 4 characters for short alphabetic text, 2 characters for Chinese, Japanese and Korean. Texts of middling
length are compared both ways, so that an edit cannot move one across the line unseen.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from veridical.core.progress import Progress, silent
from veridical.dataset.engine import LOCAL, Engine, minhash
from veridical.dataset.rows import Dataset, IntArray

FloatArray = npt.NDArray[np.float64]
U64 = npt.NDArray[np.uint64]


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
    `container` (Q,), with the share found, `share` (Q,). recut: clusters that were too large and were cut again at a higher
    threshold."""

    groups: IntArray
    left: IntArray
    right: IntArray
    jaccard: FloatArray
    contained: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    container: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    share: FloatArray = field(default_factory=lambda: np.zeros(0))


@lru_cache(maxsize=65536)
def _symbol(character: str) -> str:
    return " " if unicodedata.category(character)[0] in "PSZC" else character


def normalise(text: str) -> str:
    """NFKC, case folded, punctuation and symbols to blanks, blanks collapsed; a text of nothing else is kept as it is."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if folded.isascii() and folded.replace(" ", "").isalnum():
        return " ".join(folded.split())
    bare = " ".join("".join(map(_symbol, folded)).split())
    return bare or " ".join(folded.split())


def similar_pairs(
    data: Dataset, *, params: SimilarityParams = SimilarityParams(), engine: Engine = LOCAL, progress: Progress = silent
) -> SimilarPairs:
    """All near-duplicate pairs of `data`, over all splits together."""
    seconds = data.seconds
    texts = [normalise(text) for text in data.texts]
    if seconds is not None:
        texts = [f"{text} ¦ {normalise(second)}" for text, second in zip(texts, seconds, strict=True)]
    codes: dict[str, int] = {}
    groups = np.fromiter((codes.setdefault(text, len(codes)) for text in texts), np.int64, len(texts))
    first = np.unique(groups, return_index=True)[1].astype(np.int64)
    distinct = list(codes)
    progress("near-duplicates", 0, len(distinct))
    left, right, jaccard = _near(distinct, params=params, engine=engine)
    order = np.argsort(first[left] * len(texts) + first[right], kind="stable")
    progress("near-duplicates", len(distinct), len(distinct))
    test, train = _one_each(data, groups, "test"), _one_each(data, groups, "train")
    inner, outer, share = containment([texts[i] for i in test], [texts[i] for i in train], params=params)
    a, b = first[left[order]], first[right[order]]
    return SimilarPairs(groups, np.minimum(a, b), np.maximum(a, b), jaccard[order], test[inner], train[outer], share)


def _one_each(data: Dataset, groups: IntArray, split: str) -> IntArray:
    """The first row of each exact group within a split."""
    rows = data.rows(split)
    return rows[np.sort(np.unique(groups[rows], return_index=True)[1])]


def clusters(data: Dataset, similar: SimilarPairs, *, params: SimilarityParams = SimilarityParams()) -> IntArray:
    """Cluster code of each row, (N,): connected components of equal, near-equal and contained texts and of equal `group`
    values."""
    keep = np.ones(len(similar.left), bool)
    found = _components(data, similar, keep)
    distinct = max(int(similar.groups.max(initial=-1)) + 1, 1)
    representatives = np.unique(similar.groups, return_index=True)[1]
    size = np.bincount(found[representatives], minlength=found.max(initial=-1) + 1)
    giant = np.flatnonzero((size > params.giant_share * distinct) & (size > 50))
    if len(giant):
        keep = ~np.isin(found[similar.left], giant) | (similar.jaccard >= params.giant_threshold)
        found = _components(data, similar, keep)
    return found


def _components(data: Dataset, similar: SimilarPairs, keep: npt.NDArray[np.bool_]) -> IntArray:
    n = len(data)
    anchor = np.unique(similar.groups, return_index=True)[1].astype(np.int64)
    left = [np.arange(n), similar.left[keep], similar.contained]
    right = [anchor[similar.groups], similar.right[keep], similar.container]
    column = data.table.column("group")
    if column.null_count < n:
        named = np.array([value or "" for value in column.to_pylist()])
        rows = np.flatnonzero(named != "")
        _, at, member = np.unique(named[rows], return_index=True, return_inverse=True)
        left.append(rows)
        right.append(rows[at][member])
    a, b = np.concatenate(left), np.concatenate(right)
    graph = sp.coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


# --- near-duplicates ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Family:
    """Texts compared in one way. rows: positions among the distinct texts. tokens: white-space separated units of each."""

    rows: IntArray
    tokens: list[str]
    ngram: int
    bands: int
    width: int


def _near(texts: list[str], *, params: SimilarityParams, engine: Engine) -> tuple[IntArray, IntArray, FloatArray]:
    """(left, right, jaccard) over positions of distinct texts, left < right, each pair once."""
    found: dict[str, list[npt.NDArray[np.generic]]] = {"left": [], "right": [], "jaccard": []}
    for family in _families(texts, params=params):
        if len(family.rows) < 2:
            continue
        shingles = _shingles(family)
        a, b = _candidates(family, params=params, engine=engine)
        jaccard = _exact_jaccard(shingles, a, b)
        kept = jaccard >= _threshold(np.minimum(*(np.diff(shingles.indptr)[side] for side in (a, b))), family, params=params)
        found["left"].append(family.rows[a[kept]])
        found["right"].append(family.rows[b[kept]])
        found["jaccard"].append(jaccard[kept])
    if not found["left"]:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    left, right = np.concatenate(found["left"]).astype(np.int64), np.concatenate(found["right"]).astype(np.int64)
    jaccard = np.concatenate(found["jaccard"]).astype(np.float64)
    low, high = np.minimum(left, right), np.maximum(left, right)
    order = np.lexsort((-jaccard, high, low))  # a pair seen both ways keeps its larger similarity
    low, high, jaccard = low[order], high[order], jaccard[order]
    first = np.ones(len(low), bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return low[first], high[first], jaccard[first]


def _threshold(n_shingles: npt.NDArray[np.int32], family: _Family, *, params: SimilarityParams) -> FloatArray:
    plain = params.word_threshold if _by_words(family) else params.character_threshold
    return np.asarray(
        np.interp(n_shingles, [params.few_shingles, params.enough_shingles], [params.short_threshold, plain])
        if not _by_words(family)
        else np.full(len(n_shingles), plain)
    )


def _by_words(family: _Family) -> bool:
    return family.ngram == WORD_NGRAM and family.width == 3


WORD_NGRAM, CHARACTER_NGRAM, CJK_NGRAM = 2, 4, 2
MANY_ROWS = 200_000
"""Distinct texts from which bands are one hash wider: fewer false candidates, at some recall near the threshold."""


def is_cjk(text: str) -> bool:
    """Whether at least a third of the text is written in Chinese, Japanese or Korean characters."""
    sample = text[:400]
    count = sum("⺀" <= c <= "鿿" or "가" <= c <= "힣" or "豈" <= c <= "\ufaff" for c in sample)
    return count * 3 >= len(sample) > 0


def _families(texts: list[str], *, params: SimilarityParams) -> list[_Family]:
    cjk: list[int] = []
    short: list[int] = []
    long: list[int] = []
    for position, text in enumerate(texts):
        if not text.isascii() and is_cjk(text):
            cjk.append(position)
            continue
        n_words = text.count(" ") + 1
        if n_words <= params.short_words:
            short.append(position)
        if n_words >= params.long_words:
            long.append(position)
    extra = int(len(texts) > MANY_ROWS)

    def spaced(rows: list[int]) -> list[str]:
        return [" ".join(texts[i].replace(" ", "_")) for i in rows]

    return [
        _Family(np.array(cjk, np.int64), spaced(cjk), CJK_NGRAM, bands=48, width=4 + extra),
        _Family(np.array(short, np.int64), spaced(short), CHARACTER_NGRAM, bands=48, width=4 + extra),
        _Family(np.array(long, np.int64), [texts[i] for i in long], WORD_NGRAM, bands=42, width=3),
    ]


def _shingles(family: _Family) -> sp.csr_matrix:
    """Which shingles each text has: binary csr (rows, distinct shingles)."""
    codes: dict[str, int] = {}
    ids: list[int] = []
    lengths = np.empty(len(family.tokens), np.int64)
    for position, text in enumerate(family.tokens):
        units = text.split(" ")
        lengths[position] = len(units)
        ids.extend([codes.setdefault(unit, len(codes)) for unit in units])
    flat = np.array(ids, dtype=np.uint64)
    n = family.ngram
    with np.errstate(over="ignore"):
        code = np.zeros(max(len(flat) - n + 1, 0), np.uint64)
        for k in range(n):
            code = code * np.uint64(0x9E3779B97F4A7C15) + (flat[k : len(flat) - n + 1 + k] + np.uint64(1))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    row = np.repeat(np.arange(len(lengths)), np.maximum(lengths - n + 1, 1))
    offset = np.arange(len(row)) - np.repeat(np.cumsum(np.maximum(lengths - n + 1, 1)) - np.maximum(lengths - n + 1, 1),
                                             np.maximum(lengths - n + 1, 1))  # fmt: skip
    at = starts[row] + offset
    whole = lengths[row] >= n
    value = np.where(whole, code[np.minimum(at, max(len(code) - 1, 0))] if len(code) else np.uint64(0), flat[starts[row]])
    distinct, column = np.unique(value, return_inverse=True)
    matrix = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(lengths), len(distinct)))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _candidates(family: _Family, *, params: SimilarityParams, engine: Engine) -> tuple[IntArray, IntArray]:
    """Pairs of texts (positions within the family) that share at least one band of their signatures."""
    signatures = minhash(family.tokens, n_hashes=family.bands * family.width, ngram=family.ngram, seed=1, engine=engine)
    n = len(family.tokens)
    pairs = [np.zeros(0, np.int64)]
    for band in range(family.bands):
        part = signatures[:, band * family.width : (band + 1) * family.width].astype(np.uint64)
        with np.errstate(over="ignore"):
            key = np.zeros(n, np.uint64)
            for column in part.T:
                key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
                key ^= key >> np.uint64(29)
        order = np.argsort(key, kind="stable")
        edge = np.flatnonzero(np.concatenate([[True], key[order][1:] != key[order][:-1], [True]]))
        size = np.diff(edge)
        pairs.append(_bucket_pairs(order, edge[:-1][size > 1], size[size > 1], n=n, hot=params.hot_bucket))
        if sum(map(len, pairs)) > 4_000_000:
            pairs = [np.unique(np.concatenate(pairs))]
    both = np.unique(np.concatenate(pairs))
    return both // n, both % n


def _bucket_pairs(order: IntArray, start: IntArray, size: IntArray, *, n: int, hot: int) -> IntArray:
    """Every pair within a bucket, coded low * n + high; in a hot bucket each row with the next three."""
    made = [np.zeros(0, np.int64)]
    for gap in range(1, hot):
        wide = (size > gap) & ((size <= hot) | (gap <= 3))
        if not wide.any():
            break
        count = size[wide] - gap
        at = np.repeat(start[wide] - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        a, b = order[at], order[at + gap]
        made.append(np.minimum(a, b) * n + np.maximum(a, b))
    return np.concatenate(made)


def _exact_jaccard(shingles: sp.csr_matrix, left: IntArray, right: IntArray) -> FloatArray:
    size = np.diff(shingles.indptr).astype(np.float64)
    shared = np.zeros(len(left))
    for start in range(0, len(left), 200_000):
        part = slice(start, start + 200_000)
        product = shingles[left[part]].multiply(shingles[right[part]])
        shared[part] = np.asarray(product.sum(axis=1)).ravel()
    return np.asarray(shared / np.maximum(size[left] + size[right] - shared, 1.0))


# --- containment ----------------------------------------------------------------------------------------------------------------

CONTAINED_NGRAM, CONTAINED_CJK_NGRAM = 4, 6
MIN_CONTAINED = 5
"""Long shingles a text must have to be looked for inside others: 8 words, or 10 Chinese characters."""


def containment(
    tests: Sequence[str], trains: Sequence[str], *, params: SimilarityParams = SimilarityParams()
) -> tuple[IntArray, IntArray, FloatArray]:
    """(test, train, share) for normalised test texts of which at least `contained_share` of the long shingles stand in one longer
    train text. Boilerplate is ignored on both sides; each test text is listed once, with its fullest container."""
    inner, outer = _long_shingles(tests), _long_shingles(trains)
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    if not len(inner[0]) or not len(outer[0]):
        return empty
    columns = np.unique(outer[1])
    frequency = np.bincount(np.searchsorted(columns, outer[1]), minlength=len(columns))
    rare = columns[frequency <= params.boilerplate_rows]
    matrices = []
    for (row, code), n in ((inner, len(tests)), (outer, len(trains))):
        position = np.minimum(np.searchsorted(rare, code), max(len(rare) - 1, 0))
        known = rare[position] == code if len(rare) else np.zeros(len(code), bool)
        matrices.append(
            sp.csr_matrix((np.ones(int(known.sum()), np.float32), (row[known], position[known])), (n, max(len(rare), 1)))
        )
    total = np.bincount(inner[0], minlength=len(tests)).astype(np.float64)
    shared = (matrices[0] @ matrices[1].T).tocoo()
    words = [np.array([len(text) for text in side]) for side in (tests, trains)]
    share = shared.data / np.maximum(total[shared.row], 1.0)
    longer = words[1][shared.col] > words[0][shared.row]
    kept = np.flatnonzero((share >= params.contained_share) & longer & (total[shared.row] >= MIN_CONTAINED))
    order = kept[np.lexsort((shared.col[kept], -share[kept], shared.row[kept]))]
    first = np.unique(shared.row[order], return_index=True)[1]
    chosen = order[first]
    return shared.row[chosen].astype(np.int64), shared.col[chosen].astype(np.int64), share[chosen].astype(np.float64)


def _long_shingles(texts: Sequence[str]) -> tuple[IntArray, U64]:
    """(row, code) of every distinct long shingle of every text."""
    rows: list[int] = []
    codes: list[int] = []
    for position, text in enumerate(texts):
        cjk = not text.isascii() and is_cjk(text)
        units = list(text.replace(" ", "")) if cjk else text.split(" ")
        n = CONTAINED_CJK_NGRAM if cjk else CONTAINED_NGRAM
        found = {_stable_hash(tuple(units[i : i + n])) for i in range(len(units) - n + 1)}
        rows.extend([position] * len(found))
        codes.extend(found)
    return np.array(rows, np.int64), np.array(codes, np.uint64)


def _stable_hash(units: tuple[str, ...]) -> int:
    import zlib

    joined = "\x1f".join(units).encode()
    return zlib.crc32(joined) << 32 | zlib.adler32(joined)
