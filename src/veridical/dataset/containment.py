"""Test texts that stand inside one longer train text, found by long shingles (4 words; 6 Chinese characters) they share."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import IntArray
from veridical.dataset.shingles import U64, characters, distinct, shingles, word_codes, words

FloatArray = npt.NDArray[np.float64]
Found = tuple[IntArray, IntArray, FloatArray]

WORDS, CHARACTERS = 4, 6
"""Units of a long shingle."""
MIN_SHINGLES = 5
"""Long shingles a text must have to be looked for inside others: 8 words, or 10 Chinese characters."""
_CHUNK = 20_000


def containment(tests: Sequence[str], trains: Sequence[str], *, contained_share: float, boilerplate_rows: int) -> Found:
    """(test, train, share) for normalised test texts of which at least `contained_share` of the long shingles stand in one longer
    train text. A shingle of more than `boilerplate_rows` train texts counts as found nowhere. Each test text is listed once, with
    its fullest container; among equals the shortest, then the first in the alphabet, so that the order of rows says nothing."""
    sides = [np.fromiter(map(is_cjk, side), bool, len(side)) for side in (tests, trains)]
    found: list[Found] = []
    for cjk in (False, True):
        inner, outer = (np.flatnonzero(side == cjk) for side in sides)
        if len(inner) and len(outer):
            same = [tests[i] for i in inner.tolist()], [trains[i] for i in outer.tolist()]
            test, train, share = _one_script(*same, cjk=cjk, boilerplate_rows=boilerplate_rows)
            found.append((inner[test], outer[train], share))
    test, train, share = _joined(found)
    lengths = [np.fromiter(map(len, side), np.int64, len(side)) for side in (tests, trains)]
    kept = np.flatnonzero((share >= contained_share) & (lengths[1][train] > lengths[0][test]))
    rank = np.zeros(len(trains), np.int64)
    chosen = sorted(set(train[kept].tolist()), key=lambda i: (len(trains[i]), trains[i]))
    rank[chosen] = np.arange(len(chosen))
    order = kept[np.lexsort((rank[train[kept]], -share[kept], test[kept]))]
    best = order[np.unique(test[order], return_index=True)[1]]
    return test[best], train[best], share[best]


def _joined(found: list[Found]) -> Found:
    none = np.zeros(0, np.int64)
    parts = [(none, none, np.zeros(0)), *found]
    return (
        np.concatenate([part[0] for part in parts]).astype(np.int64),
        np.concatenate([part[1] for part in parts]).astype(np.int64),
        np.concatenate([part[2] for part in parts]).astype(np.float64),
    )


def _one_script(tests: list[str], trains: list[str], *, cjk: bool, boilerplate_rows: int) -> Found:
    """Every (test, train) that share a long shingle, with the share of the test text's shingles found there."""
    inner, wanted, chunks = _characters(tests, trains) if cjk else _words(tests, trains)
    row, column = inner
    total = np.bincount(row, minlength=len(tests))
    in_train = [_hits(code, train, wanted) for train, code in chunks]
    pairs = distinct(np.concatenate([np.zeros(0, np.int64), *in_train])).astype(np.int64)
    train, known = pairs // max(len(wanted), 1), pairs % max(len(wanted), 1)
    rare = np.bincount(known, minlength=len(wanted)) <= boilerplate_rows
    enough, plain = total[row] >= MIN_SHINGLES, rare[known]
    counts = _binary(row[enough], column[enough], (len(tests), len(wanted)))
    shared = (counts @ _binary(train[plain], known[plain], (len(trains), len(wanted))).T).tocoo()
    return shared.row.astype(np.int64), shared.col.astype(np.int64), shared.data / total[shared.row]


def _binary(row: IntArray, column: IntArray, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.ones(len(row), np.float64), (row, column)), shape)


Inner = tuple[IntArray, IntArray]
Chunks = Iterator[tuple[IntArray, U64]]


def _words(tests: list[str], trains: list[str]) -> tuple[Inner, U64, Chunks]:
    """Shingles of the tests as (row, column), the code of each column, and chunks of (train, code). Train texts are read through
    the vocabulary of the tests: other words make no shingle that is looked for."""
    units, lengths = words(tests)
    vocabulary = units.unique()

    def chunks() -> Chunks:
        for start in range(0, len(trains), _CHUNK):
            found, n_words = words(trains[start : start + _CHUNK])
            train, code = shingles(word_codes(found, vocabulary), n_words, WORDS)
            yield train + start, code

    return *_columns(*shingles(word_codes(units, vocabulary), lengths, WORDS)), chunks()


def _characters(tests: list[str], trains: list[str]) -> tuple[Inner, U64, Chunks]:
    def chunks() -> Chunks:
        for start in range(0, len(trains), _CHUNK):
            part = [text.replace(" ", "") for text in trains[start : start + _CHUNK]]
            train, code = shingles(*characters(part), CHARACTERS)
            yield train + start, code

    return *_columns(*shingles(*characters([text.replace(" ", "") for text in tests]), CHARACTERS)), chunks()


def _columns(row: IntArray, code: U64) -> tuple[Inner, U64]:
    """((row, column) of distinct shingles, code of each column ascending)."""
    wanted, column = np.unique(code, return_inverse=True)
    pairs = distinct(row * len(wanted) + column).astype(np.int64)
    return (pairs // max(len(wanted), 1), pairs % max(len(wanted), 1)), wanted


def _hits(code: U64, train: IntArray, wanted: U64) -> IntArray:
    """train * len(wanted) + column, of the codes that are wanted."""
    if not len(wanted):
        return np.zeros(0, np.int64)
    sieve = np.zeros(1 << 22, bool)  # most codes are wanted by nobody; a look at 22 bits spares them the search
    shift = np.uint64(42)
    sieve[wanted >> shift] = True
    maybe = np.flatnonzero(sieve[code >> shift])
    column = np.minimum(np.searchsorted(wanted, code[maybe]), len(wanted) - 1)
    found = wanted[column] == code[maybe]
    return np.asarray(train[maybe[found]] * len(wanted) + column[found], np.int64)
