"""Rows as an encoder reads them where classes stand inside a row: texts longer than it takes are read in overlapping windows.

A window is an instance. Its marks are the places whose classes are asked for: the first sub-token of every word, so that
continuation pieces, special tokens and padding never count; each word in the one window where it stands farthest from an end.
For a span the marks are the two ends, and `allowed` says where they may stand: in the text, or on the first token for no answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import IntArray, Text
from veridical.models.tokens import Ids, Tokens

OVERLAP = 4
"""A window repeats max_length / OVERLAP tokens of the one before. 4: SQuAD's stride of 128 in 384 is a third. Ours."""
QUESTION = 3
"""A question may take 1 / QUESTION of max_length; what is beyond is cut. Ours; no source."""
BLOCK = 2_000
"""Rows handed to the tokenizer at once."""


@dataclass(frozen=True, eq=False)
class Instances:
    """tokens: of all windows. owner: row of each, (I,). starts: marks of window i are starts[i]:starts[i+1], (I+1,). at: place of
    each mark in its window, (M,). unit: which word of the row it is, (M,). spans: of every token of `tokens`, the characters of
    the text it covers, (total, 2); -1 for tokens that are not of the text."""

    tokens: Tokens
    owner: IntArray
    starts: IntArray
    at: IntArray
    unit: IntArray
    spans: IntArray

    def __len__(self) -> int:
        return len(self.owner)

    def marks_of(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """(place in `rows`, number of the mark) of all marks of these windows, in order."""
        counts = np.diff(self.starts)[rows]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(np.arange(len(rows)), counts), np.repeat(self.starts[rows], counts) + within

    def allowed(self, rows: IntArray) -> IntArray:
        """Where an end of a span may stand, (B, T) of 0 and 1: on tokens of the text and on the first token."""
        lengths = self.tokens.lengths[rows]
        places = np.arange(max(1, int(lengths.max())))[None, :]
        inside = places < lengths[:, None]
        source = np.where(inside, self.tokens.starts[rows][:, None] + places, 0)
        of_text = inside & (self.spans[source, 0] >= 0)
        of_text[:, 0] = True
        return np.asarray(of_text, np.int64)


def windows(tokenizer: Any, inputs: Sequence[Text], *, max_length: int) -> Instances:
    """Windows over texts, or over (text, question) pairs, which are read as question and text. Marks are yet to be set: none."""
    if not tokenizer.is_fast:
        raise InputError("This tokenizer does not say which characters a token covers, so tags and answers cannot be placed.")
    pair = bool(inputs) and not isinstance(inputs[0], str)
    with_types = "token_type_ids" in tokenizer.model_input_names
    ids: list[Ids] = [np.zeros(0, np.int32)]
    types: list[Ids] = [np.zeros(0, np.int32)]
    spans: list[IntArray] = [np.zeros((0, 2), np.int64)]
    lengths: list[int] = []
    owner: list[int] = []
    for start in range(0, len(inputs), BLOCK):
        block = list(inputs[start : start + BLOCK])
        texts = [str(text[0]) for text in block] if pair else [str(text) for text in block]
        asked = [_cut(tokenizer, str(text[1]), max_length // QUESTION) for text in block] if pair else None
        coded = tokenizer(
            *((asked, texts) if pair else (texts,)),
            truncation="only_second" if pair else True,
            max_length=max_length,
            stride=max_length // OVERLAP,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=with_types,
            padding=False,
        )
        owner += [start + int(row) for row in coded["overflow_to_sample_mapping"]]
        for number, row in enumerate(coded["input_ids"]):
            lengths.append(len(row))
            ids.append(np.asarray(row, np.int32))
            if with_types:
                types.append(np.asarray(coded["token_type_ids"][number], np.int32))
            covered = np.asarray(coded["offset_mapping"][number], np.int64).reshape(-1, 2)
            part = np.array([-1 if s is None else s for s in coded.sequence_ids(number)])
            spans.append(np.where((part == (1 if pair else 0))[:, None], covered, -1))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    tokens = Tokens(np.concatenate(ids), np.concatenate(types) if with_types else None, starts, int(tokenizer.pad_token_id))
    none = np.zeros(0, np.int64)
    return Instances(tokens, np.array(owner, np.int64), np.zeros(len(owner) + 1, np.int64), none, none, np.concatenate(spans))


def _cut(tokenizer: Any, question: str, most: int) -> str:
    covered = tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return question if len(covered) <= most else question[: covered[most - 1][1]]


def with_words(instances: Instances, texts: Sequence[str]) -> Instances:
    """The same windows with a mark on the first sub-token of every word; words are what single spaces part."""
    lengths = instances.tokens.lengths
    chosen: dict[tuple[int, int], tuple[int, int, int]] = {}
    words: dict[int, IntArray] = {}
    for window, owner in enumerate(instances.owner.tolist()):
        if owner not in words:
            words[owner] = _word_of_character(texts[owner])
        begin, length = int(instances.tokens.starts[window]), int(lengths[window])
        covered = instances.spans[begin : begin + length]
        last = (
            words[owner][np.clip(covered[:, 1] - 1, 0, max(len(words[owner]) - 1, 0))]
            if len(words[owner])
            else covered[:, 1] * 0 - 1
        )
        word = np.where((covered[:, 0] >= 0) & (covered[:, 1] > covered[:, 0]), last, -1)
        places = np.flatnonzero(word >= 0)
        found, first = np.unique(word[places], return_index=True)
        for number, place in zip(found.tolist(), places[first].tolist(), strict=True):
            # A window that begins inside a word shows a later piece of it: the one before holds its first.
            depth = min(place, length - 1 - place)
            best = chosen.get((owner, number))
            if best is None or (depth > best[2] and _begins(covered[place], words[owner])):
                chosen[owner, number] = (window, place, depth)
    marks: list[list[tuple[int, int]]] = [[] for _ in range(len(instances))]
    for (_, number), (window, place, _) in chosen.items():
        marks[window].append((place, number))
    flat = [mark for window in marks for mark in sorted(window)]
    starts = np.concatenate([[0], np.cumsum([len(window) for window in marks])]).astype(np.int64)
    both = np.array(flat, np.int64).reshape(-1, 2)
    return Instances(instances.tokens, instances.owner, starts, both[:, 0], both[:, 1], instances.spans)


def _word_of_character(text: str) -> IntArray:
    """Number of the word each character belongs to, -1 for the spaces between, (characters,)."""
    space = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32) == ord(" ")
    return np.where(space, -1, np.cumsum(space)).astype(np.int64)


def _begins(covered: IntArray, word: IntArray) -> bool:
    """Whether a token holds the first character of its word."""
    start, end = int(covered[0]), int(covered[1])
    while start < end and word[start] < 0:
        start += 1
    return start == 0 or word[start - 1] != word[start]


def with_ends(instances: Instances) -> Instances:
    """The same windows with two marks each: the start and the end of an answer."""
    n = len(instances)
    starts = np.arange(n + 1, dtype=np.int64) * 2
    return Instances(
        instances.tokens, instances.owner, starts, np.zeros(2 * n, np.int64), np.tile(np.arange(2), n), instances.spans
    )


def places_of(instances: Instances, answers: Sequence[tuple[int, int] | None]) -> IntArray:
    """First and last token of each window's answer, (2 I,); 0 where the window does not hold all of it. answers: characters
    [start, end) of each row's answer, None where it has none."""
    found = np.zeros(2 * len(instances), np.int64)
    for window, owner in enumerate(instances.owner.tolist()):
        answer = answers[owner]
        if answer is None:
            continue
        begin, end = int(instances.tokens.starts[window]), int(instances.tokens.starts[window + 1])
        covered = instances.spans[begin:end]
        inside = np.flatnonzero((covered[:, 0] >= 0) & (covered[:, 1] > answer[0]) & (covered[:, 0] < answer[1]))
        if len(inside) and covered[inside[0], 0] <= answer[0] and covered[inside[-1], 1] >= answer[1]:
            found[2 * window : 2 * window + 2] = inside[0], inside[-1]
    return found


def marks_for(instances: Instances, rows: IntArray, head: str) -> tuple[IntArray, ...]:
    """What a network is given of these windows beside their tokens."""
    if head == "span":
        return (instances.allowed(rows),)
    if head == "words":
        row, mark = instances.marks_of(rows)
        return row, instances.at[mark]
    return ()
