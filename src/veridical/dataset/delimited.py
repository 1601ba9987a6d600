"""CSV and TSV: a header line, quoted cells that may hold newlines, every row as long as the header."""

import csv
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from veridical.core.counted import counted
from veridical.core.errors import InputError
from veridical.dataset.encodings import Encoding, as_utf8

DELIMITERS = ",;\t|"
BLOCK_BYTES = 4 << 20
LARGEST_BLOCK_BYTES = 1 << 30
"""A row longer than this cannot be read. Arrow's blocks are 31-bit."""


def header(path: Path, encoding: Encoding) -> list[str]:
    """Column names. Raises InputError when two are equal."""
    line = _first_line(path, encoding)
    try:
        cells = next(csv.reader([line], delimiter=_delimiter(path, line)), [])
    except csv.Error as error:
        raise InputError(f"{path}, line 1: not a header ({error}); column names are needed there. Add a header line.") from error
    names = [name.strip() or f"column {number}" for number, name in enumerate(cells, start=1)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path} names the column {twice!r} twice in its header; every name must be unique. Rename one of them.")
    return names


def _first_line(path: Path, encoding: Encoding) -> str:
    with as_utf8(path, encoding) as file:
        line = file.readline(1 << 20).decode("utf-8", "replace")
    return line.split("\r")[0].rstrip("\n")


def _holds_quoted(table: pa.Table) -> bool:
    """Is a cell quoted as a whole?"""
    return any(bool(pc.any(pc.match_substring_regex(column, r'(?s)^".*"$')).as_py()) for column in table.columns)


def _delimiter(path: Path, line: str) -> str:
    """The commonest delimiter outside quotes in the header line; of equals, the one the file's name promises."""
    outside = "".join(part for i, part in enumerate(line.split('"')) if i % 2 == 0)
    expected = "\t" if ".tsv" in path.name.lower() or ".tab" in path.name.lower() else ","
    best = max(DELIMITERS, key=lambda mark: (outside.count(mark), mark == expected))
    return best if outside.count(best) else expected


def read(path: Path, encoding: Encoding, *, columns: list[str], tell: Callable[[int], None]) -> pa.Table:
    """The named columns as bytes. Raises InputError for a ragged row, naming its line."""
    names = header(path, encoding)
    delimiter = _delimiter(path, _first_line(path, encoding))
    # Many tab-separated files do not quote: a quote that opens a cell must not swallow the rows after it.
    quotes: list[str | bool] = [False, '"'] if delimiter == "\t" else ['"']
    for quote in quotes:
        try:
            table = _read(path, encoding, names=names, columns=columns, delimiter=delimiter, quote=quote, tell=tell)
        except pa.ArrowInvalid as error:
            failure = error
            continue
        if quote or not _holds_quoted(table):
            return table
    raise InputError(_ragged(path, encoding, delimiter, len(names), str(failure))) from failure


def _blank_or_ragged(row: pa_csv.InvalidRow) -> str:
    """A line of nothing but blanks is no row."""
    return "error" if row.text.strip() else "skip"


def _read(
    path: Path, encoding: Encoding, *, names: list[str], columns: list[str], delimiter: str, quote: Any, tell: Any
) -> pa.Table:
    block = BLOCK_BYTES
    while True:
        try:
            with as_utf8(path, encoding, tell) as file:
                reader = pa_csv.open_csv(
                    file,
                    read_options=pa_csv.ReadOptions(block_size=block, column_names=names, skip_rows=1, use_threads=False),
                    parse_options=pa_csv.ParseOptions(
                        delimiter=delimiter,
                        quote_char=quote,
                        newlines_in_values=bool(quote),
                        invalid_row_handler=_blank_or_ragged,
                    ),
                    convert_options=pa_csv.ConvertOptions(
                        column_types=dict.fromkeys(names, pa.binary()),
                        include_columns=columns,
                        strings_can_be_null=False,
                        null_values=[],
                        check_utf8=False,
                    ),
                )
                return pa.Table.from_batches(list(reader), schema=reader.schema)
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):
                return pa.table({name: pa.array([], pa.binary()) for name in columns})
            if "straddl" not in str(error) or block >= LARGEST_BLOCK_BYTES:
                raise
            block *= 16


def _ragged(path: Path, encoding: Encoding, delimiter: str, n_columns: int, detail: str) -> str:
    """Which line is ragged: read again, slowly, with the standard library."""
    limit = csv.field_size_limit(2**31 - 1)
    try:
        with as_utf8(path, encoding) as file, TextIOWrapper(file, "utf-8", "replace", newline="") as text:
            rows, line = csv.reader(text, delimiter=delimiter), 1
            for row in rows:
                if "".join(row).strip() and len(row) != n_columns:
                    return (
                        f"{path}, line {line}: {counted(len(row), 'cell')}, but the header has {counted(n_columns, 'column')}; "
                        f"every row must. Quote cells that hold {delimiter!r} or a newline, or correct that line."
                    )
                line = rows.line_num + 1
    except csv.Error as error:
        detail = str(error)
    finally:
        csv.field_size_limit(limit)
    return f"{path} cannot be read as CSV ({detail.splitlines()[0]}); every quote must be closed. Correct it or save it again."
