"""veridical run: the main job, from a dataset to the honest score and a tested repair."""

from pathlib import Path
from typing import Annotated, Any

import typer

from veridical.cli._options import options_of
from veridical.pipeline.config import RunConfig, configured, read_config
from veridical.train.config import TrainConfig


@options_of(RunConfig, TrainConfig)
def verb(
    train: Annotated[Path, typer.Argument(help="File or folder with the training rows, or with all rows.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; runs/HASH when not given.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over in a folder that holds a run.")] = False,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with these settings, or the folder of an earlier run; options given here win.")
    ] = None,
    fail_on: Annotated[str, typer.Option(help="Exit with 1 where met: gap=3, found=CHECK or PROBE, severity=serious.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print run.json instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    given: dict[str, Any],
) -> int:
    """Train, audit, account from reported to honest score, and test repairs. TRAIN is never changed."""
    from veridical.cli._fail_on import parse, reasons
    from veridical.cli._progress import shown
    from veridical.cli._result import printed
    from veridical.core.probe_record import read
    from veridical.core.surroundings import place_among_processes
    from veridical.pipeline.running import run

    settings = configured({**(read_config(config) if config else {}), **given})
    rules = parse(fail_on, wanted=settings.probes)
    first = place_among_processes()[0] == 0
    with shown(quiet=quiet or not first, lang=settings.lang) as progress:
        done = run(train, config=settings, out=out, fresh=fresh, progress=progress)
    if not first:  # it is told once
        return 0
    printed(done.record, folder=done.folder, lang=settings.lang, json=json, quiet=quiet)
    met = reasons(rules, audit=done.audit, ledger=done.record.ledger, probes=read(done.folder))
    for sentence in met:
        typer.echo(f"--fail-on: {sentence}", err=True)
    return 1 if met else 0
