"""Texts as token ids, tokenised once and kept flat: no padding until a batch is cut. Also: cutting batches by tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.errors import InputError
from veridical.dataset.rows import IntArray, Text

Ids = npt.NDArray[np.int32]
BLOCK = 10_000
"""Texts handed to the tokenizer at once."""
BEGINNINGS = ("▁", "Ġ")
"""Marks of a token that begins a word: of SentencePiece, of byte-level BPE."""


@dataclass(frozen=True, eq=False, slots=True)
class Tokens:
    """ids: (total,) of all rows one after the other; row i is ids[starts[i]:starts[i+1]]. types: segment of each token, or None
    where the encoder knows no segments. pad: the id that fills up a batch."""

    ids: Ids
    types: Ids | None
    starts: IntArray
    pad: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> IntArray:
        return np.diff(self.starts)

    def padded(self, rows: IntArray) -> tuple[IntArray, IntArray, IntArray | None]:
        """ids, mask and types of these rows, each (B, T), filled up on the right to the longest."""
        lengths = self.lengths[rows]
        at = np.arange(max(1, int(lengths.max())))[None, :]
        mask = at < lengths[:, None]
        source = np.where(mask, self.starts[rows][:, None] + at, 0)
        ids = np.where(mask, self.ids[source], self.pad).astype(np.int64)
        types = None if self.types is None else np.where(mask, self.types[source], 0).astype(np.int64)
        return ids, mask.astype(np.int64), types


def tokenise(tokenizer: Any, inputs: Sequence[Text], *, max_length: int) -> Tokens:
    """Token ids of every input, cut to `max_length` (of a pair, the longer text is cut first)."""
    pair = bool(inputs) and not isinstance(inputs[0], str)
    if any(isinstance(text, str) == pair for text in inputs):
        raise InputError("Some rows hold one text and some a pair. Give the same number of text columns for every row.")
    with_types = "token_type_ids" in tokenizer.model_input_names
    ids: list[Ids] = [np.zeros(0, np.int32)]
    types: list[Ids] = [np.zeros(0, np.int32)]
    lengths: list[int] = []
    for start in range(0, len(inputs), BLOCK):
        block = list(inputs[start : start + BLOCK])
        first, second = (block, None) if not pair else ([text[0] for text in block], [text[1] for text in block])
        coded = tokenizer(
            first,
            second,
            truncation="longest_first",
            max_length=max_length,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=with_types,
        )
        lengths += [len(row) for row in coded["input_ids"]]
        ids += [np.asarray(row, np.int32) for row in coded["input_ids"]]
        types += [np.asarray(row, np.int32) for row in coded["token_type_ids"]] if with_types else []
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Tokens(np.concatenate(ids), np.concatenate(types) if with_types else None, starts, int(tokenizer.pad_token_id))


def cut_by_tokens(rows: IntArray, lengths: IntArray, *, token_budget: int) -> list[IntArray]:
    """Cut `rows` (in the order given, meant to be sorted by length) into runs whose padded size stays within `token_budget`.

    A row longer than the budget makes a run of its own. `lengths` are those of `rows`.
    """
    runs, start, longest = [], 0, 0
    for position, length in enumerate(lengths.tolist()):
        longest = max(longest, length)
        if position > start and longest * (position - start + 1) > token_budget:
            runs.append(rows[start:position])
            start, longest = position, length
    return [*runs, rows[start:]] if len(rows) else []


def whole_words(tokenizer: Any) -> tuple[str, ...]:
    """Words of two letters or more that a tokenizer has as one token, case folded, in the order of its vocabulary. Where a tenth
    of the tokens or more carry a mark of a word's beginning, those that carry it; a few of them are beginnings only, which
    nothing tells apart."""
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    marked = [token for token in tokens if token.startswith(BEGINNINGS)]
    found = tokens
    if len(marked) * 10 >= len(tokens):
        found = [str(tokenizer.convert_tokens_to_string([token])).strip() for token in marked]
    return tuple(dict.fromkeys(token.casefold() for token in found if len(token) > 1 and token.isalpha()))
