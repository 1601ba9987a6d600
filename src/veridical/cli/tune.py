"""veridical tune: which way to tune an encoder, at what price."""

from pathlib import Path
from typing import Annotated, Any

import typer

from veridical.cli._options import options_of
from veridical.core.errors import InputError
from veridical.pipeline.config import RunConfig, configured, read_config
from veridical.train.config import TrainConfig

COLUMNS = ("test", "valid", "text", "second", "label", "id", "group", "source", "time", "split_column", "split", "test_share")
TASK = ("task", "tokens", "tags", "tag_scheme", "context", "question", "answers")
OTHERS = ("metric", "model", "seed", "lang", "engine", "engine_address", "countermeasures")
TRAINING = tuple(
    name for name in TrainConfig.__dataclass_fields__ if name not in ("tuning", "tuning_knobs", "select_by", "linear_c")
)


@options_of(RunConfig, TrainConfig, only=(*COLUMNS, *TASK, *OTHERS, *TRAINING))
def verb(
    train: Annotated[Path, typer.Argument(help="File or folder with the training rows, or with all rows.")],
    *,
    methods: Annotated[
        str, typer.Option(help="Ways to tune, separated by commas, knobs after colons: full,lora:rank=16. One of each kind.")
    ] = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the comparison; runs/HASH when not given.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over in a folder that holds a comparison.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file with these settings; options given here win.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print tuning.json instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    given: dict[str, Any],
) -> None:
    """Tune an encoder in several ways on the same rows: score, share trained, seconds, memory, forgetting; test rows unseen."""
    from veridical.cli._progress import shown
    from veridical.pipeline.tuning import tune, usual

    said = {"model": "minilm", **(read_config(config) if config else {}), **given}
    if said.get("tuning", "full") != "full" or said.get("tuning_knobs"):
        raise InputError("tuning and tuning_knobs are what is compared here; name the methods with --methods lora:rank=16,full.")
    settings = configured(said)
    asked = [name.strip() for name in methods.split(",") if name.strip()] or usual(settings)
    with shown(quiet=quiet, lang=settings.lang) as progress:
        folder, record = tune(train, config=settings, methods=asked, out=out, fresh=fresh, progress=progress)
    if json:
        from json import dumps

        typer.echo(dumps(record.to_json(), ensure_ascii=False, indent=1, allow_nan=False))
    elif not quiet:
        from rich.console import Console

        from veridical.report.tuning import summary

        summary(record, lang=settings.lang, console=Console(highlight=False))
        typer.echo(f"\n{folder / 'tuning.json'}")
