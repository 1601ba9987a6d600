"""JSON lines, JSON that is a list of objects, and that list under the key `data`; the nested files of SQuAD made flat."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from veridical.core.errors import InputError
from veridical.dataset.encodings import Encoding, as_utf8

BATCH_ROWS = 50_000
LINE_SUFFIXES = (".jsonl", ".ndjson")
WRAPPED = re.compile(rb'\s*\{\s*("version"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"data"\s*:\s*\[')
"""How a file begins that holds its rows under the key `data`."""
PEEK_ROWS = 1000
"""Rows whose keys name the columns. Ours; no source."""


def keys(path: Path, encoding: Encoding) -> list[str]:
    """Column names: the keys of the first rows, in order of appearance."""
    names: dict[str, None] = {}
    for number, (_, row) in enumerate(_rows(path, encoding, lambda done: None)):
        if number >= PEEK_ROWS:
            break
        names.update(dict.fromkeys(row))
    return list(names)


def read(path: Path, encoding: Encoding, *, columns: list[str], lists: bool, tell: Callable[[int], None]) -> pa.Table:
    """The named columns as bytes, null where a row lacks the key; lists as JSON where they are allowed. Raises InputError naming
    the line that is not valid."""
    cells: dict[str, list[bytes | None]] = {name: [] for name in columns}
    batches = []
    for count, (place, row) in enumerate(_rows(path, encoding, tell), start=1):
        for name in columns:
            cells[name].append(_cell(row.get(name), name, place, lists=lists))
        if count % BATCH_ROWS == 0:
            batches.append(pa.table({name: pa.array(values, pa.binary()) for name, values in cells.items()}))
            cells = {name: [] for name in columns}
    batches.append(pa.table({name: pa.array(values, pa.binary()) for name, values in cells.items()}))
    return pa.concat_tables(batches)


def _cell(value: Any, name: str, place: str, *, lists: bool) -> bytes | None:
    """A cell as bytes. 1.0 becomes 1; a text that is no valid Unicode becomes bytes that are no valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if value is None or value != value:  # a NaN is not equal to itself
        return None
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int | float):
        whole = isinstance(value, float) and value.is_integer()
        return str(int(value) if whole else value).encode()
    if lists and isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    raise InputError(
        f"{place}: {name!r} holds {type(value).__name__}; a text, number or true/false is allowed. Flatten that column."
    )


def _rows(path: Path, encoding: Encoding, tell: Callable[[int], None]) -> Iterator[tuple[str, dict[str, Any]]]:
    with as_utf8(path, encoding, tell) as file:
        head = file.peek(1 << 16)
        if _is_list(path, head):
            yield from _listed(path, file.read())
        elif WRAPPED.match(head):
            yield from _wrapped(path, file.read())
        else:
            yield from _lines(path, file)


def _is_list(path: Path, head: bytes) -> bool:
    """Whether the file is one list: it begins like one, and is not JSON lines whose first line happens to be a list."""
    begins = head.lstrip()
    if not begins.startswith(b"["):
        return False
    lines_by_name = any(suffix in LINE_SUFFIXES for suffix in path.suffixes)
    first, _, rest = begins.partition(b"\n")
    return not (lines_by_name and rest.strip() and first.rstrip().endswith(b"]"))


def _wrapped(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows under the key `data`; where they are articles with paragraphs, a row for every question."""
    for place, row in _objects(path, _parsed(path, content)["data"]):
        if "paragraphs" in row:
            yield from _questions(place, row)
        else:
            yield place, row


def _questions(place: str, article: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rajpurkar et al. 2016, 2018: an article's paragraphs and their questions; a question without an answer keeps none."""
    try:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                impossible = bool(asked.get("is_impossible"))
                answers = [] if impossible else asked.get("answers", [])
                row = {"id": asked.get("id"), "title": article.get("title"), "context": paragraph["context"]}
                yield place, {**row, "question": asked["question"], "answers": answers}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{place}: an article needs paragraphs with a context and questions (qas), as SQuAD has them. Correct it, or write "
            "one question a row."
        ) from error


def _listed(path: Path, content: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from _objects(path, _parsed(path, content))


def _parsed(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8", "surrogateescape"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not valid JSON ({_detail(error)}). Correct that line or save the file again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({_detail(error)}). Save it as a list of flat objects.") from error


def _objects(path: Path, rows: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise InputError(
                f"{path}, row {number}: {type(row).__name__}; every row must be an object. Save it as a list of objects."
            )
        yield f"{path}, row {number}", row


def _detail(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.removesuffix(' at')}, column {error.colno}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _lines(path: Path, file: Iterable[bytes]) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError) as error:
            detail = _detail(error)
            raise InputError(
                f"{path}, line {number}: not valid JSON ({detail}); one object a line is allowed. Correct that line."
            ) from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: {type(row).__name__}; one object a line is allowed. Correct that line.")
        yield f"{path}, line {number}", row
