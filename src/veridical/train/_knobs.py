"""Knobs of countermeasures from the command line: `gce:power=0.5`, parsed by the type of the field and held to its range.

A field of a countermeasure's params is a knob where it holds a number, a truth value or a word, and is part of the record's
repr; what a countermeasure fills in by itself is neither. Numbers declare their range:
`field(default=0.7, metadata=between(0, 1))`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from veridical.core import plugins
from veridical.core.errors import InputError, UnknownName
from veridical.train._contract import Countermeasure

PACKAGE = "veridical.train.countermeasures"
TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def between(low: float, high: float = math.inf) -> dict[str, Any]:
    """Metadata of a field: the smallest and the largest value it takes."""
    return {"low": low, "high": high}


def a_file() -> dict[str, Any]:
    """Metadata of a field that names a file or folder; its content decides how a run ends."""
    return {"file": True}


def called(text: str) -> tuple[str, Countermeasure]:
    """(name, record) of NAME or NAME:KNOB=VALUE:KNOB=VALUE. Raises UnknownName and InputError."""
    name, *parts = (part.strip() for part in text.split(":"))
    known = plugins.names(PACKAGE)
    if name not in known:
        raise UnknownName("countermeasure", name, known, "See: veridical list countermeasures")
    record: Countermeasure = plugins.get(PACKAGE, "countermeasure", name)
    fields = {field.name: field for field in knobs(record.params)}
    changes: dict[str, Any] = {}
    for part in _joined(parts):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"countermeasures has {text!r}; write NAME:KNOB=VALUE, for example {_example(name, fields)}.")
        if key not in fields:
            raise UnknownName(f"knob of countermeasure {name}", key, fields, "See: docs/catalogue/countermeasures.md")
        changes[key] = _value(name, fields[key], value)
    record = dataclasses.replace(record, params=dataclasses.replace(record.params, **changes)) if changes else record
    refuse_outside(name, record.params)
    return name, record


def knobs(params: Any) -> list["dataclasses.Field[Any]"]:
    """The fields that a user may set, in their order."""
    if not dataclasses.is_dataclass(params):
        return []
    return [field for field in dataclasses.fields(params) if field.repr and _kind(field) is not None]


def refuse_outside(name: str, params: Any) -> None:
    """Every number is in the range that its field declares, every word one of its words."""
    for field in knobs(params):
        value, metadata = getattr(params, field.name), field.metadata
        words = typing.get_args(field.type) if typing.get_origin(field.type) is typing.Literal else ()
        if words and value not in words:
            raise UnknownName(f"{field.name} of {name}", str(value), words)
        if "low" in metadata and not metadata["low"] <= value <= metadata["high"]:
            low, high = metadata["low"], metadata["high"]
            allowed = f"{low:g} or more" if math.isinf(high) else f"{low:g}..{high:g}"
            raise InputError(f"{field.name} of {name} is {value!r}; allowed is {allowed}. Give a value in that range.")


def surroundings_of(texts: Sequence[str]) -> dict[str, str]:
    """Fingerprints of what decides a training beside settings and files, by countermeasure."""
    found = {name: record.surroundings(record.params) for name, record in map(called, texts) if record.surroundings}
    return {name: said for name, said in found.items() if said}


def files_named(texts: Sequence[str]) -> dict[str, Path]:
    """Files and folders that knobs name, by countermeasure and knob. Raises InputError where one is not there."""
    found = {}
    for text in texts:
        name, record = called(text)
        for field in knobs(record.params):
            given = getattr(record.params, field.name)
            if field.metadata.get("file") and given:
                found[f"{name}:{field.name}"] = Path(given)
    for what, path in found.items():
        if not path.exists():
            raise InputError(f"{path}, named by --countermeasures {what}, does not exist. Check the path.")
    return found


def _joined(parts: Sequence[str]) -> list[str]:
    """A part without `=` belongs to the value before it, as in file=C:/rows.csv."""
    joined: list[str] = []
    for part in parts:
        if joined and "=" not in part:
            joined[-1] += f":{part}"
        else:
            joined.append(part)
    return joined


def _example(name: str, fields: dict[str, "dataclasses.Field[Any]"]) -> str:
    if not fields:
        return f"{name} alone, which has no knobs"
    field = next(iter(fields.values()))
    return f"{name}:{field.name}={field.default}"


def _kind(field: "dataclasses.Field[Any]") -> type | None:
    """bool, int, float or str; None where a command line has no way to say the value."""
    declared: Any = field.type
    if typing.get_origin(declared) is typing.Literal:
        declared = type(typing.get_args(declared)[0])
    if isinstance(declared, types.UnionType) or declared not in (bool, int, float, str):
        return None
    return typing.cast(type, declared)


def _value(name: str, field: "dataclasses.Field[Any]", value: str) -> Any:
    kind = _kind(field)
    if kind is bool:
        if value.lower() not in TRUTH:
            raise InputError(f"The knob {field.name} of {name} is {value!r}; it must be true or false.")
        return TRUTH[value.lower()]
    try:
        found: Any = kind(value) if kind else value
    except ValueError as error:
        wanted = "a whole number" if kind is int else "a number"
        raise InputError(f"The knob {field.name} of {name} is {value!r}; it must be {wanted}.") from error
    if kind is float and not math.isfinite(found):
        raise InputError(f"The knob {field.name} of {name} is {value!r}; it must be a finite number.")
    return found
