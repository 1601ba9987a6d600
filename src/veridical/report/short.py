"""What the smaller verbs print: a line a check, and where a review sheet went."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from veridical.core.finding import AuditRecord
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.sentences import translated_error
from veridical.report.terminal import cells, pad, wrap
from veridical.report.wording import Words

NARROWEST, LONGEST = 20, 400
"""Cells of the column of names at least, and characters of a reason at most. Ours; no source."""


def audit_lines(audit: AuditRecord, words: Words, *, width: int, findings: Path) -> list[str]:
    """Each check: its name, what came of it, and why, wrapped to `width` cells; and where the findings are."""
    names = [words.name("check", record.check) for record in audit.checks]
    column = max([NARROWEST, *(cells(name) for name in names)])
    lines = []
    for name, record in zip(names, audit.checks, strict=True):
        rows = figures.count(record.n_rows)
        if record.status == "skipped":
            said = words("check_skipped", why=one_line(words.sentence(record.why), limit=LONGEST))
        elif record.status == "clean":
            said = words("check_clean", rows=rows)
        else:
            said = words("check_found", found=figures.count(record.n_found), rows=rows)
        more = "" if record.status == "skipped" else one_line(words.sentence(record.summary), limit=LONGEST)
        stop = "。" if words.lang == "zh" else ". "
        text = f"{pad(name, column)}  {said}{stop if more and not said.endswith(('.', '。')) else ''}{more}"
        lines += wrap(text, width=width, indent=column + 2)
    return [*lines, words("audit_findings", file=str(findings))]


def sheet_lines(
    run: Path, *, out: Path, n_rows: int, before: float, after: float, measures: bool, structured: bool, words: Words
) -> list[str]:
    """Where the rows to review went, and the interval widths in points without and with their answers. measures: whether the
    answers take noise into an interval that now leaves it out. structured: whether an answer is more than one label."""
    return [
        words("sheet_written", n=figures.count(n_rows), out=str(out)),
        *([words("sheet_copy")] if structured else []),
        words("sheet_measures" if measures else "sheet_buys", before=f"{before:.1f}", after=f"{after:.1f}"),
        words("sheet_next", command=f"veridical review {run} --answers {out}"),
    ]


def label_sheet_lines(run: Path, *, out: Path, n_rows: int, words: Words) -> list[str]:
    """Where the edited texts to read went."""
    return [
        words("label_sheet_written", n=figures.count(n_rows), out=str(out)),
        words("sheet_next", command=f"veridical probe {run} --label-answers {out}"),
    ]


def attack_lines(
    n: int, n_rows: int, recipes: Sequence[str], without: Mapping[str, str], *, out: Path, words: Words
) -> list[str]:
    """Where the texts that turned an answer went, and how they are learned. without: recipe that does not fit -> why."""
    return [
        *(words("attack_left_out", name=name, why=translated_error(why, words.lang)) for name, why in without.items()),
        words(
            "attack_examples_written", n=figures.count(n), rows=figures.count(n_rows), recipes=", ".join(recipes), out=str(out)
        ),
        words("attack_examples_next", out=str(out)),
    ]


def claim_line(name: str, why: str, *, holds: bool | None, words: Words) -> str:
    """What became of one claim of a certificate; the reason may hold what went wrong. holds: None where it cannot be checked."""
    outcome = {True: words("claim_holds"), False: words("claim_fails"), None: words("claim_open")}[holds]
    return words("claim_line", outcome=outcome, name=words.sentence(name), why=translated_error(why, words.lang))
