"""veridical pretrain: an encoder or a language model from plain text."""

from pathlib import Path
from typing import Annotated, Any

import typer

from veridical.cli._options import options_of
from veridical.pipeline.config import read_config
from veridical.pipeline.corpus_config import CorpusConfig, configured
from veridical.train.pretrain_config import PretrainConfig


@options_of(CorpusConfig, PretrainConfig)
def verb(
    sources: Annotated[
        list[Path], typer.Argument(help="Files or folders with text: .txt, .md, or files of rows.", metavar="TEXT...")
    ],
    *,
    out: Annotated[Path | None, typer.Option(help="Folder of the model; runs/HASH when not given.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over in a folder that holds a pre-training.")] = False,
    config: Annotated[Path | None, typer.Option(help="YAML file with these settings; options given here win.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print pretrain.json instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    given: dict[str, Any],
) -> None:
    """Pre-train on TEXT, audited first, and score on held-out documents. The folder is a model that --model opens."""
    from veridical.cli._progress import shown
    from veridical.pipeline.pretraining import pretrain

    corpus, training = configured({**(read_config(config) if config else {}), **given})
    with shown(quiet=quiet, lang=corpus.lang) as progress:
        folder, record = pretrain(sources, corpus=corpus, config=training, out=out, fresh=fresh, progress=progress)
    if json:
        from veridical.core.pretrain_record import FILE

        typer.echo((folder / FILE).read_text(encoding="utf-8"), nl=False)
    elif not quiet:
        from rich.console import Console

        from veridical.report.pretraining import summary

        summary(record, lang=corpus.lang, console=Console(highlight=False), folder=folder)
