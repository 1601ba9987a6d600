"""English synonyms, from the Debian packages mythes-en-us or wordnet-base where installed.

MyThes v2: a line `word|n`, then n lines `(class)|synonym|synonym (note)|...`. WordNet 3: index.POS and data.POS, `wndb(5WN)`.
Entries with a note that makes them no synonym (antonym, generic, similar or related term) are left out.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

MYTHES = Path("/usr/share/mythes")
WORDNET = Path("/usr/share/wordnet")
INSTALL = "sudo apt-get install mythes-en-us   (or: wordnet-base)"
NO_SYNONYM = ("(antonym)", "(generic term)", "(similar term)", "(related term)")
CLASSES = ("noun", "verb", "adj", "adv")


def english(word: str) -> tuple[str, ...]:
    """Single words that mean the same in some sense of `word`, in the order of its senses; () where none is known."""
    return tuple(other for other in entries().get(word.casefold(), ()) if other != word.casefold())


def missing() -> str | None:
    """How to get English synonyms, where they are not installed."""
    return None if entries() else f"English synonyms need a thesaurus, which is not installed. Run: {INSTALL}"


@cache
def entries() -> Mapping[str, tuple[str, ...]]:
    """Case-folded word -> single words that mean the same in one of its senses, in their order; {} where none is installed."""
    return read_mythes(MYTHES) or read_wordnet(WORDNET)


@cache
def fingerprint() -> str:
    """SHA-256 of all entries; of no thesaurus too."""
    return hashlib.sha256(repr(sorted(entries().items())).encode("utf-8", "surrogatepass")).hexdigest()


def read_mythes(folder: Path) -> dict[str, tuple[str, ...]]:
    """All entries of th_en_US*.dat; {} where there is no such file."""
    files = sorted(folder.glob("th_en_US*.dat")) if folder.is_dir() else []
    if not files:
        return {}
    lines = iter(files[-1].read_text(encoding="utf-8", errors="replace").splitlines()[1:])  # the first names the encoding
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        word, _, n = line.rpartition("|")
        written: dict[str, None] = {}
        for _ in range(int(n) if n.strip().isdigit() else 0):
            for entry in next(lines, "").split("|")[1:]:
                if not entry.endswith(NO_SYNONYM) and entry.isalpha():
                    written[entry.casefold()] = None
        if written:
            found[word.casefold()] = tuple(written)
    return found


def read_wordnet(folder: Path) -> dict[str, tuple[str, ...]]:
    """Words of the same synset; {} where the files are not there."""
    found: dict[str, dict[str, None]] = {}
    for kind in CLASSES:
        index, data = folder / f"index.{kind}", folder / f"data.{kind}"
        if not index.is_file() or not data.is_file():
            continue
        synsets = dict(_synsets(data))
        for line in index.read_text(encoding="utf-8").splitlines():
            if line.startswith(" "):
                continue  # the licence
            fields = line.split()
            word, n = fields[0], int(fields[2])
            for offset in fields[-n:]:
                for other in synsets.get(offset, ()):
                    if other != word and other.isalpha():
                        found.setdefault(word, {})[other] = None
    return {word: tuple(others) for word, others in found.items()}


def _synsets(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """(offset, words) of every synset."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):
            continue
        fields = line.split()
        n = int(fields[3], 16)
        # Adjectives carry their position in brackets: ready(p).
        found.append((fields[0], tuple(fields[4 + 2 * i].split("(")[0].casefold() for i in range(n))))
    return found
