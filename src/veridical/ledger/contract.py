"""A contract: a written statement of where the model will be used. YAML, unknown keys refused; it has a name and a hash."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from veridical.core.errors import InputError, UnknownName
from veridical.dataset.cue import holds
from veridical.dataset.rows import Dataset

Operation = Literal["transplant", "reweight", "remove"]
OPERATIONS = ("transplant", "reweight", "remove")
KEYS = ("name", "votes", "shortcuts")
MAX_SHORTCUTS = 4
"""Shortcuts of one contract: the model is asked about every combination of them, 2 to this power. Ours; no source."""
SHORTCUT_KEYS = ("word", "op", "rate")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A word that must not decide the label. op: transplant puts it into a share `rate` of rows whatever their label; remove
    takes it out; reweight weighs rows as if word and label were independent. rate: 0..1, None = the word's rate in the
    population."""

    word: str
    op: Operation
    rate: float | None


@dataclass(frozen=True, slots=True)
class Contract:
    """votes: `clusters` (each distinct text once) or `rows` (duplicates are natural frequencies)."""

    name: str
    votes: str
    shortcuts: tuple[Shortcut, ...]
    sha256: str


def read_contract(path: Path) -> Contract:
    """Raises InputError with what, got, allowed and next step."""
    import yaml

    if not path.is_file():
        raise InputError(f"The contract {path} does not exist. Write one with the keys {', '.join(KEYS)}.")
    text = path.read_bytes()
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).split("\n")[0]
        raise InputError(f"The contract {path} is not valid YAML: {line}. Check quotes and indentation.") from error
    if not isinstance(content, dict):
        raise InputError(
            f"The contract {path} holds a {type(content).__name__}; it must be a mapping with the keys {', '.join(KEYS)}."
        )
    _known(content, KEYS, where=str(path))
    name = content.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InputError(f"The contract {path} has no name. Add a line like: name: prod-2026")
    votes = content.get("votes", "clusters")
    if votes not in ("clusters", "rows"):
        raise InputError(f"The contract {path} has votes: {votes!r}; allowed: clusters, rows.")
    listed = content.get("shortcuts") or []
    if not isinstance(listed, list):
        raise InputError(f"The contract {path}: shortcuts must be a list of {{word, op, rate}}, got {type(listed).__name__}.")
    if len(listed) > MAX_SHORTCUTS:
        raise InputError(
            f"The contract {path} names {len(listed)} shortcuts; at most {MAX_SHORTCUTS} are allowed. Split it in two."
        )
    shortcuts = tuple(_shortcut(entry, where=str(path)) for entry in listed)
    return Contract(name.strip(), votes, shortcuts, hashlib.sha256(text).hexdigest())


def _known(entry: dict[Any, Any], allowed: tuple[str, ...], *, where: str) -> None:
    for key in entry:
        if key not in allowed:
            raise UnknownName(f"key in the contract {where}", str(key), allowed, "Remove it or correct its spelling.")


def _shortcut(entry: Any, *, where: str) -> Shortcut:
    if not isinstance(entry, dict):
        raise InputError(f"The contract {where}: a shortcut must be a mapping {{word, op, rate}}, got {entry!r}.")
    _known(entry, SHORTCUT_KEYS, where=where)
    word = entry.get("word")
    if not isinstance(word, str) or not word.strip():
        raise InputError(f"The contract {where}: a shortcut names no word (got {word!r}). Add a line like: word: indeed")
    op = entry.get("op", "transplant")
    if op not in OPERATIONS:
        raise UnknownName(f"op of the shortcut {word!r}", str(op), OPERATIONS, "")
    rate = entry.get("rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1):
        raise InputError(f"The contract {where}: rate of {word!r} is {rate!r}; allowed: a share from 0 to 1.")
    return Shortcut(word.strip(), op, None if rate is None else float(rate))


def refuse_absent_words(contract: Contract, data: Dataset) -> None:
    """A contract that names a word of no row is refused."""
    for shortcut in contract.shortcuts:
        rows = holds(data.inputs(), shortcut.word)
        if not np.any(rows):
            raise InputError(
                f"The contract {contract.name!r} names the word {shortcut.word!r}, which no row of {len(data)} holds. "
                "Check its spelling, or remove it."
            )
