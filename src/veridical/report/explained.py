"""Which rows made the account what it is, as lines: the same on the terminal and in HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veridical.core.explain_record import ExplainedComponent, ExplainedRow, ExplainRecord
from veridical.report import figures
from veridical.report.account_view import component_name
from veridical.report.safe_text import one_line
from veridical.report.terminal import WIDEST, wrap
from veridical.report.wording import Words

if TYPE_CHECKING:
    from rich.console import Console

LONGEST_TEXT = 160
"""Characters of a row's text on a line. Ours; no source."""


LONGEST_LABEL = 80
"""Characters of a row's label, or answer, on a line. Ours; no source."""


@dataclass(frozen=True, slots=True)
class ExplainedRowLine:
    """One row; figure: its points, signed, or on a scale of their own where these are no points."""

    rank: str
    figure: str
    row: str
    split: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """name, how many rows, how they were found and how that was checked; kind, kind_word: empty without rows."""

    name: str
    kind: str
    kind_word: str
    says: str
    why: str
    checked: str
    rows: tuple[ExplainedRowLine, ...]


def explained_line(found: ExplainedComponent, rows: Sequence[ExplainedRow], words: Words) -> ExplainedLine:
    n = figures.count(found.rows)
    of_rows = words("explain_rows", n=n, carried=figures.points(found.carried)) if found.rows else words("explain_no_rows")
    if found.kind in ("heuristic", "influence") and found.rows:
        of_rows = words("explain_rows_ordered" if found.kind == "heuristic" else "explain_rows_each", n=n)
    return ExplainedLine(
        name=component_name(found.component, words),
        kind=found.kind,
        kind_word=words(f"explain_kind.{found.kind}") if found.kind else "",
        says=of_rows,
        why=words.sentence(found.why),
        checked=_checked(found, words),
        rows=tuple(_row_line(row, words) for row in rows),
    )


def _checked(found: ExplainedComponent, words: Words) -> str:
    if found.validation is None:
        return ""
    counted, n = found.validation.counted, figures.count(found.validation.subsets)
    if counted is None:
        return words("explain_unmoved", n=n)
    key = "explain_confirmed" if counted.low > 0 else "explain_unconfirmed"
    return words(key, n=n, value=f"{counted.value:.2f}", low=f"{counted.low:.2f}", high=f"{counted.high:.2f}")


def _row_line(row: ExplainedRow, words: Words) -> ExplainedRowLine:
    return ExplainedRowLine(
        rank=figures.count(row.rank),
        figure=f"{row.points:+.2g}" if abs(row.points) < FINE else figures.points(row.points),
        row=one_line(row.row, limit=40),
        split=words.name("split", row.split),
        label=one_line(row.label, limit=LONGEST_LABEL),
        text=one_line(row.text, limit=LONGEST_TEXT),
    )


FINE = 1.0
"""Points below which two digits are shown whatever their place: one row seldom carries a tenth."""


def explained_lines(record: ExplainRecord, rows: Mapping[str, Sequence[ExplainedRow]], words: Words) -> list[ExplainedLine]:
    """The components that have rows."""
    return [explained_line(c, rows.get(c.component, ()), words) for c in record.components if c.rows]


def summary(
    components: Sequence[ExplainedComponent],
    rows: Mapping[str, Sequence[ExplainedRow]],
    *,
    words: Words,
    console: "Console",
) -> None:
    """Print each component with its first rows, on at most WIDEST columns."""
    width = max(40, min(console.width, WIDEST))
    for component in components:
        line = explained_line(component, rows[component.component], words)
        head = words("explain_line", name=line.name, kind=line.kind_word, says=line.says) if line.kind else line.name
        _print(head, console, style="bold" if line.rows else "dim", width=width, indent=2)
        for said in (line.why, line.checked):
            if said:
                _print(f"    {said}", console, style="dim", width=width, indent=4)
        for row in line.rows:
            said = f"{row.rank:>5}  {row.figure:>8}  {row.row} · {row.split} · {row.label} · {row.text}"
            _print(said, console, style="", width=width, indent=17)


def _print(text: str, console: "Console", *, style: str, width: int, indent: int) -> None:
    from rich.text import Text

    for wrapped in wrap(text, width=width, indent=indent):
        console.print(Text(wrapped, style=style), soft_wrap=True)
