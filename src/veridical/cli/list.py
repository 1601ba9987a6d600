"""veridical list: the plug-ins there are, one line each."""

from typing import Annotated

import typer

from veridical.core.errors import UnknownName
from veridical.core.plugins import names, summary

FOLDERS = {
    "checks": "veridical.audit",
    "corpus-checks": "veridical.audit.corpus",
    "repairs": "veridical.repair",
    "countermeasures": "veridical.train.countermeasures",
    "tuning": "veridical.train.tuning",
    "objectives": "veridical.train.objectives",
    "probes": "veridical.probe",
    "tasks": "veridical.tasks",
}


def verb(kind: Annotated[str, typer.Argument(help=f"One of {', '.join(FOLDERS)}; all when not given.")] = "") -> None:
    """Show checks, repairs, countermeasures, tuning methods, objectives, probes and tasks with one line each."""
    if kind and kind not in FOLDERS:
        raise UnknownName("kind of plug-in", kind, FOLDERS)
    for shown in [kind] if kind else list(FOLDERS):
        typer.echo(f"{shown}:")
        for name in names(FOLDERS[shown]):
            typer.echo(f"  {name:<22} {summary(FOLDERS[shown], name)}")
