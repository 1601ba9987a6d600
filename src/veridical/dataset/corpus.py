"""Any files of text -> a Dataset of documents: what pre-training reads.

A text file (.txt, .md) is cut into documents at blank lines, at every line, or not at all; in a file of rows, a row is a
document. Every document carries the one label `text`, so that the checks of a data set look at it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.errors import InputError, UnknownName
from veridical.core.progress import Progress, silent
from veridical.dataset import setting_aside
from veridical.dataset.encodings import as_utf8, encoding_of, is_gzip
from veridical.dataset.files import FORMATS, columns_in, read_files
from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.rows import SCHEMA, Dataset

LABEL = "text"
TEXT_ENDINGS = (".txt", ".text", ".md")
UNITS = ("auto", "blank", "line", "file")
TEXT_NAMES = ("text", "content", "document", "body", "sentence")
"""Columns that are taken for the text without being named, first found first. Ours; no source."""
JOINED = "\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """How files become documents. column: of files of rows. unit: of text files. join: rows that follow one another in a file and
    make one document together."""

    column: str | None = None
    unit: str = "auto"
    join: int = 1

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise UnknownName("way to cut texts into documents", self.unit, UNITS, "Give it as --documents NAME.")
        if self.join < 1:
            raise InputError(f"--join is {self.join}; it must be 1 or more: how many rows make a document.")


def load_corpus(paths: Sequence[Path], *, cut: Cut, held_out: Sequence[Path] = (), progress: Progress = silent) -> Dataset:
    """The documents of `paths` (split train) and `held_out` (split test), in the order of the files. Raises InputError where
    there is none that can be used."""
    tables, warnings, stems = [], list[str](), Counter[str]()
    for split, places in (("train", paths), ("test", held_out)):
        files = [file for place in places for file in _files(place)]
        for number, file in enumerate(files):
            progress("load", number, len(files))
            name = file.stem if split == "train" else f"held-out-{file.stem}"
            stems[name] += 1
            table, said = _documents(file, split, cut, name=name if stems[name] == 1 else f"{name}({stems[name]})")
            tables.append(table)
            warnings += said
    whole = pa.concat_tables(tables)
    table, aside = setting_aside.apart(whole.select(SCHEMA.names), whole.column("reason"))
    progress("load", 1, 1)
    if table.num_rows == 0:
        names = ", ".join(str(path) for path in paths[:3])
        raise InputError(f"{names} holds no text that can be used; at least 2 documents are needed. Check the path and --text.")
    if aside.num_rows:
        reasons = aside.column("reason").to_pylist()
        told = ", ".join(f"{reason}: {reasons.count(reason)}" for reason in sorted(set(reasons)))
        warnings.append(f"{aside.num_rows} documents were set aside: {told}.")
    return Dataset("classification", table, (LABEL,), aside, {}, tuple(warnings), fingerprint(table))


def _files(place: Path) -> list[Path]:
    """The file, or every file with text in a folder, by name."""
    if not place.exists():
        raise InputError(f"There is no {place}; a file or folder with text is needed. Check the path.")
    if place.is_file():
        return [place]
    found = [file for file in sorted(place.rglob("*")) if file.is_file() and _ending(file) and not file.name.startswith(".")]
    if not found:
        endings = ", ".join((*TEXT_ENDINGS, *FORMATS))
        raise InputError(f"The folder {place} holds no file ending in {endings}. Name a folder with text, or a file.")
    return found


def _ending(file: Path) -> str | None:
    """The ending that says what a file holds, None where it says nothing."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    last = suffixes[-2] if is_gzip(file) and len(suffixes) > 1 else (suffixes or [""])[-1]
    return last if last in TEXT_ENDINGS or last in FORMATS else None


