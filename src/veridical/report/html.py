"""report.html: one self-contained file that works offline, loads nothing, and runs no script but its own (by its SHA-256)."""

import base64
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files as resources
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.atomic_write import write_text
from veridical.core.errors import UnknownName
from veridical.report import figures
from veridical.report.account_view import (
    account_notes,
    arm_name,
    arms_shown,
    basis_sentence,
    component_lines,
    component_name,
    counted_as,
    gap_sentence,
    learned_sentence,
    next_steps,
    warning_sentences,
)
from veridical.report.explained import explained_lines
from veridical.report.markdown import markdown
from veridical.report.page_view import chart, plain, sections
from veridical.report.probes import probe_lines
from veridical.report.run_files import SHOWN_PER_CHECK, RunFiles, read_run_files
from veridical.report.safe_text import one_line, visible
from veridical.report.searched import search_sentences, search_table
from veridical.report.wording import Words, words

if TYPE_CHECKING:
    import jinja2

FORMATS = ("html", "md")
LARGEST = 5_000_000
"""Bytes of the page at most. From the goal: 5 MB."""
CUTS = ((SHOWN_PER_CHECK, 400), (SHOWN_PER_CHECK, 240), (SHOWN_PER_CHECK, 120), (200, 120), (50, 120), (10, 60), (0, 0))
"""(findings of a check, characters of a text), tried in this order until the page is small enough. Ours; no source."""


def report(run_folder: Path, *, format: str = "html", lang: str = "en") -> Path:
    """Write report.html or report.md into the run folder and return its path. Reads nothing but the folder's files.

    Raises InputError when the folder is no run folder or a file in it is damaged.
    """
    if format not in FORMATS:
        raise UnknownName("format", format, FORMATS, "Give it as --format NAME.")
    said, files = words(lang), read_run_files(run_folder)
    path = run_folder / f"report.{format}"
    write_text(path, page(files, said) if format == "html" else markdown(files, said))
    return path


def page(files: RunFiles, said: Words) -> str:
    """The whole page, at most LARGEST bytes."""
    for shown, limit in CUTS:
        text = _rendered(files, said, shown=shown, limit=limit)
        if len(text.encode("utf-8", "replace")) <= LARGEST:
            return text
    return text


def _rendered(files: RunFiles, said: Words, *, shown: int, limit: int) -> str:
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{sha256(style)}'; script-src '{sha256(script)}'; base-uri 'none'; form-action 'none'"
    )
    record = files.record
    return _template().render(
        w=said,
        lang={"en": "en", "zh": "zh-CN"}[said.lang],
        policy=policy,
        style=style,
        script=script,
        files=files,
        run=record,
        ledger=record.ledger,
        chart=chart(files, said),
        lines=component_lines(record.ledger, said) if record.ledger else [],
        account_notes=account_notes(record.ledger, said) if record.ledger else [],
        probes=probe_lines(files.probes, said) if files.probes else [],
        explained=explained_lines(files.explained.record, files.explained.rows, said) if files.explained else [],
        arms=arms_shown(record.repair) if record.repair else (),
        arm_name=arm_name,
        instead=counted_as(record.ledger) if record.ledger else "",
        basis=basis_sentence(record.ledger, said) if record.ledger else "",
        gap=gap_sentence(record.ledger, said) if record.ledger else said("no_ledger"),
        learned=learned_sentence(record, said),
        searched=search_sentences(record, said),
        search_rows=search_table(record, said),
        warnings=warning_sentences(record, said),
        steps=next_steps(record, said, folder=None),
        sections=sections(files, shown=shown, limit=limit),
    )


def sha256(text: str) -> str:
    """The hash of an inline style or script, as a content-security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return resources("veridical.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> "jinja2.Template":
    import jinja2

    loader = jinja2.FunctionLoader(_asset)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters: dict[str, Callable[..., str]] = {
        "score": figures.score,
        "points": figures.points,
        "interval": figures.interval,
        "band": figures.band,
        "count": figures.count,
        "visible": visible,
        "one_line": lambda text, limit: one_line(text, limit=limit),
        "plain": plain,
    }
    environment.filters.update(
        {name: _with_minus(f) if name in ("points", "band", "interval") else f for name, f in filters.items()}
    )
    environment.globals["component_name"] = component_name
    return environment.get_template("report.html.jinja")


def _with_minus(write: Callable[..., str]) -> Callable[..., str]:
    """The typographic minus sign, as wide as a plus."""
    return lambda value: write(value).replace("-", figures.MINUS)
