"""Shingles: runs of n adjacent units of a text (words, or characters) as 64-bit codes, for many texts at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from veridical.dataset.rows import IntArray

U64 = npt.NDArray[np.uint64]
_ODD = np.uint64(0x9E3779B97F4A7C15)


def characters(texts: Sequence[str]) -> tuple[U64, IntArray]:
    """(units of all texts in a row, units of each text): the code points."""
    joined = "".join(texts).encode("utf-32-le")
    return np.frombuffer(joined, "<u4").astype(np.uint64), np.fromiter(map(len, texts), np.int64, len(texts))


def words(texts: Sequence[str]) -> tuple[pa.Array, IntArray]:
    """(words of all texts in a row, words of each text)."""
    parts = pc.split_pattern(pa.array(texts, pa.large_string()), " ")
    return parts.flatten(), np.asarray(pc.list_value_length(parts), np.int64)


def word_codes(found: pa.Array, vocabulary: pa.Array) -> U64:
    """Position of each word in the vocabulary; words outside it all get the position behind the last."""
    known = pc.fill_null(pc.index_in(found, value_set=vocabulary), len(vocabulary))
    return np.asarray(known).astype(np.uint64)


def shingles(units: U64, lengths: IntArray, n: int) -> tuple[IntArray, U64]:
    """(text, code) of every run of `n` units; a text shorter than that is one run."""
    ends = np.cumsum(lengths)
    short = np.flatnonzero((lengths < n) & (lengths > 0))
    start = ends[short] - lengths[short]
    padded = np.concatenate([units + np.uint64(1), np.zeros(n, np.uint64)])
    code, short_code = np.zeros(len(units), np.uint64), np.zeros(len(short), np.uint64)
    for k in range(n):
        code = code * _ODD + padded[k : k + len(units)]
        short_code = short_code * _ODD + np.where(k < lengths[short], padded[start + k], np.uint64(0))
    text = np.repeat(np.arange(len(lengths)), lengths)
    kept = ends[text] - np.arange(len(units)) >= n
    kept[start] = True
    code[start] = short_code
    return text[kept], code[kept]


def distinct(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """The distinct values, ascending. Sorting beats the hashing of np.unique tenfold on millions of codes."""
    ordered = np.sort(values)
    new = np.ones(len(ordered), bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return ordered[new]
