"""What the HTML page shows, in the order it shows it: plain values for the template, every text from data made visible."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from veridical.core.finding import CheckRecord, Finding
from veridical.report import figures
from veridical.report.account_view import Step, waterfall
from veridical.report.pair_diff import Excerpt, excerpt, side_by_side
from veridical.report.run_files import Row, RunFiles
from veridical.report.safe_text import visible
from veridical.report.wording import Words


@dataclass(frozen=True, slots=True)
class Side:
    """One row of a finding. text is None when it was not kept."""

    id: str
    split: str
    label: str
    predicted: str
    text: Excerpt | None
    second: Excerpt | None


@dataclass(frozen=True, slots=True)
class FoundRow:
    check: str
    finding: Finding
    left: Side | None
    right: Side | None
    identical: bool


@dataclass(frozen=True, slots=True)
class Section:
    """The findings of one check, the worst ones."""

    check: str
    n_found: int
    rows: tuple[FoundRow, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of the waterfall, in percent of the chart's width. kind: total, loss or gain."""

    step: Step
    kind: str
    figure: str
    interval: str
    left: float
    width: float
    at: float
    start: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    low: str
    high: str


def chart(files: RunFiles, words: Words) -> Chart | None:
    """The waterfall laid out on an axis cut to where something is."""
    if files.record.ledger is None:
        return None
    steps = waterfall(files.record.ledger, words)
    edges = [100 * edge for step in steps for edge in (step.start, step.end, step.low, step.high)]
    # 4 points at least: a chart of tenths of a point would look like an earthquake.
    margin = max(4 - (max(edges) - min(edges)), 0.08 * (max(edges) - min(edges))) / 2
    low, high = min(edges) - margin, max(edges) + margin
    every = next(size for size in (0.5, 1, 2, 5, 10, 20, 50, 100) if (high - low) / size <= 7)

    def across(share: float) -> float:
        return round(100 * (100 * share - low) / (high - low), 2)

    first = int(-(-low // every))
    ticks = tuple((across(k * every / 100), f"{k * every:g}") for k in range(first, int(high // every) + 1))
    return Chart(tuple(_bar(step, across) for step in steps), ticks, f"{low:.1f}", f"{high:.1f}")


def _bar(step: Step, across: Any) -> Bar:
    start, end = across(step.start), across(step.end)
    kind = "total" if step.kind == "total" else "loss" if end <= start else "gain"
    interval = step.line.band if step.line else f"[{figures.score(step.low)}, {figures.score(step.high)}]"
    figure = step.line.points if step.line else figures.score(step.end)
    return Bar(
        step=step, kind=kind, figure=figure, interval=interval, left=min(start, end), width=round(abs(end - start), 2),
        at=end, start=start, low=across(step.low), high=across(step.high),
    )  # fmt: skip


def sections(files: RunFiles, *, shown: int, limit: int) -> tuple[Section, ...]:
    """At most `shown` findings a check, texts cut to `limit` characters."""
    found = [check for check in files.checks if check.findings]
    return tuple(Section(check.check, check.n_found, tuple(_rows(files, check, shown, limit))) for check in found)


def _rows(files: RunFiles, check: CheckRecord, shown: int, limit: int) -> Iterator[FoundRow]:
    for finding in check.findings[:shown]:
        left, right = _known(files, finding.row), _known(files, finding.other_row)
        texts: list[tuple[Excerpt | None, Excerpt | None]] = [(None, None), (None, None)]
        if left and right:
            pairs = [side_by_side(visible(left.text), visible(right.text), limit=limit)]
            both = bool(left.second or right.second)
            pairs += [side_by_side(visible(left.second), visible(right.second), limit=limit)] if both else []
            texts = [(pairs[0][at], pairs[1][at] if both else None) for at in (0, 1)]
        else:
            texts = [_alone(row, limit) for row in (left, right)]
        yield FoundRow(
            check=check.check,
            finding=finding,
            left=_side(files, finding.row, finding.split, left, texts[0]),
            right=_side(files, finding.other_row, "", right, texts[1]),
            identical=bool(left and right and (left.text, left.second) == (right.text, right.second)),
        )


def _known(files: RunFiles, row: str) -> Row | None:
    return files.rows.get(row) if files.rows is not None and row else None


def _alone(row: Row | None, limit: int) -> tuple[Excerpt | None, Excerpt | None]:
    if row is None:
        return None, None
    second = excerpt(visible(row.second), limit=limit) if row.second else None
    return excerpt(visible(row.text), limit=limit), second


def _side(files: RunFiles, id: str, split: str, row: Row | None, texts: tuple[Excerpt | None, Excerpt | None]) -> Side | None:
    if not id:
        return None
    label = row.label if row else ""
    return Side(id, row.split if row else split, label, files.predicted.get(id, ""), *texts)


def plain(value: Any) -> str:
    """A value of the configuration or of a component's details, on one line."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return visible(json.dumps(value, ensure_ascii=False))
