"""Sparse features of texts: words, word pairs and character n-grams, hashed once and shared by every model and fold.

A feature is the 64-bit hash of an n-gram, so there is no vocabulary to fit: fold models differ only in their document
frequencies and weights, and their margins are comparable. Alphabetic text gives words, adjacent word pairs and character
3- and 4-grams inside a word with its boundaries; CJK text gives runs of 1 to 3 characters. Everything is vectorised over one
array of code points. Hashing without collisions at this width: Weinberger et al. 2009, arXiv:0902.2206.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from veridical.dataset.rows import BoolArray, Text

U64 = npt.NDArray[np.uint64]
BATCH_CHARACTERS = 4_000_000
"""Code points hashed at a time; bounds memory at about 1 GB. Ours; no source."""
_BASE = 0x9E3779B97F4A7C15  # odd, so it has an inverse modulo 2**64
_BASE_INVERSE = pow(_BASE, -1, 2**64)
_ALPHABETIC, _CJK = 1, 2
_WORD_KINDS = (1, 2, 20)
"""Kinds of n-gram that stand for words: CJK runs of 1 and 2 characters, alphabetic words."""


@dataclass(frozen=True, eq=False)
class HashedText:
    """matrix: counts, csr float32, shape (N, F). hashes: the feature of each column, uint64, ascending, shape (F,)."""

    matrix: sp.csr_matrix
    hashes: U64

    def rows(self, positions: npt.NDArray[np.int64]) -> "HashedText":
        return HashedText(self.matrix[positions], self.hashes)


def hashed(inputs: Sequence[Text]) -> HashedText:
    """Feature counts of texts or pairs of texts; the two texts of a pair have features of their own."""
    if inputs and isinstance(inputs[0], tuple):
        fields = [[pair[0] for pair in inputs], [pair[1] for pair in inputs]]
    else:
        fields = [[str(text) for text in inputs]]
    rows, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
    for salt, texts in enumerate(fields):
        for start, batch in _batches(texts):
            row, code = _occurrences(batch, salt=salt)
            rows.append(row + start)
            codes.append(code)
    row, code = np.concatenate(rows), np.concatenate(codes)
    hashes, column = np.unique(code, return_inverse=True)
    matrix = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), shape=(len(inputs), len(hashes)))
    return HashedText(matrix, hashes)


def aligned(inputs: Sequence[Text], hashes: U64) -> sp.csr_matrix:
    """Counts of `inputs` in the columns of `hashes` (sorted); n-grams not among them are dropped. Shape (N, len(hashes))."""
    if not len(hashes):
        return sp.csr_matrix((len(inputs), 0), dtype=np.float32)
    found = hashed(inputs)
    position = np.minimum(np.searchsorted(hashes, found.hashes), len(hashes) - 1)
    known = hashes[position] == found.hashes
    kept = found.matrix[:, np.flatnonzero(known)].tocsr()
    moved = (kept.data, position[known][kept.indices], kept.indptr)
    return sp.csr_matrix(moved, shape=(len(inputs), len(hashes)))


def _batches(texts: list[str]) -> list[tuple[int, list[str]]]:
    batches: list[tuple[int, list[str]]] = []
    start, size = 0, 0
    for position, text in enumerate(texts):
        size += len(text) + 1
        if size > BATCH_CHARACTERS:
            batches.append((start, texts[start : position + 1]))
            start, size = position + 1, 0
    batches.append((start, texts[start:]))
    return batches


def _occurrences(texts: list[str], *, salt: int) -> tuple[npt.NDArray[np.int64], U64]:
    """(row, feature hash) of every n-gram occurrence."""
    # Each text is fenced by blanks, so no n-gram crosses into the next one.
    folded = [f" {unicodedata.normalize('NFKC', text).casefold()} " for text in texts]
    joined = "".join(folded)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    row_of = np.repeat(np.arange(len(texts)), [len(text) for text in folded])
    kind = _kinds(points)
    with np.errstate(over="ignore"):
        powers = np.full(len(points) + 1, _BASE, np.uint64)
        inverses = np.full(len(points) + 1, _BASE_INVERSE, np.uint64)
        powers[0] = inverses[0] = 1
        powers, inverses = np.multiply.accumulate(powers), np.multiply.accumulate(inverses)
        sums = np.zeros(len(points) + 1, np.uint64)
        np.cumsum((points.astype(np.uint64) + np.uint64(1)) * powers[:-1], out=sums[1:])
        found = [*_cjk_runs(kind, sums, inverses), *_word_parts(kind, sums, inverses), *_words(kind, row_of, sums, inverses)]
        rows = [row_of[at] for at, _, _ in found]
        codes = [_mix(code, kind=number, salt=salt) for _, code, number in found]
    return np.concatenate(rows), np.concatenate(codes)


def _kinds(points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """0 for blanks and punctuation, _ALPHABETIC for letters and digits, _CJK for characters written without blanks."""
    distinct, inverse = np.unique(points, return_inverse=True)
    kinds = np.zeros(len(distinct), np.uint8)
    for position, point in enumerate(distinct.tolist()):
        if 0x2E80 <= point <= 0x9FFF or 0xF900 <= point <= 0xFAFF or 0x20000 <= point <= 0x3FFFF:
            kinds[position] = _CJK if chr(point).isalnum() else 0
        elif chr(point).isalnum():
            kinds[position] = _ALPHABETIC
    return kinds[inverse]


Found = tuple[npt.NDArray[np.int64], U64, int]


def _cjk_runs(kind: npt.NDArray[np.uint8], sums: U64, inverses: U64) -> list[Found]:
    cjk = kind == _CJK
    found: list[Found] = []
    inside = cjk
    for n in (1, 2, 3):
        if n > 1:
            inside = inside[:-1] & cjk[n - 1 :]
        at = np.flatnonzero(inside)
        found.append((at, (sums[at + n] - sums[at]) * inverses[at], n))
    return found


def _word_parts(kind: npt.NDArray[np.uint8], sums: U64, inverses: U64) -> list[Found]:
    """Character 3- and 4-grams of alphabetic words; the first and last position may be the boundary."""
    letter = kind == _ALPHABETIC
    found: list[Found] = []
    for n in (3, 4):
        if len(kind) < n:
            continue
        inner = np.ones(len(kind) - n + 1, bool)
        for k in range(1, n - 1):
            inner &= letter[k : k + len(inner)]
        at = np.flatnonzero(inner)
        # A boundary counts as one symbol whatever it is: drop its own code point from the hash.
        first, last = letter[at], letter[at + n - 1]
        low, high = at + ~first, at + n - ~last
        code = (sums[high] - sums[low]) * inverses[low]
        found.append((at, code * np.uint64(4) + first.astype(np.uint64) * np.uint64(2) + last.astype(np.uint64), 10 + n))
    return found


def _words(kind: npt.NDArray[np.uint8], row_of: npt.NDArray[np.int64], sums: U64, inverses: U64) -> list[Found]:
    letter = np.concatenate([[False], kind == _ALPHABETIC, [False]])
    edges = np.flatnonzero(letter[1:] != letter[:-1])
    start, end = edges[::2], edges[1::2]
    code = (sums[end] - sums[start]) * inverses[start]
    adjacent = np.flatnonzero(row_of[start[:-1]] == row_of[start[1:]]) if len(start) > 1 else np.zeros(0, np.int64)
    pair = code[adjacent] * np.uint64(0xD6E8FEB86659FD93) + code[adjacent + 1] if len(adjacent) else np.zeros(0, np.uint64)
    return [(start, code, 20), (start[adjacent], pair, 21)]


def _mix(code: U64, *, kind: int, salt: int) -> U64:
    """Spread the bits (splitmix64 finaliser) so that kinds and fields do not collide; the lowest bit marks words."""
    mixed = code + np.uint64((kind * 2 + salt + 1) * _BASE % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed & ~np.uint64(1)) | np.uint64(kind in _WORD_KINDS)


def is_word(hashes: U64) -> BoolArray:
    """Which features are whole words (for CJK: one or two characters) and not parts or pairs of words."""
    return np.asarray(hashes & np.uint64(1), dtype=bool)