def _documents(file: Path, split: str, cut: Cut, *, name: str) -> tuple[pa.Table, list[str]]:
    """Columns of SCHEMA and the reason why a document cannot be used; warnings. name: what its ids begin with."""
    ending = _ending(file)
    if ending is None:
        allowed = ", ".join((*TEXT_ENDINGS, *FORMATS))
        raise InputError(f"{file} has the unknown ending {file.suffix!r}; allowed: {allowed}. Rename or convert it.")
    if ending in TEXT_ENDINGS:
        texts, damaged, warnings = _of_text(file, cut.unit)
    else:
        texts, damaged, warnings = _of_rows(file, cut.column)
    if cut.join > 1:
        texts, damaged = _joined(texts, damaged, cut.join)
    n = len(texts)
    ids = [f"{name}-{number}" for number in range(1, n + 1)]
    empty = pa.nulls(n, pa.string())
    columns = {
        "id": pa.array(ids, pa.string()),
        "split": pa.array([split] * n, pa.string()),
        "text": pa.array(texts, pa.string()),
        "label": pa.array([LABEL] * n, pa.string()),
        "source": pa.array([file.name] * n, pa.string()),
    }
    pairs = zip(texts, damaged, strict=True)
    reasons = ["cannot be decoded" if bad else None if text.strip() else "text empty" for text, bad in pairs]
    table = pa.table([columns.get(name, empty) for name in SCHEMA.names], schema=SCHEMA)
    return table.append_column("reason", pa.array(reasons, pa.string())), warnings


def _of_text(file: Path, unit: str) -> tuple[list[str], list[bool], list[str]]:
    """Documents of a text file, which of them could not be decoded, warnings."""
    encoding = encoding_of(file)
    with as_utf8(file, encoding) as opened:
        content = opened.read()
    text = content.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    has_blank = re.search(r"\n[ \t]*\n", text.strip()) is not None
    chosen = ("blank" if has_blank else "line") if unit == "auto" else unit
    parts = {"blank": re.split(r"\n[ \t]*\n+", text), "line": text.split("\n"), "file": [text]}[chosen]
    documents = [part.strip("\n") for part in parts if part.strip()]
    damaged = [any("\udc80" <= c <= "\udcff" for c in part) or "\0" in part for part in documents]
    whole = [part.encode("utf-8", "replace").decode() if bad else part for part, bad in zip(documents, damaged, strict=True)]
    warnings = [f"{file.name} is not UTF-8; it was read as {encoding.codec}."] if encoding.announced else []
    return whole, damaged, warnings


def _of_rows(file: Path, column: str | None) -> tuple[list[str], list[bool], list[str]]:
    names = columns_in([file])
    if column is not None and column not in names:
        raise UnknownName("column", column, names, f"{file} must have the text column. Give it as --text NAME.")
    chosen = column or next((name for name in TEXT_NAMES if name in names), names[0] if len(names) == 1 else None)
    if chosen is None:
        shown = ", ".join(names[:8])
        raise InputError(f"{file} has the columns {shown}, and none is known to hold the text. Give it as --text NAME.")
    read = read_files([file], columns=[chosen])
    texts, damaged = setting_aside.decoded(read.table.column(chosen))
    if not len(texts):
        raise InputError(f"{file} holds a header but no rows; at least one is needed. Check the path.")
    warnings = [f"{file.name} is not UTF-8; it was read as {read.encoding}."] if read.encoding else []
    return pc.fill_null(texts, "").to_pylist(), damaged.to_pylist(), warnings


def _joined(texts: list[str], damaged: list[bool], join: int) -> tuple[list[str], list[bool]]:
    """Every `join` texts as one; what cannot be used is left out of it, and where nothing else is left, it is set aside."""
    whole, bad = [], []
    for start in range(0, len(texts), join):
        part = range(start, min(start + join, len(texts)))
        kept = [texts[i] for i in part if not damaged[i] and texts[i].strip()]
        whole.append(JOINED.join(kept))
        bad.append(not kept and any(damaged[i] for i in part))
    return whole, bad


SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+|(?<=[。！？…])[”’）」』]*|\n+")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a document: ended by a full stop, a question or exclamation mark, or a line's end."""
    for part in SENTENCE_END.split(text):
        if any(c.isalnum() for c in part):
            yield part.strip()
