"""veridical probe: what the score of a finished run hides."""

from pathlib import Path
from typing import Annotated

import typer

from veridical.core.errors import InputError

Contrast = Annotated[
    Path | None, typer.Option(help="File of originals and revisions with their labels, put to the model instead of probes.")
]
ContrastPair = Annotated[str | None, typer.Option(help="Its column that says which rows belong together; guessed, as pair_id.")]
ContrastVariant = Annotated[
    str | None, typer.Option(help="Its column whose value begins with orig for originals; else the first row of a set is it.")
]
SuiteFile = Annotated[
    Path | None,
    typer.Option(
        help="File of behavioural tests (YAML with templates, or JSON lines as CheckList's), or of sentences about persons "
        "(as the Equity Evaluation Corpus), put to the model instead."
    ),
]
SuiteLabels = Annotated[
    str, typer.Option(help="What its labels are called in the data, where names do not tell: positive=1,negative=0.")
]
LabelSheet = Annotated[
    Path | None, typer.Option(help="CSV to write: edited texts of which a person says whether the label still holds.")
]
LabelAnswers = Annotated[
    Path | None, typer.Option(help="That CSV with its column answer filled in: yes, no or unsure; blank: not read.")
]
AttackExamples = Annotated[
    Path | None,
    typer.Option(help="CSV to write: train rows as searches turned the model's answers, for attack_examples:file=FILE."),
]
Rows = Annotated[
    int | None,
    typer.Option(help="How many edited texts --label-sheet writes (150), or train rows --attack-examples attacks (1000)."),
]
Kinds = Annotated[
    str,
    typer.Option(
        help="Recipes of attack, or kinds of edit on a label sheet, separated by commas; those of the probe when not given."
    ),
]
Budget = Annotated[
    str | None, typer.Option(help="How long to ask: quick, standard or thorough; as before, or standard, when not given.")
]


def verb(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    *,
    only: Annotated[str, typer.Option(help="Probes to run, separated by commas, or cheap, quick, all; all when not given.")] = "",
    contrast: Contrast = None,
    contrast_pair: ContrastPair = None,
    contrast_variant: ContrastVariant = None,
    text: Annotated[str | None, typer.Option(help="Its column with the text; guessed when not given.")] = None,
    label: Annotated[str | None, typer.Option(help="Its column with the label; guessed when not given.")] = None,
    suite: SuiteFile = None,
    suite_labels: SuiteLabels = "",
    label_sheet: LabelSheet = None,
    rows: Rows = None,
    kinds: Kinds = "",
    label_answers: LabelAnswers = None,
    attack_examples: AttackExamples = None,
    budget: Budget = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the outcomes of earlier probes of this run.")] = False,
    lang: Annotated[str | None, typer.Option(help="en or zh; that of the run when not given.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print probes.json instead of the summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Ask the model of RUN what its score hides: robustness, fairness, calibration, shortcuts and the rest."""
    from veridical.cli._progress import shown
    from veridical.cli._result import language_of, probed
    from veridical.core.run_record import read
    from veridical.pipeline.attack_file import write_attack_examples
    from veridical.pipeline.contrasting import contrast_run
    from veridical.pipeline.edit_sheet import take_answers, write_sheet
    from veridical.pipeline.probing import probe_run, report_again
    from veridical.pipeline.suite_file import suite_run
    from veridical.report.short import attack_lines, label_sheet_lines
    from veridical.report.wording import words

    chosen, names, tried = language_of(read(run), lang), _names(only, "--only"), _names(kinds, "--kinds")
    n = rows if rows is not None else 150 if label_sheet else 1000
    sheets = {"--label-sheet": label_sheet, "--label-answers": label_answers, "--attack-examples": attack_examples}
    _one_of({"--contrast": contrast, "--suite": suite, **sheets}, kinds)
    if label_sheet is not None:
        with shown(quiet=quiet, lang=chosen) as progress:
            n = write_sheet(run, rows=n, out=label_sheet, only=names, kinds=tried, budget=budget, progress=progress)
        _told(label_sheet_lines(run, out=label_sheet, n_rows=n, words=words(chosen)), quiet=quiet)
        return
    if attack_examples is not None:
        with shown(quiet=quiet, lang=chosen) as progress:
            made = write_attack_examples(run, rows=n, out=attack_examples, recipes=tried, progress=progress)
        _told(attack_lines(*made.told(), out=attack_examples, words=words(chosen)), quiet=quiet)
        return
    with shown(quiet=quiet, lang=chosen) as progress:
        if contrast is not None:
            columns = {"pair": contrast_pair, "variant": contrast_variant, "text": text, "label": label}
            record = contrast_run(run, contrast, **columns, progress=progress)
        elif suite is not None:
            record = suite_run(run, suite, labels=_names(suite_labels, "--suite-labels"), progress=progress)
        elif label_answers is not None:
            record = take_answers(run, answers=label_answers, progress=progress)
        else:
            record = probe_run(run, only=names, kinds=tried, budget=budget, fresh=fresh, progress=progress)
    report_again(run)
    probed(record, folder=run, lang=chosen, json=json, quiet=quiet)


def _names(given: str, option: str) -> list[str]:
    """Raises InputError where commas stand alone."""
    found = [name.strip() for name in given.split(",") if name.strip()]
    if given and not found:
        raise InputError(f"{option} {given!r} names nothing. Write names separated by commas, or leave {option} out.")
    return found


WITH_KINDS = ("--label-sheet", "--attack-examples")
"""Options beside which --kinds names something."""


def _one_of(given: dict[str, Path | None], kinds: str) -> None:
    """Raise InputError where more than one of these was given, or one without kinds beside --kinds."""
    both = [name for name, value in given.items() if value is not None]
    if len(both) > 1:
        raise InputError(f"{' and '.join(both)} exclude each other; give one of them.")
    if kinds and both and both[0] not in WITH_KINDS:
        raise InputError(f"--kinds names recipes of attack or kinds of edit, and {both[0]} takes none. Leave --kinds out.")


def _told(lines: list[str], *, quiet: bool) -> None:
    for line in [] if quiet else lines:
        typer.echo(line)
