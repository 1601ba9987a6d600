"""Text with a token and its tags on every line and an empty line behind every sentence: the format of the CoNLL tasks.

Columns are parted by tabs or spaces; the first is the token, the last the tag. Tjong Kim Sang and De Meulder 2003 (CoNLL); lines
`-DOCSTART-` part documents, and comments as in MultiCoNER (`# id ...`) stand before a sentence.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from veridical.core.errors import InputError
from veridical.dataset.encodings import Encoding, as_utf8

TOKENS, TAGS, DOCUMENT = "tokens", "tags", "document"
START = b"-DOCSTART-"
COMMENT = b"# id"


def names(path: Path, encoding: Encoding) -> list[str]:
    """tokens, tags, a column for everything between (column_2 ...), and the document where the file names them."""
    width, documents = 0, False
    for line in _lines(path, encoding, lambda done: None):
        documents = documents or line.startswith(START)
        if line and not line.startswith((START, COMMENT)):
            width = max(width, len(_cells(line)))
        if width and documents:
            break
    if width < 2:
        raise InputError(
            f"{path} has no line with a token and a tag; both are needed on every line, an empty line behind every sentence. "
            "Write it so, or as JSON lines with lists of tokens and tags."
        )
    between = [f"column_{number}" for number in range(2, width)]
    return [TOKENS, *between, TAGS, *([DOCUMENT] if documents else [])]


def read(path: Path, encoding: Encoding, *, columns: list[str], tell: Callable[[int], None]) -> pa.Table:
    """The named columns as bytes, a row a sentence: JSON lists, and the number of the document."""
    every = names(path, encoding)
    width = len(every) - (DOCUMENT in every)
    made: dict[str, list[bytes]] = {name: [] for name in columns}
    for document, sentence in _sentences(path, encoding, tell, width=width):
        for name in columns:
            if name == DOCUMENT:
                made[name].append(str(document).encode())
            else:
                at = every.index(name)
                made[name].append(
                    json.dumps([cells[at] for cells in sentence], ensure_ascii=False).encode("utf-8", "surrogatepass")
                )
    return pa.table({name: pa.array(values, pa.binary()) for name, values in made.items()})


def _sentences(
    path: Path, encoding: Encoding, tell: Callable[[int], None], *, width: int
) -> Iterator[tuple[int, list[list[str]]]]:
    """(number of the document, cells of every token) of each sentence."""
    document, sentence = 0, list[list[str]]()
    for number, line in enumerate(_lines(path, encoding, tell), start=1):
        if line.startswith(START):
            document += 1
        elif line and not (line.startswith(COMMENT) and not sentence):
            cells = [cell.decode("utf-8", "surrogateescape") for cell in _cells(line)]
            if len(cells) != width:
                raise InputError(
                    f"{path}, line {number}: {len(cells)} columns where other lines have {width}. A token and its tags are "
                    "needed on every line. Correct that line."
                )
            sentence.append(cells)
            continue
        if sentence:
            yield document, sentence
            sentence = []
    if sentence:
        yield document, sentence


def _cells(line: bytes) -> list[bytes]:
    """Cells of a line; where tabs part them, spaces belong to the cells."""
    return line.split(b"\t") if b"\t" in line else line.split()


def _lines(path: Path, encoding: Encoding, tell: Callable[[int], None]) -> Iterator[bytes]:
    with as_utf8(path, encoding, tell) as file:
        for line in file:
            yield line.strip()
