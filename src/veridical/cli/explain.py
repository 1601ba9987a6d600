"""veridical explain: the rows behind each part of the account."""

from pathlib import Path
from typing import Annotated

import typer


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    *,
    component: Annotated[str, typer.Option(help="Component to show, such as leakage; all when not given.")] = "",
    rows: Annotated[int, typer.Option(help="Rows to show of each component.")] = 10,
    retrainings: Annotated[
        int | None,
        typer.Option(
            help="Trainings without some rows that check what is named; when not given 24 for model linear, 0 for encoders."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute again what is stored.")] = False,
    lang: Annotated[str | None, typer.Option(help="en or zh; that of the run when not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the record and its rows instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Which rows: for each component of RUN's account, the rows that caused it and the points each carries."""
    from veridical.cli._progress import shown
    from veridical.cli._result import explained, language_of
    from veridical.core.run_record import read
    from veridical.pipeline.explaining import chosen_components, explain_run
    from veridical.pipeline.probing import report_again

    record = read(run)
    language, names = language_of(record, lang), chosen_components(record, component=component, rows=rows)
    with shown(quiet=quiet, lang=language) as progress:
        found = explain_run(run, retrainings=retrainings, fresh=fresh, progress=progress)
    report_again(run)
    explained(found, folder=run, only=names, rows=rows, lang=language, json=json, quiet=quiet)
