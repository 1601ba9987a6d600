"""Text from data, made safe to look at: what cannot be seen, or moves what can, is spelled out as [U+202E]."""

import unicodedata

_KEPT = frozenset("\n\t\u200d")
_EMOJI_FROM = 0x1F000
_SYMBOLS = range(0x2600, 0x27C0)
_VARIATION = 0xFE0F
_JOINER = "\u200d"
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def _joins_emoji(text: str, at: int) -> bool:
    before = ord(text[at - 1]) if at else 0
    return before >= _EMOJI_FROM or before in _SYMBOLS or before == _VARIATION


def visible(text: str) -> str:
    """`text` with control, direction and zero-width characters written as [U+XXXX]; line breaks and emoji stay as they are."""
    if text.isprintable():
        return text
    pieces = []
    for at, character in enumerate(text):
        hidden = unicodedata.category(character) in _HIDDEN_CATEGORIES
        kept = character in _KEPT and (character != _JOINER or _joins_emoji(text, at))
        pieces.append(f"[U+{ord(character):04X}]" if hidden and not kept else character)
    return "".join(pieces)


def one_line(text: str, *, limit: int = 200) -> str:
    """`visible` on one line, cut to `limit` characters with an ellipsis."""
    line = " ".join(visible(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
