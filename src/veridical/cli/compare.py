"""veridical compare: which run is better, how surely, and how much of the best one's lead may be luck."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.errors import UnknownName


def verb(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs on one test set, the baseline first.")],
    *,
    metric: Annotated[str | None, typer.Option(help="Score to compare; that of the runs when not given.")] = None,
    shared: Annotated[bool, typer.Option("--shared", help="Compare on the test rows that all runs have.")] = False,
    margin: Annotated[float | None, typer.Option(help="Points within which a run counts as not worse.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the resampling.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to write: .json, .md or .html.")] = None,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    json: Annotated[bool, typer.Option("--json", help="Print the record instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Compare RUNS pair by pair on the same rows. Changes nothing in them."""
    if lang not in ("en", "zh"):
        raise UnknownName("language", lang, ("en", "zh"))
    from veridical.report.comparison import refuse_suffix, summary, write

    if out is not None:
        refuse_suffix(out)
    from veridical.pipeline.comparing import compare

    record = compare(runs, metric=metric, shared=shared, margin=margin, seed=seed)
    if out is not None:
        write(record, out, lang=lang)
    if json:
        from json import dumps

        typer.echo(dumps(record.to_json(), ensure_ascii=False, indent=1, allow_nan=False))
    elif not quiet:
        from rich.console import Console

        summary(record, lang=lang, console=Console(highlight=False))
        if out is not None:
            typer.echo(f"\n{out}")
