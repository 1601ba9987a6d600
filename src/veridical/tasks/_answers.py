"""Exact match and F1 of an answer, as the scripts of SQuAD 1.1 and 2.0 define them; on characters for Chinese.

English: small letters, no punctuation, no articles, words of white space (Rajpurkar et al. 2016, arXiv:1606.05250; 2018,
arXiv:1806.03822). Chinese: characters, runs of Latin letters and digits whole, punctuation left out (Cui et al. 2019, CMRC 2018,
arXiv:1810.07366).
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
HAN = re.compile(r"[㐀-䶿一-鿿豈-﫿]")
PIECE = re.compile(r"[㐀-䶿一-鿿豈-﫿]|[^\s㐀-䶿一-鿿豈-﫿]+")


def is_chinese(text: str) -> bool:
    """Whether a text holds Chinese characters."""
    return HAN.search(text) is not None


def tokens(answer: str, *, chinese: bool) -> list[str]:
    """What an answer is compared by."""
    low = answer.lower()
    if chinese:
        return PIECE.findall("".join(" " if unicodedata.category(c).startswith(("P", "S")) else c for c in low))
    plain = "".join(c for c in low if c not in string.punctuation)
    return ARTICLES.sub(" ", plain).split()


def exact_match(said: str, answers: Sequence[str], *, chinese: bool | None = None) -> float:
    """1 where an answer is equal to one of the right ones, else 0. chinese: None to tell by the script of each right answer."""
    return max((float(_tokens(said, right, chinese) == _tokens(right, right, chinese)) for right in answers or [""]), default=0.0)


def f1(said: str, answers: Sequence[str], *, chinese: bool | None = None) -> float:
    """The largest F1 of common tokens with one of the right answers; where either is empty, 1 if both are, else 0."""
    return max(_f1(_tokens(said, right, chinese), _tokens(right, right, chinese)) for right in answers or [""])


def _tokens(answer: str, right: str, chinese: bool | None) -> list[str]:  # noqa: FBT001 - None has a meaning of its own
    return tokens(answer, chinese=is_chinese(right) if chinese is None else chinese)


def _f1(said: list[str], right: list[str]) -> float:
    if not said or not right:
        return float(said == right)
    common = sum((Counter(said) & Counter(right)).values())
    return 2 * common / (len(said) + len(right))
