"""veridical review: the labels worth reading, and the account after they were read."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.errors import InputError


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    *,
    rows: Annotated[int, typer.Option(help="How many rows to write.")] = 150,
    out: Annotated[Path | None, typer.Option(help="CSV to write: id, text, label, answer.")] = None,
    answers: Annotated[Path | None, typer.Option(help="The CSV with its column answer filled in.")] = None,
    withdraw: Annotated[Path | None, typer.Option(help="A CSV whose answers were taken and are to count no more.")] = None,
    review_train: Annotated[bool, typer.Option("--review-train", help="Write rows of train instead of the test set.")] = False,
    lang: Annotated[str | None, typer.Option(help="en or zh; that of the run when not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="After --answers, print run.json.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Write the rows whose labels tell most (--out), or take answers back and recompute the account (--answers, --withdraw)."""
    if sum(given is not None for given in (out, answers, withdraw)) != 1:
        raise InputError(
            "Give either --out FILE to write the rows to review, or --answers FILE to take them back, or --withdraw FILE to have "
            "its answers count no more."
        )
    if out is not None:
        from veridical.pipeline.reviewing import write_sheet

        made = write_sheet(run, rows=rows, out=out, train=review_train)
        if not quiet:
            from veridical.cli._result import language_of
            from veridical.core.run_record import read
            from veridical.report.short import sheet_lines
            from veridical.report.wording import words

            said = words(language_of(read(run), lang))
            shown = sheet_lines(
                run, out=out, n_rows=made.n_rows, before=made.before, after=made.after, measures=made.measures,
                structured=made.structured, words=said,
            )  # fmt: skip
            for line in shown:
                typer.echo(line)
    else:
        from veridical.cli._result import printed
        from veridical.pipeline.reviewing import take_answers, withdraw_answers

        if answers is not None:
            record = take_answers(run, answers=answers)
        else:
            assert withdraw is not None
            record = withdraw_answers(run, answers=withdraw)
        printed(record, folder=run, lang=lang, json=json, quiet=quiet)
