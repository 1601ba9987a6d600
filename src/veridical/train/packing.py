"""Documents as rows of a step: packed end to end, in pairs of passages, or one by one.

A segment is what may attend to itself and to nothing else. In a packed row stand several; each has position ids of its own, and
the mask in models/_pretraining_network.py keeps them apart (as Krell et al. 2021, arXiv:2107.02027).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from veridical.core.randomness import stream
from veridical.dataset.corpus import sentences
from veridical.dataset.rows import IntArray
from veridical.train.batching import epoch_batches

OPEN_ROWS = 64
"""Rows that wait for a segment that still fits. Ours; no source."""
BLOCK = 2000
"""Texts handed to the tokenizer at once."""
Layout = Literal["packed", "pairs", "single"]
Span = tuple[int, int]
"""First token and the one behind the last, in the flat ids."""


@dataclass(frozen=True, slots=True)
class Special:
    """Ids of the special tokens (open and close frame a segment), of all ordinary entries (for random replacements), and how many
    entries there are. mask: None where the tokenizer has none."""

    pad: int
    open: int
    close: int
    mask: int | None
    ordinary: IntArray
    size: int

    @classmethod
    def of(cls, tokenizer: Any) -> "Special":
        opens = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
        closes = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        opens = closes if opens is None else opens
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else closes
        special = set(tokenizer.all_special_ids)
        ordinary = np.array([code for code in range(len(tokenizer)) if code not in special], np.int64)
        return cls(pad, opens, closes, tokenizer.mask_token_id, ordinary, len(tokenizer))


@dataclass(frozen=True, eq=False, slots=True)
class Pieces:
    """Documents cut into units (whole documents, or sentences), tokenised once and kept flat, without special tokens.

    ids, words: (total,); words numbers the words of a unit. starts: (units + 1,). document: (units,) ascending.
    """

    ids: IntArray
    words: IntArray
    starts: IntArray
    document: IntArray

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.starts)


def tokenised(tokenizer: Any, texts: Sequence[str], *, by_sentence: bool, documents: Sequence[int] | None = None) -> Pieces:
    """Every text as one unit, or as its sentences. documents: what the texts are called, default 0, 1, 2 ..."""
    names = range(len(texts)) if documents is None else documents
    units = [
        (name, part) for name, text in zip(names, texts, strict=True) for part in (sentences(text) if by_sentence else [text])
    ]
    ids: list[IntArray] = [np.zeros(0, np.int64)]
    words: list[IntArray] = [np.zeros(0, np.int64)]
    kept: list[int] = []
    for start in range(0, len(units), BLOCK):
        block = units[start : start + BLOCK]
        coded = tokenizer([part for _, part in block], add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for at, (name, part) in enumerate(block):
            row = np.asarray(coded["input_ids"][at], np.int64)
            if len(row):
                ids.append(row)
                words.append(_words(part, coded["offset_mapping"][at], coded.word_ids(at)))
                kept.append(name)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ids[1:]])]).astype(np.int64)
    return Pieces(np.concatenate(ids), np.concatenate(words), starts, np.asarray(kept, np.int64))


def _words(text: str, offsets: Sequence[Span], numbers: Sequence[int | None]) -> IntArray:
    """The word of each token: the tokenizer's own; within Chinese, the words of jieba's dictionary."""
    own = np.array([-1 if number is None else number for number in numbers], np.int64)
    if not any("\u4e00" <= c <= "\u9fff" for c in text):
        return own
    from veridical.dataset.words import han_words

    at = np.full(len(text) + 1, -1, np.int64)  # the Chinese word of each character, -1 elsewhere
    for number, (begin, end) in enumerate(han_words(text)):
        at[begin:end] = number
    of_token = np.array([at[begin] if begin < len(text) else -1 for begin, _ in offsets], np.int64)
    # Chinese words first, then the tokenizer's: numbers only need to differ.
    joined = np.where(of_token >= 0, of_token, own + int(at.max(initial=0)) + 1)
    return np.asarray(np.unique(joined, return_inverse=True)[1], np.int64)


@dataclass(frozen=True, slots=True)
class Segment:
    """spans: one run of tokens, or two of a pair. document: whose. follows: of a pair, 1 where the second run comes next in the
    document, 0 where it is of another one; -1 where there is no pair."""

    spans: tuple[Span, ...]
    document: int
    follows: int = -1

    @property
    def length(self) -> int:
        """With the special tokens around it."""
        return sum(end - start for start, end in self.spans) + len(self.spans) + 1


Row = tuple[Segment, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Shown:
    """What stands in a batch, all (B, T). segment: 1, 2 ... within a row, 0 padding. positions restart with each segment. types:
    0, or 1 in the second run of a pair. words: differ between words of a row, -1 special and padding. owner: document of each
    token, -1 padding. follows: (B,) of the first segment."""

    ids: IntArray
    segment: IntArray
    positions: IntArray
    types: IntArray
    words: IntArray
    owner: IntArray
    follows: IntArray

    @property
    def n_tokens(self) -> int:
        return int((self.segment > 0).sum())

    def with_ids(self, ids: IntArray) -> "Shown":
        return replace(self, ids=ids)


def rows_of(pieces: Pieces, layout: Layout, *, max_length: int, rng: np.random.Generator | None) -> list[Row]:
    """All of the text as rows of at most `max_length` tokens. rng: for the order and the pairs; None keeps the order of the
    documents (and draws pairs from a fixed stream)."""
    if layout == "pairs":
        return [(segment,) for segment in _pairs(pieces, max_length, rng or stream(0, "held-out pairs"))]
    segments = _segments(
        pieces, max_length, np.arange(len(pieces.document)) if rng is None else rng.permutation(len(pieces.document))
    )
    return [(segment,) for segment in segments] if layout == "single" else packed(segments, max_length)


def _segments(pieces: Pieces, max_length: int, order: IntArray) -> list[Segment]:
    """Every unit, longer ones cut; what is cut off stands in a segment of its own."""
    body, found = max_length - 2, []
    for unit in order.tolist():
        start, end, document = int(pieces.starts[unit]), int(pieces.starts[unit + 1]), int(pieces.document[unit])
        found += [Segment(((at, min(at + body, end)),), document) for at in range(start, end, body)]
    return found


def packed(segments: Sequence[Segment], max_length: int) -> list[Row]:
    """Segments into rows, each into the fullest open row that still has room for it."""
    done: list[Row] = []
    waiting: list[tuple[int, list[Segment]]] = []
    for segment in segments:
        fits = [at for at, (room, _) in enumerate(waiting) if room >= segment.length]
        if fits:
            at = min(fits, key=lambda i: waiting[i][0])
            room, row = waiting.pop(at)
        else:
            room, row = max_length, []
        row.append(segment)
        waiting.append((room - segment.length, row))
        if len(waiting) > OPEN_ROWS:
            fullest = min(range(len(waiting)), key=lambda i: waiting[i][0])
            done.append(tuple(waiting.pop(fullest)[1]))
    return [*done, *(tuple(row) for _, row in waiting)]


def _pairs(pieces: Pieces, max_length: int, rng: np.random.Generator) -> list[Segment]:
    """Passages of every document of two sentences or more, each with the one that follows or, as often, one of another document
    (Devlin et al. 2019, arXiv:1810.04805)."""
    body = max_length - 3
    firsts = np.flatnonzero(np.diff(pieces.document, prepend=-1))
    bounds = list(zip(firsts.tolist(), [*firsts.tolist()[1:], len(pieces.document)], strict=True))
    found = []
    for number, (begin, end) in enumerate(bounds):
        at = begin
        while at < end - 1:
            cut = _run(pieces, at, end - 1, body // 2)
            first = (int(pieces.starts[at]), min(int(pieces.starts[cut]), int(pieces.starts[at]) + body // 2))
            room = body - (first[1] - first[0])
            follows = int(len(bounds) == 1 or rng.random() < 0.5)
            if follows:
                start, after = cut, _run(pieces, cut, end, room)
            else:
                other = (number + int(rng.integers(1, len(bounds)))) % len(bounds)
                start = int(rng.integers(*bounds[other]))
                after = _run(pieces, start, bounds[other][1], room)
            second = (int(pieces.starts[start]), min(int(pieces.starts[after]), int(pieces.starts[start]) + room))
            found.append(Segment((first, second), int(pieces.document[begin]), follows))
            at = after if follows else cut  # what was not read as the second passage is read as the next first one
    return found


def _run(pieces: Pieces, start: int, end: int, room: int) -> int:
    """The unit behind the longest run from `start` that fits into `room` tokens; at least one unit."""
    limit = int(np.searchsorted(pieces.starts, pieces.starts[start] + room, side="right")) - 1
    return max(start + 1, min(limit, end))


def steps_of(rows: Sequence[Row], *, token_budget: int, seed: int, epoch: int) -> list[list[Row]]:
    """The rows of each step of one epoch: of like length, in an order given by seed and epoch."""
    lengths = np.array([sum(segment.length for segment in row) for row in rows], np.int64)
    runs = epoch_batches(np.arange(len(rows)), lengths, token_budget=token_budget, seed=seed, epoch=epoch)
    return [[rows[i] for i in run] for run in runs]


def shown(rows: Sequence[Row], pieces: Pieces, special: Special) -> Shown:
    """The rows as one batch, filled up on the right."""
    width = max(sum(segment.length for segment in row) for row in rows)
    shape = (len(rows), width)
    ids, words, owner = np.full(shape, special.pad), np.full(shape, -1), np.full(shape, -1)
    segments, positions, types = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for r, row in enumerate(rows):
        at, n_words = 0, 0
        for number, segment in enumerate(row, start=1):
            here = slice(at, at + segment.length)
            segments[r, here], owner[r, here] = number, segment.document
            positions[r, here] = np.arange(segment.length)
            ids[r, at] = special.open
            at += 1
            for second, (start, end) in enumerate(segment.spans):
                run = slice(at, at + end - start)
                ids[r, run] = pieces.ids[start:end]
                # Words are numbered within units; a run over several units repeats numbers, so they are counted anew.
                words[r, run] = n_words + _counted(pieces, start, end)
                n_words = int(words[r, run].max(initial=n_words - 1)) + 1
                at = run.stop
                ids[r, at] = special.close
                types[r, run.start : at + 1] = second
                at += 1
    follows = np.array([row[0].follows for row in rows], np.int64)
    return Shown(ids.astype(np.int64), segments, positions, types, words.astype(np.int64), owner.astype(np.int64), follows)


def _counted(pieces: Pieces, start: int, end: int) -> IntArray:
    """0, 0, 1, 2, 2 ...: the words of a run of tokens; a new unit begins a new word."""
    words = pieces.words[start:end]
    new = np.zeros(len(words), np.int64)
    new[1:] = words[1:] != words[:-1]
    inner = pieces.starts[(pieces.starts > start) & (pieces.starts < end)] - start
    new[inner] = 1
    return np.cumsum(new)
