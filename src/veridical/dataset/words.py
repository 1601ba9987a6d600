"""The one door to words: alphabetic words by Unicode, Chinese words by jieba's dictionary."""

import unicodedata
import warnings
from functools import cache
from typing import Any

import regex

_RUN = regex.compile(r"\p{Han}+|[\p{L}\p{M}\p{N}--\p{Han}]+(?:['’][\p{L}\p{M}]+)*", regex.V1)


@cache
def _segmenter() -> Any:
    """jieba's tokenizer filled from its dictionary text: its own start-up would un-marshal a file in the temporary folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = jieba.Tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def words(text: str) -> list[str]:
    """The words of a text in order, case folded, punctuation left out."""
    found: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if regex.match(r"\p{Han}", run):
            found += _segmenter().lcut(run, HMM=False)
        else:
            found.append(run)
    return found


def han_words(text: str) -> list[tuple[int, int]]:
    """Where the Chinese words of a text stand: (begin, end) in its characters."""
    found: list[tuple[int, int]] = []
    for run in regex.finditer(r"\p{Han}+", text):
        found += [(run.start() + begin, run.start() + end) for _, begin, end in _segmenter().tokenize(run.group(), HMM=False)]
    return found
