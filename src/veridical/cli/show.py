"""veridical show: the result of a run, again."""

from pathlib import Path
from typing import Annotated

import typer


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    *,
    lang: Annotated[str | None, typer.Option(help="en or zh; that of the run when not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print run.json.")] = False,
) -> None:
    """Print the result of RUN. Reads run.json alone."""
    from veridical.cli._result import printed
    from veridical.core.run_record import read

    printed(read(run), folder=run, lang=lang, json=json, quiet=False)
