"""veridical verify: does a certificate of repairs and countermeasures still hold?"""

from pathlib import Path
from typing import Annotated

import typer


def verb(
    certificate: Annotated[Path, typer.Argument(help="The certificate.json of a run that tried repairs, or the run's folder.")],
    *,
    data: Annotated[Path | None, typer.Option(help="The input file of the run, to compare with what was certified.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="Train every arm again with the same seeds and compare.")] = False,
    lang: Annotated[str, typer.Option(help="en or zh.")] = "en",
    json: Annotated[bool, typer.Option("--json", help="Print the claims as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Check CERTIFICATE: its hash, the data, the figures of every arm. Exit code 1 where a claim does not hold."""
    from veridical.cli._progress import shown
    from veridical.pipeline.verifying import exit_code, verify
    from veridical.report.short import claim_line
    from veridical.report.wording import words

    said = words(lang)
    with shown(quiet=quiet or json, lang=lang) as progress:
        claims = verify(certificate, data=data, rerun=rerun, progress=progress)
    if json:
        from dataclasses import asdict
        from json import dumps

        typer.echo(dumps([asdict(claim) for claim in claims], ensure_ascii=False, indent=1))
    elif not quiet:
        for claim in claims:
            typer.echo(claim_line(claim.name, claim.why, holds=claim.holds, words=said))
    if exit_code(claims):
        raise typer.Exit(exit_code(claims))
