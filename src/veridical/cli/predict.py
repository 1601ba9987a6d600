"""veridical predict: what a trained model says about new rows."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.counted import counted


def verb(
    model: Annotated[Path, typer.Argument(help="The model/ or model_repaired/ folder of a run.")],
    data: Annotated[Path, typer.Argument(help="File with the rows; a label column is not needed.")],
    *,
    out: Annotated[Path, typer.Option(help="File for the JSON lines of id, label, probabilities.")],
    text: Annotated[str | None, typer.Option(help="Column with the text; the one of training when not given.")] = None,
    second: Annotated[str | None, typer.Option(help="Column with the second text of a pair.")] = None,
    id: Annotated[str | None, typer.Option(help="Column with a unique id.")] = None,
    first_entity: Annotated[str | None, typer.Option(help="Column with the first entity, where texts do not mark it.")] = None,
    second_entity: Annotated[str | None, typer.Option(help="Column with the second entity.")] = None,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Predict every row of DATA with MODEL."""
    from veridical.cli._progress import shown
    from veridical.pipeline.predicting import predict
    from veridical.report.wording import words

    said = words(lang).sentence
    with shown(quiet=quiet, lang=lang) as progress:
        done = predict(
            model, data, out=out, text=text, second=second, id=id, first_entity=first_entity, second_entity=second_entity,
            progress=progress,
        )  # fmt: skip
    if not quiet:
        told = [f"{counted(done.n_rows, 'prediction')}: {out}."]
        if done.n_aside:
            told.append(f"{counted(done.n_aside, 'row')} could not be used and got no line.")
        if done.ids_made:
            told.append("The file has no id column (--id), so ids are row-1, row-2 and so on.")
        typer.echo(" ".join(said(sentence) for sentence in told))
        for sentence in done.warnings:
            typer.echo(f"! {said(sentence)}")
