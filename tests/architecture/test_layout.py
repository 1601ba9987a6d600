"""The house rules that a program can check."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "veridical"
FILES = sorted(SOURCE.rglob("*.py"))
LAYERS = [
    *("core", "dataset", "tasks", "models", "audit", "repair", "train", "probe", "ledger", "verify"),
    *("explain", "report", "serve", "pipeline", "cli"),
]
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "other"}
LONG_FUNCTIONS: dict[str, str] = {}
"""module:function -> the reason why it may be longer than 60 lines."""
CONNECTS = {"models/endpoint.py"}
"""Files that may open a connection to another machine."""
NETWORK = {
    *("urllib", "http", "socket", "socketserver", "ssl", "ftplib", "smtplib", "poplib", "imaplib", "xmlrpc", "webbrowser"),
    *("requests", "httpx", "aiohttp", "urllib3", "websockets", "websocket", "grpc", "paramiko"),
}
MAX_LINES = 60
UPWARDS: dict[str, str] = {}
"""importing module -> the reason why it may import from a layer above."""


def _name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if (node.module or "").startswith("veridical"):  # what is imported may be a module
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_imports_go_one_way(path: Path) -> None:
    parts = path.relative_to(SOURCE).parts
    if len(parts) == 1 or _name(path) in UPWARDS:
        return
    own = LAYERS.index(parts[0])
    for module in _imports(path):
        pieces = module.split(".")
        if pieces[0] == "veridical" and len(pieces) > 1 and pieces[1] in LAYERS:
            assert LAYERS.index(pieces[1]) <= own, f"{_name(path)} imports {module}, a layer above {parts[0]}"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_file_is_named_after_its_idea(path: Path) -> None:
    assert path.stem not in FORBIDDEN_NAMES
    assert not FORBIDDEN_NAMES & set(path.relative_to(SOURCE).parts)


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_functions_fit_on_a_screen(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_LINES or f"{_name(path)}:{node.name}" in LONG_FUNCTIONS, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_nothing_stored_becomes_code(path: Path) -> None:
    """No unpickling, un-marshalling, eval or exec anywhere."""
    assert not _imports(path) & {"pickle", "marshal", "dill", "cloudpickle", "joblib", "shelve"}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{_name(path)} line {node.lineno}"
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code"):
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_one_file_opens_connections(path: Path) -> None:
    """Texts leave this machine by one door, and only where the user names an address."""
    if _name(path) not in CONNECTS:
        assert not {module.split(".")[0] for module in _imports(path)} & NETWORK, f"{_name(path)} can open a connection"


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_that_file_is_loaded_only_where_it_is_used(path: Path) -> None:
    doors = {f"veridical.{name.removesuffix('.py').replace('/', '.')}" for name in CONNECTS}
    for node in _tree(path).body:  # the top of the file; inside functions it may be imported
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                named = {node.module or "", *(f"{node.module}.{name}" for name in named)}
            assert not named & doors, f"{_name(path)} line {node.lineno}"


def test_every_import_is_a_listed_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *(entry for extra in project["optional-dependencies"].values() for entry in extra)]
    names = {re.split(r"[\[<>=!~ ]", entry)[0].lower().replace("_", "-") for entry in listed}
    owners = packages_distributions()
    import sys

    for path in FILES:
        for module in _imports(path):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top == "veridical":
                continue
            distributions = {name.lower().replace("_", "-") for name in owners.get(top, [top])}
            assert distributions & names, f"{_name(path)} imports {top}, which pyproject.toml does not list"


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *(entry for extra in project["optional-dependencies"].values() for entry in extra)]
    names = {re.split(r"[\[<>=!~ ]", entry)[0].lower().replace("_", "-") for entry in listed} - {"veridical"}
    pins = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    assert names <= pins, f"not in constraints.txt: {sorted(names - pins)}"


def test_no_plugin_is_a_special_case() -> None:
    """Nothing but another plug-in imports a plug-in by name, so a new one needs no second edit."""
    folders = ("audit", "audit/corpus", "repair", "train/countermeasures", "train/objectives", "tasks", "probe")
    for folder in folders:
        package = f"veridical.{folder.replace('/', '.')}"
        plugins = {f"{package}.{p.stem}" for p in (SOURCE / folder).glob("*.py") if not p.stem.startswith("_")}
        for path in FILES:
            if any(path.is_relative_to(SOURCE / other) for other in folders):
                continue
            assert not _imports(path) & plugins, f"{_name(path)} imports {_imports(path) & plugins}"
