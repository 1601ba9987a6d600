"""Start a plug-in of one's own: a valid file whose contract tests fail until its questions are answered."""

import keyword
from pathlib import Path
from typing import Annotated

import typer

from veridical.core.atomic_write import write_text
from veridical.core.errors import InputError, UnknownName
from veridical.core.plugins import PROJECT_FOLDER, names

_CHECK = '''"""TODO: one line that says what is found.

What it measures: TODO
Why it inflates a score: TODO
How it errs: TODO
Source: TODO
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """When a row is found."""

    threshold: float = 0.5
    """TODO: unit, range, origin."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    findings: list[Finding] = []
    return Looked(len(evidence.data), tuple(findings))


def planted() -> Planted:
    """A data set with the defect, the ids to be found, and its twin without the defect."""
    raise NotImplementedError("plant the defect that the check finds")


check = Check(run, Params(), planted)
'''
TEMPLATES = {"check": ("audit", _CHECK)}


def write_template(kind: str, name: str, folder: Path) -> Path:
    """Write `folder`/audit/`name`.py, the start of a plug-in; its path. A file that is there is never replaced."""
    if kind not in TEMPLATES:
        raise UnknownName("kind of plug-in", kind, TEMPLATES)
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_") or name != name.lower():
        raise InputError(f"{name!r} cannot name a plug-in: use lower-case letters, digits and _, starting with a letter.")
    place, text = TEMPLATES[kind]
    path = folder / place / f"{name}.py"
    if path.exists():
        raise InputError(f"{path} exists already. Choose another name or edit that file.")
    if name in names(f"veridical.{place}"):
        raise InputError(f"A {kind} called {name!r} comes with veridical or one of its plug-ins. Choose another name.")
    write_text(path, text)
    return path


def verb(
    kind: Annotated[str, typer.Argument(help="What to start: check.")],
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and _.")],
    *,
    in_package: Annotated[bool, typer.Option("--in-package", help="Write into this installation.")] = False,
) -> None:
    """Write the file of a new plug-in; its contract tests fail until its questions are answered."""
    folder = Path(__file__).parents[1] if in_package else Path(PROJECT_FOLDER)
    path = write_template(kind, name, folder)
    typer.echo(f"{path}: answer the four questions, name the thresholds, write run and planted.")
    call = f"from veridical.audit._contract_tests import check_contract; check_contract({name!r})"
    typer.echo(f'Its contract, until it says nothing: python -c "{call}"')
