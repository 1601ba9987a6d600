"""The tables in probe/data behind the edits, read once."""

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(file: str) -> Any:
    import yaml

    return yaml.safe_load(files("veridical.probe").joinpath("data", file).read_text(encoding="utf-8"))


@cache
def confusions(file: str, name: str) -> dict[str, str]:
    """Character -> the others of its group, from a list of groups; the first group that holds it counts."""
    found: dict[str, str] = {}
    for group in table(file)[name]:
        for character in group:
            found.setdefault(character, "".join(one for one in group if one != character))
    return found
