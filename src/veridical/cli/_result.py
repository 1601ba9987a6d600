"""The end of a run on the terminal: the summary for a person or the record for a program, and what to do next."""

from pathlib import Path

import typer

from veridical.core.run_record import RunRecord


def printed(record: RunRecord, *, folder: Path, lang: str, json: bool, quiet: bool) -> None:
    """run.json as it stands on disk with `json`; nothing with `quiet`; else the summary."""
    if json:
        typer.echo((folder / "run.json").read_text(encoding="utf-8"), nl=False)
        return
    if quiet:
        return
    from rich.console import Console

    from veridical.report.terminal import summary

    summary(record, lang=lang, console=Console(highlight=False, soft_wrap=not Console().is_terminal))
    for name in ("report.html",):
        if (folder / name).is_file():
            typer.echo(f"{'报告' if lang == 'zh' else 'Report'}: {folder / name}")
