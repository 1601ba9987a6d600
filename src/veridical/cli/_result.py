"""The end of a run on the terminal: the summary for a person or the record for a program."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from json import dumps
from pathlib import Path

import typer

from veridical.core.errors import UnknownName
from veridical.core.explain_record import ROWS_FILE, ExplainRecord, read_rows
from veridical.core.probe_record import FILE, ProbeRecord, read
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

        summary(record, lang=chosen, console=Console(highlight=False), folder=folder, probes=read(folder))


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


def explained(record: ExplainRecord, *, folder: Path, only: Sequence[str], rows: int, lang: str, json: bool, quiet: bool) -> None:
    """The components of `only` with their first rows: as JSON with `json`; nothing with `quiet`; else a paragraph each."""
    if quiet and not json:
        return
    chosen = [component for component in record.components if component.component in only]
    listed = {c.component: read_rows(folder, component=c.component, rows=rows) for c in chosen}
    if json:
        shown = {**replace(record, components=tuple(chosen)).to_json(), "rows": [asdict(r) for rs in listed.values() for r in rs]}
        typer.echo(dumps(shown, ensure_ascii=False, indent=1))
        return
    from rich.console import Console

    from veridical.report.explained import summary
    from veridical.report.wording import words

    summary(chosen, listed, words=words(lang), console=Console(highlight=False))
    typer.echo(str(folder / ROWS_FILE))


def language_of(record: RunRecord, lang: str | None) -> str:
    """The language asked for, else that of the run. Raises UnknownName."""
    chosen = lang or str(record.config.get("lang", "en"))
    if chosen not in CHOICES["lang"]:
        raise UnknownName("language", chosen, CHOICES["lang"])
    return chosen
