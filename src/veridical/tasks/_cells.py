"""Cells that hold lists: JSON from JSON lines and Parquet, or plain text from CSV."""

import json
from collections.abc import Sequence
from typing import Any

from veridical.dataset.row_shape import BadCell

UNSURE, NOTHING = "unsure", "[]"
"""What a reviewer writes who cannot tell; an answer that says nothing, where a blank cell would say: not read."""


def listed(cell: str, *, what: str, separators: str = "") -> list[Any]:
    """The items of a cell: of a JSON list, else of the text cut at white space or at any of `separators`."""
    if cell.lstrip().startswith("["):
        try:
            items = json.loads(cell)
        except ValueError:
            items = None
        if isinstance(items, list):
            return items
    if not separators:
        return cell.split()
    for separator in separators[1:]:
        cell = cell.replace(separator, separators[0])
    return [item.strip() for item in cell.split(separators[0]) if item.strip()]


def _is_object(cell: str) -> bool:
    """Whether a cell is a JSON object: names with values, not a list of names."""
    if not cell.lstrip().startswith("{"):
        return False
    try:
        return isinstance(json.loads(cell), dict)
    except ValueError:
        return False


def words(cell: str, *, what: str) -> str:
    """The items of a cell joined by single spaces; `split(" ")` gives them back."""
    items = listed(cell, what=what)
    if not items:
        raise BadCell(f"{what}s empty")
    if not all(isinstance(item, str) for item in items):
        raise BadCell(f"a {what} that is no text")
    if any(" " in item for item in items):
        raise BadCell(f"a {what} that holds a space")
    return " ".join(items)


def set_of(cell: str, *, what: str, separators: str) -> str:
    """The distinct items of a cell, sorted, as a JSON list."""
    if _is_object(cell):
        raise BadCell(f"a {what} that is neither text nor number")
    items = listed(cell, what=what, separators=separators)
    if not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise BadCell(f"a {what} that is neither text nor number")
    return json.dumps(sorted({str(item).strip() for item in items} - {""}), ensure_ascii=False)


def known(name: str, names: Sequence[str]) -> str | None:
    """The one of `names` that is meant, whatever its capitals."""
    return name if name in names else {one.casefold(): one for one in names}.get(name.casefold())
