"""veridical audit: the checks alone."""

from pathlib import Path
from typing import Annotated, Any

import typer

from veridical.cli._options import options_of
from veridical.pipeline.config import RunConfig, configured

ROLES = (
    "test",
    "valid",
    "text",
    "second",
    "label",
    "id",
    "group",
    "source",
    "time",
    "split_column",
    "task",
    "tokens",
    "tags",
    "tag_scheme",
    "context",
    "question",
    "answers",
    "seed",
    "no_text",
    "lang",
)


@options_of(RunConfig, only=ROLES)
def verb(
    data: Annotated[Path, typer.Argument(help="File or folder with the rows.")],
    *,
    only: Annotated[str, typer.Option(help="Checks to run, separated by commas; all when not given.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for the findings; runs/HASH when not given.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over in a folder that holds an audit.")] = False,
    fail_on: Annotated[str, typer.Option(help="Exit with 1 where met: found=CHECK, severity=serious.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print audit.json instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    given: dict[str, Any],
) -> int:
    """Look for defects in DATA. Changes nothing, trains nothing that is kept; a file without a split is looked at as it is."""
    from veridical.cli._fail_on import parse, reasons
    from veridical.cli._progress import shown
    from veridical.pipeline.auditing import audit_file

    rules = parse(fail_on)
    checks = tuple(name.strip() for name in only.split(",") if name.strip())
    settings = configured(given)
    with shown(quiet=quiet, lang=settings.lang) as progress:
        folder, audit, warnings = audit_file(data, config=settings, only=checks, out=out, fresh=fresh, progress=progress)
    if json:
        typer.echo((folder / "audit.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        from rich.console import Console

        from veridical.report.short import audit_lines
        from veridical.report.terminal import WIDEST
        from veridical.report.wording import words

        width = min(Console().width, WIDEST)
        for line in audit_lines(audit, words(settings.lang), width=width, findings=folder / "findings.parquet"):
            typer.echo(line)
        for sentence in warnings:
            typer.echo(f"! {words(settings.lang).sentence(sentence)}")
    met = reasons(rules, audit=audit, ledger=None)
    for sentence in met:
        typer.echo(f"--fail-on: {sentence}", err=True)
    return 1 if met else 0
