"""veridical restore: the input of a run, rebuilt from the repaired data and the edits alone."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.counted import counted


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a run that tried repairs.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
) -> None:
    """Undo every edit of RUN and write the rows as they were loaded."""
    from veridical.pipeline.restoring import restore_run
    from veridical.report.wording import words

    said = words(lang).sentence
    n_rows, fingerprint = restore_run(run, out=out)
    typer.echo(said(f"{counted(n_rows, 'row')} restored to {out}; fingerprint {fingerprint[:12]} equals the one taken at load."))
