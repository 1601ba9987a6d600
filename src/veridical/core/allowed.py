"""Whether settings are what they may be: numbers in their range, one of the choices, whole where they are counts."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from veridical.core.errors import InputError, UnknownName


def refuse_outside(name: str, value: float, *, low: float, high: float) -> None:
    """name: as the user gives it."""
    if not low <= value <= high:
        raise InputError(f"{name} is {value!r}, outside {low:g}..{high:g}. Give a value in that range.")


def refuse_settings(settings: Any, *, ranges: Mapping[str, tuple[float, float]], choices: Mapping[str, Sequence[str]]) -> None:
    """Raises InputError for the first setting of a dataclass that is not what it may be."""
    for name, (low, high) in ranges.items():
        refuse_outside(option(name), getattr(settings, name), low=low, high=high)
    for name, allowed in choices.items():
        if getattr(settings, name) not in allowed:
            raise UnknownName(f"value for {option(name)}", getattr(settings, name), allowed)
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.type is int and type(value) is not int:
            raise InputError(f"{option(field.name)} is {value!r}; a whole number is needed. Give one.")


def option(name: str) -> str:
    """A setting as the command line names it."""
    return f"--{name.replace('_', '-')}"
