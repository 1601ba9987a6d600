"""A sheet that a person fills in: a CSV that spreadsheets open as it is meant, and may save in their own ways."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a cell that a spreadsheet runs as a formula."""
ANSWER = "answer"
"""The column to fill in; blank: not read."""


def inert(cell: str) -> str:
    """What a spreadsheet would run as a formula starts with an apostrophe (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def as_written(cell: str) -> str:
    """`inert` undone."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def write_lines(lines: Iterable[Sequence[str]], out: Path, *, columns: Sequence[str]) -> None:
    def write(path: Path) -> None:
        # With a byte order mark spreadsheets read it as UTF-8.
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            sheet = csv.writer(file)
            sheet.writerow(columns)
            sheet.writerows([inert(cell) for cell in line] for line in lines)

    write_with(out, write)


def read_lines(path: Path, *, columns: Sequence[str], made_by: str, option: str) -> list[dict[str, str]]:
    """The lines of a sheet as a spreadsheet may have saved it: commas, semicolons or tabs, in UTF-8, UTF-16 or GB 18030.

    made_by, option: the command that writes such a sheet, and the option that named this one. Raises InputError.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"The sheet {path} cannot be read ({error.strerror}). Check {option}.") from error
    text = next((found for codec in _codecs(content) if (found := _decoded(content, codec)) is not None), "")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    try:
        sheet = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        there = sheet.fieldnames or []
        for needed in ("id", ANSWER):
            if needed not in there:
                raise InputError(
                    f"{path} has no column {needed!r}; it must be a sheet that {made_by} wrote, with the columns "
                    f"{', '.join(columns)}."
                )
        return [{name: value or "" for name, value in row.items() if isinstance(value, str | None)} for row in sheet]
    except csv.Error as error:
        raise InputError(f"The sheet {path} cannot be read ({error}). Save it as CSV in UTF-8.") from error


def _codecs(content: bytes) -> tuple[str, ...]:
    return ("utf-16",) if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "gb18030")


def _decoded(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def is_unanswered(path: Path, *, columns: Sequence[str]) -> bool:
    """Whether a file is a sheet with these columns into which nobody has written."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        sheet = csv.DictReader(file)
        return tuple(sheet.fieldnames or ()) == tuple(columns) and not any((row[ANSWER] or "").strip() for row in sheet)
