"""Entities that are right, to be found and said, counted for every row and type at once.

All rows stand in one array of integers, an O after each; spans are found from pairs of neighbours, with no loop over words.
Equal to seqeval 1.2.2 (default and strict) and to nervaluate's strict count: tests/unit/tasks/test_entity_scores.py.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import numpy.typing as npt

from veridical.core.errors import InputError
from veridical.tasks._tags import LETTERS, OUTSIDE, bits, parted

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EntityCounts:
    """types: sorted, W of them, every type in the tags. right, true, predicted: of each row and type, (n, W)."""

    types: tuple[str, ...]
    right: FloatArray
    true: FloatArray
    predicted: FloatArray


@dataclass(frozen=True, eq=False)
class _Coded:
    """known: distinct tags by code. gold, predicted: codes, an O after every row. row: of every place."""

    known: tuple[str, ...]
    gold: IntArray
    predicted: IntArray
    row: IntArray
    n_rows: int

    def counted(self, places: IntArray, kinds: IntArray, n_kinds: int) -> FloatArray:
        """(n, n_kinds): how often a kind stands in a row."""
        flat = np.bincount(self.row[places] * n_kinds + kinds, minlength=self.n_rows * n_kinds)
        return flat.astype(np.float64).reshape(self.n_rows, n_kinds)


def entity_counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], *, scheme: str, strict: bool = False
) -> EntityCounts:
    """Entities in the tags of n rows, right and given; see `_tags.spans`.

    Raises InputError where lengths differ or a tag is none of the scheme's.
    """
    coded = _coded(gold, predicted)
    letters, types = zip(*(parted(tag, scheme=scheme) for tag in coded.known), strict=True)
    names = tuple(sorted(set(types) - {""}))
    place = {name: at for at, name in enumerate(("", *names), start=-1)}
    letter, kind = np.array([LETTERS.index(each) for each in letters]), np.array([place[each] for each in types])
    says = np.array(list(bits(scheme, strict=strict).values())).reshape(len(LETTERS), len(LETTERS), 2)
    pair = says[letter[:, None], letter[None, :], (kind[:, None] != kind[None, :]).astype(int)]  # (code before, code here)
    starts, ends = _spans(coded.gold, pair)
    starts_said, ends_said = _spans(coded.predicted, pair)
    end_said = np.zeros(len(coded.row), np.int64)
    end_said[starts_said] = ends_said
    kinds, kinds_said = kind[coded.gold[starts]], kind[coded.predicted[starts_said]]
    hit = (end_said[starts] == ends) & (kind[coded.predicted[starts]] == kinds)
    return EntityCounts(
        names,
        coded.counted(starts[hit], kinds[hit], len(names)),
        coded.counted(starts, kinds, len(names)),
        coded.counted(starts_said, kinds_said, len(names)),
    )


def _coded(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> _Coded:
    lengths = np.fromiter(map(len, gold), np.int64, len(gold))
    if len(gold) != len(predicted) or not np.array_equal(lengths, np.fromiter(map(len, predicted), np.int64, len(gold))):
        raise InputError("Right and given tags differ in length. Give one tag for every word.")
    codes: defaultdict[str, int] = defaultdict()
    codes.default_factory = codes.__len__
    _ = codes[OUTSIDE]
    n = int(lengths.sum()) + len(gold)
    gold_codes, said_codes = (
        np.fromiter(map(codes.__getitem__, chain.from_iterable(chain.from_iterable(zip(rows, repeat((OUTSIDE,)))))), np.int64, n)
        for rows in (gold, predicted)
    )
    return _Coded(tuple(codes), gold_codes, said_codes, np.repeat(np.arange(len(gold)), lengths + 1), len(gold))


def _spans(codes: IntArray, pair: IntArray) -> tuple[IntArray, IntArray]:
    """Start and end (exclusive) of every span. pair: what two neighbouring codes say, bits as in `_tags.Reading`."""
    said = pair[np.concatenate([[0], codes[:-1]]), codes] if len(codes) else codes
    may_start, may_go_on = (said & 1) > 0, (said & 2) > 0
    goes_on = may_go_on[1:] & may_start[:-1]
    start = may_start.copy()
    start[1:] &= ~goes_on  # a pair that does both goes on with the span that its first letter starts
    starts, stops = np.flatnonzero(start), np.flatnonzero(~may_go_on)
    ends = stops[np.searchsorted(stops, starts, side="right")]
    kept = (said[ends] & 4) > 0
    return starts[kept], ends[kept]
