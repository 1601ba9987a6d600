"""veridical audit: the checks alone."""

from pathlib import Path
from typing import Annotated, Any

import typer

from veridical.cli._options import options_of
from veridical.core.counted import counted
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
    with shown(quiet=quiet) as progress:
        folder, audit = audit_file(data, config=configured(given), only=checks, out=out, fresh=fresh, progress=progress)
    if json:
        typer.echo((folder / "audit.json").read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        for record in audit.checks:
            said = {"found": f"{record.n_found} found", "clean": "nothing found", "skipped": "could not look"}[record.status]
            over = "" if record.status == "skipped" else f" in {counted(record.n_rows, 'row')}"
            why = record.why if record.status == "skipped" else record.summary
            typer.echo(f"{record.check:<20} {said}{over}. {why}".rstrip())
        typer.echo(f"Findings: {folder / 'findings.parquet'}")
    met = reasons(rules, audit=audit, ledger=None)
    for sentence in met:
        typer.echo(f"--fail-on: {sentence}", err=True)
    return 1 if met else 0
