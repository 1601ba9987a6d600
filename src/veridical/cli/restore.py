"""veridical restore: the input of a run, rebuilt from the repaired data and the edits alone."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.counted import counted


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a run that tried repairs.")],
    *,
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
) -> None:
    """Undo every edit of RUN and write the rows as they were loaded."""
    from veridical.pipeline.restoring import restore_run

    n_rows, fingerprint = restore_run(run, out=out)
    typer.echo(f"{counted(n_rows, 'row')} restored to {out}; fingerprint {fingerprint[:12]} equals the one taken at load.")
