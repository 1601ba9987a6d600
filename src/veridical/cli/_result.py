"""The end of a run on the terminal: the summary for a person or the record for a program."""

from pathlib import Path

import typer

from veridical.core.errors import UnknownName
from veridical.core.probe_record import FILE, ProbeRecord
from veridical.core.run_record import RunRecord
from veridical.pipeline.config import CHOICES


def printed(record: RunRecord, *, folder: Path, lang: str | None, json: bool, quiet: bool) -> None:
    """run.json as it stands on disk with `json`; nothing with `quiet`; else the summary."""
    chosen = language_of(record, lang)
    if json:
        typer.echo((folder / "run.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        from rich.console import Console

        from veridical.report.terminal import summary

        summary(record, lang=chosen, console=Console(highlight=False), folder=folder)


def probed(record: ProbeRecord, *, folder: Path, lang: str, json: bool, quiet: bool) -> None:
    """probes.json as it stands on disk with `json`; nothing with `quiet`; else one paragraph a probe."""
    if json:
        typer.echo((folder / FILE).read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        from rich.console import Console

        from veridical.report.probes import summary
        from veridical.report.wording import words

        summary(record, words=words(lang), console=Console(highlight=False))
        typer.echo(str(folder / FILE))


def language_of(record: RunRecord, lang: str | None) -> str:
    """The language asked for, else that of the run. Raises UnknownName."""
    chosen = lang or str(record.config.get("lang", "en"))
    if chosen not in CHOICES["lang"]:
        raise UnknownName("language", chosen, CHOICES["lang"])
    return chosen
