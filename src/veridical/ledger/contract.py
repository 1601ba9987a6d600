"""A contract: a written statement of where the model will be used. YAML, unknown keys refused; it has a name and a hash."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from veridical.core.errors import InputError, SurroundingsError, UnknownName
from veridical.dataset.cue import holds
from veridical.dataset.rows import Dataset

Operation = Literal["transplant", "reweight", "remove"]
OPERATIONS = ("transplant", "reweight", "remove")
KEYS = ("name", "votes", "shortcuts", "groups", "perturbations", "target")
MAX_SHORTCUTS = 4
"""Shortcuts of one contract: the model is asked about every combination of them, 2 to this power. Ours; no source."""
SHORTCUT_KEYS = ("word", "op", "rate")
PERTURBATION_KEYS = ("names", "rate", "draws", "valid")
MAX_DRAWS = 20
"""Edited copies of every test row at most: each is one sweep of the model. Ours; no source."""
SUM_TOLERANCE = 0.001
"""How far the shares of the groups may be from 1, because they were rounded when written. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A word that must not decide the label. op: transplant puts it into a share `rate` of rows whatever their label; remove
    takes it out; reweight weighs rows as if word and label were independent. rate: 0..1, None = the word's rate in the
    population."""

    word: str
    op: Operation
    rate: float | None


@dataclass(frozen=True, slots=True)
class Perturbation:
    """A share `rate` (0..1) of rows arrives edited by `names` (see probe/perturbations), as the mean over `draws` edits a row.
    valid: share of edits that keep the right label; what the others would score is unknown and widens the interval."""

    names: tuple[str, ...]
    rate: float
    draws: int = 5
    valid: float = 1.0


@dataclass(frozen=True, slots=True)
class Contract:
    """votes: `clusters` (each distinct text once) or `rows` (duplicates are natural frequencies). groups: share of each value of
    the group column, summing to 1; empty: the mix as it is. target: a file of rows from where the model will be used."""

    name: str
    votes: str
    shortcuts: tuple[Shortcut, ...]
    sha256: str
    groups: tuple[tuple[str, float], ...] = ()
    perturbation: Perturbation | None = None
    target: Path | None = None


def read_contract(path: Path, *, stored: bool = False) -> Contract:
    """Raises InputError with what, got, allowed and next step. stored: the copy in a run folder, without its target."""
    if path.is_dir():
        raise InputError(f"The contract {path} is a folder. Give the YAML file itself.")
    if not path.is_file():
        raise InputError(f"The contract {path} does not exist. Write one with the keys {', '.join(KEYS)}.")
    text = path.read_bytes()
    content = _loaded(text, path)
    if content is None:
        raise InputError(f"The contract {path} is empty. Write the keys {', '.join(KEYS)} into it, the name at least.")
    if not isinstance(content, dict):
        raise InputError(f"The contract {path} holds {_kind(content)}; it must be a mapping with the keys {', '.join(KEYS)}.")
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
    return Contract(
        name=name.strip(),
        votes=votes,
        shortcuts=_shortcuts(listed, where=str(path)),
        sha256=hashlib.sha256(text).hexdigest(),
        groups=_groups(content.get("groups"), where=str(path)),
        perturbation=_perturbation(content.get("perturbations"), where=str(path)),
        target=None if stored else _target(content.get("target"), path),
    )


def _loaded(text: bytes, path: Path) -> Any:
    import yaml

    class Once(yaml.SafeLoader):
        """Refuses a key that stands twice, of which YAML keeps the last."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            twice = next((key for key in keys if keys.count(key) > 1), None)
            if twice is not None:
                raise InputError(f"The contract {path} has the key {twice!r} twice in one place. Keep one of them.")
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(text.decode("utf-8-sig"), Loader=Once)
    except UnicodeDecodeError as error:
        raise InputError(f"The contract {path} is not a text in UTF-8. Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        line = str(error).split("\n")[0]
        raise InputError(f"The contract {path} is not valid YAML: {line}. Check quotes and indentation.") from error


def _kind(content: Any) -> str:
    return {list: "a list", str: "a text", int: "a number", float: "a number"}.get(type(content), "a value")


def _known(entry: dict[Any, Any], allowed: tuple[str, ...], *, where: str) -> None:
    for key in entry:
        if key not in allowed:
            raise UnknownName("key in a contract", str(key), allowed, f"Remove it from {where}, or correct its spelling.")


def _shortcuts(listed: list[Any], *, where: str) -> tuple[Shortcut, ...]:
    """Each word once: two lines about one would share its points, or contradict each other."""
    found: dict[str, Shortcut] = {}
    for entry in listed:
        shortcut = _shortcut(entry, where=where)
        before = found.setdefault(shortcut.word.casefold(), shortcut)
        if before is not shortcut:
            raise InputError(
                f"The contract {where} names the word {shortcut.word!r} twice (capitals do not count). Keep one of its lines."
            )
    return tuple(found.values())


def _shortcut(entry: Any, *, where: str) -> Shortcut:
    if not isinstance(entry, dict):
        raise InputError(f"The contract {where}: a shortcut must be a mapping {{word, op, rate}}, got {entry!r}.")
    _known(entry, SHORTCUT_KEYS, where=where)
    word = entry.get("word")
    if not isinstance(word, str) or not word.strip():
        raise InputError(f"The contract {where}: a shortcut names no word (got {word!r}). Add a line like: word: indeed")
    op = entry.get("op", "transplant")
    if op not in OPERATIONS:
        raise UnknownName("op", str(op), OPERATIONS, f"Correct it in the shortcut {word!r} of the contract {where}.")
    rate = entry.get("rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1):
        raise InputError(f"The contract {where}: rate of {word!r} is {rate!r}; allowed: a share from 0 to 1.")
    return Shortcut(word.strip(), op, None if rate is None else float(rate))


def _is_share(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= 1


def _groups(entry: Any, *, where: str) -> tuple[tuple[str, float], ...]:
    if entry is None:
        return ()
    if not isinstance(entry, dict) or not entry:
        raise InputError(
            f"The contract {where}: groups must give each group its share, like {{en: 0.6, zh: 0.4}}; got {entry!r}."
        )
    for group, share in entry.items():
        if not _is_share(share):
            raise InputError(f"The contract {where}: group {str(group)!r} has the share {share!r}; allowed: from 0 to 1.")
    total = sum(entry.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise InputError(f"The contract {where}: the shares of the groups sum to {total:g}; they must sum to 1.")
    return tuple((str(group), float(share) / total) for group, share in entry.items())


def _perturbation(entry: Any, *, where: str) -> Perturbation | None:
    if entry is None:
        return None
    if not isinstance(entry, dict):
        raise InputError(f"The contract {where}: perturbations must be a mapping {{names, rate, draws, valid}}, got {entry!r}.")
    _known(entry, PERTURBATION_KEYS, where=where)
    names = entry.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"The contract {where}: perturbations name no edits (got {names!r}). Add: names: [keyboard]")
    refuse_unknown_perturbations(names, where=where)
    rate, draws, valid = entry.get("rate", 1.0), entry.get("draws", 5), entry.get("valid", 1.0)
    for key, value in (("rate", rate), ("valid", valid)):
        if not _is_share(value):
            raise InputError(f"The contract {where}: {key} of the perturbations is {value!r}; allowed: a share from 0 to 1.")
    if isinstance(draws, bool) or not isinstance(draws, int) or not 1 <= draws <= MAX_DRAWS:
        raise InputError(f"The contract {where}: draws is {draws!r}; allowed: a whole number from 1 to {MAX_DRAWS}.")
    return Perturbation(tuple(names), float(rate), draws, float(valid))


def refuse_unknown_perturbations(names: list[str], *, where: str) -> None:
    from veridical.probe.perturbations import LABEL_CHANGING, NAMES

    allowed = [name for name in NAMES if name not in LABEL_CHANGING]
    for name in names:
        if name in LABEL_CHANGING:
            raise InputError(
                f"The contract {where}: the perturbation {name!r} is made to change the right label, so the right answer is not "
                f"known. Allowed: {', '.join(allowed)}."
            )
        if name not in NAMES:
            raise UnknownName("perturbation in a contract", name, allowed, f"Correct its spelling in {where}.")


def _target(entry: Any, contract: Path) -> Path | None:
    if entry is None:
        return None
    if not isinstance(entry, str) or not entry.strip():
        raise InputError(f"The contract {contract}: target must name a file, got {entry!r}.")
    path = contract.parent / entry
    if not path.exists():
        raise InputError(f"The contract {contract} names the target {path}, which does not exist. Give its path from there.")
    return path


def refuse_of_structures(contract: Contract, *, task: str) -> None:
    """Raise InputError for what a task with more than one label a row cannot be asked."""
    if contract.shortcuts:
        raise InputError(
            f"The contract {contract.name!r} names shortcuts: what is right once a word is put in or taken out is known of one "
            f"label a row, which task {task} does not have. Leave shortcuts out; groups, perturbations and target can stay."
        )


def refuse_absent(contract: Contract, data: Dataset) -> None:
    """Raise InputError when the contract names a word or a group that no row holds, SurroundingsError for edits that need a tool
    which is not installed."""
    refuse_absent_words(contract, data)
    refuse_absent_groups(contract, data)
    if contract.perturbation:
        from veridical.probe.perturbations import missing

        texts = data.inputs(data.rows("test"))
        for name in contract.perturbation.names:
            if said := missing(name, texts):
                raise SurroundingsError(f"The contract {contract.name!r}: {said}")


def refuse_absent_groups(contract: Contract, data: Dataset) -> None:
    """A contract that names a group of no test row is refused, and one with groups where there is no group column."""
    if not contract.groups:
        return
    rows = data.rows("test") if len(data.rows("test")) else np.arange(len(data))  # without a test set every row is tested
    there = {g for g in data.table.column("group").take(rows).to_pylist() if g is not None}
    if not there:
        raise InputError(f"The contract {contract.name!r} names groups, but the test rows have none. Name their column: --group.")
    absent = [group for group, share in contract.groups if share > 0 and group not in there]
    if absent:
        raise InputError(
            f"The contract {contract.name!r} gives group {absent[0]!r} a share, but no test row belongs to it. "
            f"Groups of the test rows: {', '.join(sorted(there)[:10])}."
        )


def refuse_absent_words(contract: Contract, data: Dataset) -> None:
    """A contract that names a word of no row is refused."""
    for shortcut in contract.shortcuts:
        rows = holds(data.inputs(), shortcut.word)
        if not np.any(rows):
            raise InputError(
                f"The contract {contract.name!r} names the word {shortcut.word!r}, which no row of {len(data)} holds. "
                "Check its spelling, or remove it."
            )
