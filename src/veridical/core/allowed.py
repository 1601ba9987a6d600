"""Whether settings are what they may be: numbers in their range, one of the choices, whole where they are counts."""

import typing
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from veridical.core.errors import InputError, UnknownName


def refuse_outside(name: str, value: float, *, low: float, high: float) -> None:
    """name: as the user gives it."""
    if not low <= value <= high:
        raise InputError(f"{name} is {value!r}, outside {low:g}..{high:g}. Give a value in that range.")


def refuse_below(name: str, value: int, *, low: int, example: int) -> None:
    """For what has no upper bound. name: as the user gives it."""
    if value < low:
        raise InputError(f"{name} is {value!r}; it must be {low} or more, for example {example}.")


def refuse_settings(settings: Any, *, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Raises InputError for the first setting of a dataclass that is not what it may be; choices are Literals of their fields."""
    for field in fields(settings):
        value, allowed = getattr(settings, field.name), typing.get_args(field.type)
        if typing.get_origin(field.type) is typing.Literal and value not in allowed:
            raise UnknownName(f"value for {option(field.name)}", str(value), allowed)
        if field.type is int and type(value) is not int:
            raise InputError(f"{option(field.name)} is {value!r}; a whole number is needed. Give one.")
        if field.type is float and type(value) not in (int, float):
            raise InputError(f"{option(field.name)} is {value!r}; a number is needed. Give one.")
        if field.name in ranges:
            low, high = ranges[field.name]
            refuse_outside(option(field.name), value, low=low, high=high)


def option(name: str) -> str:
    """A setting as the command line names it."""
    return f"--{name.replace('_', '-')}"
