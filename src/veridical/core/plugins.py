"""The folder is the registry: a plug-in is one file that ends by assigning one frozen record to the folder's noun.

`names("veridical.audit")` lists files without importing them; `get("veridical.audit", "check", "label_words")` imports one.
Outside packages join through the entry-point group `veridical.plugins` (an entry named like `audit`, pointing to a package
whose files are plug-ins); a project joins by a folder `veridical_plugins/audit/NAME.py` in the working directory.
"""

import ast
import importlib
import importlib.util
import sys
import traceback
from functools import lru_cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from veridical.core.errors import InputError, UnknownName

PROJECT_FOLDER = "veridical_plugins"


def _own_folder(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or []) if spec else []


@lru_cache(maxsize=4)
def _entries(_searched: tuple[str, ...]) -> EntryPoints:
    """What installed packages offer; read once for each state of `sys.path`, since every package's metadata is opened for it.
    What is installed later into a folder on that path is found by the next process."""
    return entry_points(group="veridical.plugins")


def _places(package: str) -> list[tuple[str, str]]:
    """(module prefix, folder) of every place that may hold plug-ins of `package`; our own first."""
    kind = package.removeprefix("veridical.")
    places = [(package, folder) for folder in _own_folder(package)]
    for entry in _entries(tuple(sys.path)).select(name=kind):
        places += [(entry.value, folder) for folder in _own_folder(entry.value)]
    local = Path.cwd() / PROJECT_FOLDER / kind.replace(".", "/")
    if local.is_dir():
        places.append(("", str(local)))
    return places


def _found(package: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for prefix, folder in _places(package):
        for module in iter_modules([folder]):
            if module.name.startswith("_") or module.ispkg:
                continue
            if module.name in found:
                first = found[module.name][1]
                raise InputError(f"Two plug-ins are called {module.name!r}: one in {first}, one in {folder}. Rename one.")
            found[module.name] = (prefix, folder)
    return found


def names(package: str) -> list[str]:
    """Names of all plug-ins of a folder, sorted; nothing is imported."""
    return sorted(_found(package))


def module(package: str, name: str) -> ModuleType:
    found = _found(package)
    if name not in found:
        raise UnknownName(package.split(".")[-1], name, sorted(found), "See: veridical list")
    prefix, folder = found[name]
    if prefix:
        return importlib.import_module(f"{prefix}.{name}")
    qualified = f"{PROJECT_FOLDER}.{package.removeprefix('veridical.')}.{name}"
    path = Path(folder) / f"{name}.py"
    loaded = sys.modules.get(qualified)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location(qualified, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} cannot be imported as a plug-in.")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = loaded
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:
        del sys.modules[qualified]
        raise _unusable(path, error) from error
    return loaded


def _unusable(path: Path, error: Exception) -> InputError:
    """A plug-in of the project that fails when it is imported: which line, and what it says."""
    line = error.lineno if isinstance(error, SyntaxError) else None
    if line is None:
        line = next((f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(path)), None)
    place = f", line {line}" if line else ""
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return InputError(f"The plug-in {path}{place}, cannot be used ({type(error).__name__}: {said}). Correct it or move it away.")


def get(package: str, noun: str, name: str) -> Any:
    """The record that plug-in file `name` assigns to `noun`."""
    loaded = module(package, name)
    if not hasattr(loaded, noun):
        raise InputError(f"{loaded.__file__} assigns no {noun!r}; a plug-in ends with a line like `{noun} = ...`.")
    return getattr(loaded, noun)


def summary(package: str, name: str) -> str:
    """First line of the plug-in's docstring; read, not imported, so that listing loads nothing."""
    found = _found(package)
    if name not in found:
        raise UnknownName(package.split(".")[-1], name, sorted(found), "See: veridical list")
    path = Path(found[name][1]) / f"{name}.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError) as error:
        raise _unusable(path, error) from error
    return (ast.get_docstring(tree) or "").strip().split("\n")[0]
