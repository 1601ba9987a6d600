"""veridical report: draw a run again, in another format or language."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.errors import UnknownName


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    *,
    format: Annotated[str, typer.Option(help="html or md.")] = "html",
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Write report.html or report.md from the files of RUN."""
    from veridical.report.html import report

    for what, got, known in (("format", format, ("html", "md")), ("language", lang, ("en", "zh"))):
        if got not in known:
            raise UnknownName(what, got, known)
    typer.echo(report(run, format=format, lang=lang))
