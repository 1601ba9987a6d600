"""The form in which texts are compared: what a reader would call the same text is the same string."""

import re
import unicodedata


class _Blanks(dict[int, str]):
    """Code point -> what stands for it: a blank for punctuation, symbols, separators and control characters, else itself."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PSZC" else character
        return self[code]


_BLANKS = _Blanks()
_CJK = re.compile("[⺀-鿿가-힣豈-\ufaff\U00020000-\U0003ffff]+")
_SAMPLE = 400


def normalise(text: str) -> str:
    """NFKC, case folded, punctuation and symbols to blanks, blanks collapsed; a text of nothing else is kept as it is."""
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    return " ".join(folded.translate(_BLANKS).split()) or " ".join(folded.split())


def is_cjk(text: str) -> bool:
    """Whether at least a third of the text is written in Chinese, Japanese or Korean characters."""
    if text.isascii():
        return False
    sample = text[:_SAMPLE]
    return (len(sample) - len(_CJK.sub("", sample))) * 3 >= len(sample) > 0
