"""A comparison drawn: on the terminal, as Markdown, and as one self-contained HTML page that loads nothing and runs no script."""

from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.atomic_write import write_text
from veridical.core.comparison_record import ComparisonRecord, save
from veridical.core.errors import InputError
from veridical.report import figures
from veridical.report.comparison_view import View, view
from veridical.report.html import sha256
from veridical.report.markdown import literal
from veridical.report.terminal import WIDEST, cells, cut, pad, wrap
from veridical.report.wording import Words, words

if TYPE_CHECKING:
    import jinja2
    from rich.console import Console

SUFFIXES = (".json", ".md", ".html")
WIDEST_CELL = 30
"""Cells of a table's column at most. Ours; no source."""


def write(record: ComparisonRecord, path: Path, *, lang: str) -> Path:
    """Write the comparison in the format that the file name ends with: .json, .md or .html."""
    refuse_suffix(path)
    if path.suffix == ".json":
        return save(record, path)
    said = words(lang)
    write_text(path, page(record, said) if path.suffix == ".html" else markdown(record, said))
    return path


def refuse_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise InputError(f"--out {path} ends with {path.suffix or 'nothing'}; it must end with .json, .md or .html.")
    if path.is_dir():
        raise InputError(f"--out {path} is a folder; give a file, for example {path / 'comparison.html'}.")


def summary(record: ComparisonRecord, *, lang: str, console: "Console") -> None:
    """Print what a comparison found."""
    said = words(lang)
    drawn, width = view(record, said), max(40, min(console.width, WIDEST))
    _print(console, ["", *_wrapped(drawn.sentences[:-1], width, indent=0)], style="bold")
    _print(console, _wrapped(drawn.sentences[-1:], width, indent=0))
    _print(console, [*_wrapped([drawn.about], width, indent=0), ""], style="dim")
    for table in (drawn.runs, drawn.pairs):
        _print(console, [*aligned(table, width), ""])
    _print(console, [*_wrapped([drawn.ranks_title], width, indent=0), *aligned(drawn.ranks, width), ""])
    _print(console, _wrapped([*drawn.robust, *drawn.main_details], width, indent=2))
    _print(console, _wrapped([f"! {note}" for note in drawn.notes], width, indent=2), style="yellow")


def _print(console: "Console", lines: list[str], *, style: str = "") -> None:
    from rich.text import Text

    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _wrapped(sentences: "tuple[str, ...] | list[str]", width: int, *, indent: int) -> list[str]:
    return [line for sentence in sentences for line in wrap(sentence, width=width, indent=indent)]


def aligned(table: tuple[tuple[str, ...], ...], width: int) -> list[str]:
    """The table as aligned columns; where it is too wide, one line a cell."""
    widths = [min(max(cells(row[at]) for row in table), WIDEST_CELL) for at in range(len(table[0]))]
    if sum(widths) + 2 * len(widths) <= width:
        return ["  ".join(pad(cut(cell, w), w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in table]
    head, *rows = table
    return [
        line for row in rows for line in (row[0], *(f"  {name}: {cell}" for name, cell in zip(head[1:], row[1:], strict=True)))
    ]


def markdown(record: ComparisonRecord, said: Words) -> str:
    """The comparison for a pull request; text from data cannot form links, tags or mentions."""
    drawn = view(record, said)
    parts = [f"### {literal(drawn.title)}", ""]
    parts += [f"**{literal(sentence, limit=600)}**  " for sentence in drawn.sentences[:-1]]
    parts += [literal(drawn.sentences[-1], limit=600), "", literal(drawn.about, limit=600)]
    for table in (drawn.runs, drawn.pairs):
        parts += ["", *_markdown_table(table)]
    parts += ["", literal(drawn.ranks_title, limit=600), "", *_markdown_table(drawn.ranks), ""]
    parts += [f"- {literal(sentence, limit=600)}" for sentence in (*drawn.robust, *drawn.details)]
    parts += ["", *(f"> {literal(note, limit=600)}  " for note in drawn.notes)] if drawn.notes else []
    return "\n".join([*parts, ""])


def _markdown_table(table: tuple[tuple[str, ...], ...]) -> list[str]:
    head, *rows = ["| " + " | ".join(literal(cell) for cell in row) + " |" for row in table]
    return [head, "|---" * len(table[0]) + "|", *rows]


def page(record: ComparisonRecord, said: Words) -> str:
    """The whole page. Everything from data is escaped; the only style is our own, named by its hash in the policy."""
    style = _asset("report.css")
    policy = f"default-src 'none'; style-src '{sha256(style)}'; base-uri 'none'; form-action 'none'"
    drawn = view(record, said)
    return _template().render(
        w=said, lang={"en": "en", "zh": "zh-CN"}[said.lang], policy=policy, style=style, view=_with_minus(drawn), record=record
    )


def _with_minus(drawn: View) -> View:
    """The typographic minus sign in the tables of figures, as wide as a plus."""
    from dataclasses import replace

    def table(rows: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        return tuple((row[0], *(cell.replace("-", figures.MINUS) for cell in row[1:])) for row in rows)

    return replace(drawn, pairs=table(drawn.pairs))


@cache
def _asset(name: str) -> str:
    return resources("veridical.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("comparison.html.jinja")
