"""The end of a run on the terminal: the summary for a person or the record for a program."""

from pathlib import Path

import typer

from veridical.core.errors import UnknownName
from veridical.core.run_record import RunRecord
from veridical.pipeline.config import CHOICES


def printed(record: RunRecord, *, folder: Path, lang: str | None, json: bool, quiet: bool) -> None:
    """run.json as it stands on disk with `json`; nothing with `quiet`; else the summary."""
    chosen = lang or str(record.config.get("lang", "en"))
    if chosen not in CHOICES["lang"]:
        raise UnknownName("language", chosen, CHOICES["lang"])
    if json:
        typer.echo((folder / "run.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        from rich.console import Console

        from veridical.report.terminal import summary

        summary(record, lang=chosen, console=Console(highlight=False), folder=folder)
