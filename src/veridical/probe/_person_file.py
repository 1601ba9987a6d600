"""Files of sentences that differ in the person alone, as the Equity Evaluation Corpus is released (Kiritchenko and Mohammad 2018,
arXiv:1805.04508): the columns text (or sentence), template and person, and such as tell persons, or frames, apart.
"""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.dataset.rows import IntArray

NEEDED = ("text", "template", "person")


@dataclass(frozen=True, eq=False)
class PersonSentences:
    """texts: n. person, template, frame: number of each, (n,). groups: of each axis their names; group: which one, -1 where the
    axis says nothing of the person, (n,)."""

    texts: tuple[str, ...]
    person: IntArray
    template: IntArray
    frame: IntArray
    groups: dict[str, tuple[str, ...]]
    group: dict[str, IntArray]


def read_person_sentences(path: Path) -> PersonSentences | None:
    """The sentences of a CSV file or of JSON lines; None for JSON lines that are no such sentences, and for other files. Raises
    InputError."""
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".json", ".csv", ".tsv") or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None  # whoever reads suites of tests says so
    if kind in (".csv", ".tsv"):
        return _arranged(list(_rows_of_csv(text, path)), path)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    first = next((found for _, line in lines if (found := _keys_of(line)) is not None), None)
    if first is None or "test" in first or not {"template", "person"} & set(first):
        return None
    return _arranged([(number, _row_of_json(line, number, path)) for number, line in lines], path)


def _rows_of_csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line on which each ends."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if not set(NEEDED) <= set(map(_name, header)):
            raise InputError(
                f"{path} needs the columns text (or sentence), template and person, separated by commas; its first line names "
                f"{', '.join(map(repr, header)) or 'none'}."
            )
        _named([(name, "") for name in header], reader.line_num, path)
        for fields in reader:
            if fields and len(fields) != len(header):
                raise InputError(
                    f"Line {reader.line_num} of {path} has {len(fields)} fields and the first {len(header)}; commas separate "
                    "them, and a text with a comma stands in double quotes."
                )
            if fields:
                yield reader.line_num, _named(list(zip(header, fields, strict=True)), reader.line_num, path)
    except csv.Error as error:
        raise InputError(f"Line {reader.line_num} of {path} cannot be read as CSV ({error}).") from error


def _keys_of(line: str) -> set[str] | None:
    """Columns of a line of JSON; None where it is no object."""
    try:
        row = json.loads(line, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    return {_name(key) for key, _ in row} if isinstance(row, tuple) else None


def _row_of_json(line: str, number: int, path: Path) -> dict[str, str]:
    try:
        row = json.loads(line, object_pairs_hook=tuple)  # pairs: a dict would keep the last of a key that comes twice
    except json.JSONDecodeError as error:
        raise InputError(
            f"Line {number} of {path} is no JSON from character {error.colno} on; each line is a sentence with the keys text, "
            "template and person."
        ) from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"Line {number} of {path} cannot be read as JSON ({error}).") from error
    except RecursionError as error:
        raise InputError(
            f"Line {number} of {path} is nested too deeply; each line is a sentence with the keys text, template and person."
        ) from error
    if not isinstance(row, tuple):
        raise InputError(
            f"Line {number} of {path} is no JSON object; each line is a sentence with the keys text, template and person."
        )
    for key, value in row:
        if isinstance(value, list | tuple):
            raise InputError(f"Line {number} of {path} has a list or an object as {key}, where a text or a number stands.")
    return _named(row, number, path)


def _name(key: str) -> str:
    """A column in small letters, as the released CSV and its copies differ; sentence is text."""
    name = key.strip().casefold().replace(" ", "_")
    return "text" if name == "sentence" else name


def _named(row: Sequence[tuple[str, object]], number: int, path: Path) -> dict[str, str]:
    """The columns of a row but its number in the corpus. Raises InputError where two have one name."""
    named = dict[str, str]()
    for key, value in row:
        name = _name(key)
        if not name and not value:  # a spreadsheet's empty columns
            continue
        if name in named:
            raise InputError(
                f"Line {number} of {path} has the column {name} more than once, and which counts is not told; sentence counts as "
                "text, and capitals as small letters. Leave one out."
            )
        named[name] = "" if value is None else str(value)
    return {name: value for name, value in named.items() if name != "id"}


def _arranged(numbered: list[tuple[int, dict[str, str]]], path: Path) -> PersonSentences:
    """numbered: rows with their line in the file."""
    if not numbered:
        raise InputError(f"{path} has a header and no rows; each row is a sentence with its text, template and person.")
    rows = [row for _, row in numbered]
    columns = list(rows[0])
    for number, row in numbered:
        lacking = [name for name in NEEDED if not row.get(name, "").strip()]
        if lacking:
            raise InputError(f"Line {number} of {path} has no {', '.join(lacking)}; a sentence about a person needs each.")
        if odd := set(row) ^ set(columns):
            raise InputError(f"Line {number} of {path} has not the columns of the first row: {', '.join(sorted(odd))} differs.")
    person = _numbered([row["person"] for row in rows])
    fixed, rest = list[str](), list[str]()
    for name in columns:
        if name not in NEEDED:
            told = {(int(p), row[name]) for p, row in zip(person, rows, strict=True)}
            (fixed if len(told) == person.max() + 1 else rest).append(name)
    template = _numbered([row["template"] for row in rows])
    frame = _numbered(["\x1f".join([row["template"], *(row[name] for name in rest)]) for row in rows])
    groups = {name: tuple(sorted({row[name] for row in rows} - {""})) for name in fixed}
    groups = {name: found for name, found in groups.items() if len(found) > 1}
    if not groups or len(np.unique(frame)) == len(rows):
        raise InputError(
            f"{path} names persons, and no two of its sentences differ in the person alone by a column that tells persons apart "
            "(gender, race). Leave out columns that number rows."
        )
    group = {
        name: np.array([found.index(row[name]) if row[name] else -1 for row in rows], np.int64) for name, found in groups.items()
    }
    return PersonSentences(tuple(row["text"] for row in rows), person, template, frame, groups, group)


def _numbered(values: Sequence[str]) -> IntArray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)
