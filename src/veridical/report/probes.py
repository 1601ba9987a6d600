"""What probes found, as lines: the same on the terminal, in Markdown and in HTML."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from veridical.core.estimate import Estimate
from veridical.core.probe_record import Curve, Example, Measure, ProbeOutcome, ProbeRecord
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.seen import corrected_together, seen_of, seen_with
from veridical.report.terminal import WIDEST, cells, pad, pad_width, wrap
from veridical.report.wording import Words

if TYPE_CHECKING:
    from rich.console import Console

FIRST_MEASURES = 3
"""Measures shown for a probe that found nothing; all that were found are always shown. Ours; no source."""
LONGEST_NAME = 60
"""Characters of a name at most. Ours; no source."""
ORDER = ("found", "not_detected", "described", "skipped")
"""What is worth reading first."""
VOTES = re.compile(r" by \d+ of \d+$")
"""How an example says what several models answered; one model's answer is a label, which stays as it is."""
STYLES = {"found": "bold", "not_detected": "dim", "described": "", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class MeasureLine:
    """value and interval as text in the measure's unit; n: how many rows they rest on; seen: what could have been seen, empty
    where there is no null. about and method: in the language of the report."""

    name: str
    status: str
    value: str
    interval: str
    n: str
    seen: str
    about: str
    method: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class CurveLine:
    """at: positions on the axis. values: (value, interval, how many rows) at each."""

    name: str
    axis: str
    about: str
    at: tuple[str, ...]
    values: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class ProbeLine:
    """seen: what could have been seen, where nothing was detected. measures: found first. notes: in the report's language."""

    name: str
    status: str
    status_word: str
    seen: str
    summary: str
    measures: tuple[MeasureLine, ...]
    curves: tuple[CurveLine, ...]
    examples: tuple[Example, ...]
    notes: tuple[str, ...]
    outcome: ProbeOutcome


def probe_lines(record: ProbeRecord, words: Words) -> list[ProbeLine]:
    """One line a probe: what was found first, what could not be looked at last."""
    return [probe_line(outcome, words) for outcome in sorted(record.probes, key=lambda outcome: ORDER.index(outcome.status))]


def probe_line(outcome: ProbeOutcome, words: Words) -> ProbeLine:
    ordered = sorted(outcome.measures, key=lambda measure: ORDER.index(measure.status))
    among = corrected_together(outcome)
    measures = tuple(measure_line(measure, words, among=among) for measure in ordered)
    said = outcome.why if outcome.status == "skipped" else outcome.summary
    return ProbeLine(
        name=words.name("probe", outcome.probe),
        status=outcome.status,
        status_word=words(f"probe_status.{outcome.status}"),
        seen=seen_of(outcome, words),
        summary=one_line(words.sentence(said), limit=600),
        measures=measures,
        curves=tuple(curve_line(curve, words) for curve in outcome.curves),
        examples=tuple(example_line(example, words) for example in outcome.examples),
        notes=tuple(words.sentence(note) for note in outcome.notes),
        outcome=outcome,
    )


def measure_line(measure: Measure, words: Words, *, among: int = 1) -> MeasureLine:
    """among: how many measures of the probe were corrected together."""
    value, interval = in_unit(measure.estimate, measure.unit)
    seen = seen_with(measure, words, among=among)
    about, method = words.sentence(measure.about), words.sentence(measure.estimate.method)
    n = words("probe_n", n=figures.count(measure.estimate.n))
    return MeasureLine(_name(measure.name, words), measure.status, value, interval, n, seen, about, method, measure)


def curve_line(curve: Curve, words: Words) -> CurveLine:
    values = tuple((*in_unit(e, "share"), words("probe_n", n=figures.count(e.n))) for e in curve.estimates)
    at = tuple(f"{place:g}" for place in curve.at)
    return CurveLine(_name(curve.name, words), _name(curve.axis, words), words.sentence(curve.about), at, values)


def example_line(example: Example, words: Words) -> Example:
    """The example with veridical's own words in the language of the report; the data's stay as they are."""
    before, after = (words.sentence(said) if VOTES.search(said) else said for said in (example.said_before, example.said_after))
    return replace(example, said_before=before, said_after=after, note=words.named(example.note))


def _name(name: str, words: Words) -> str:
    return one_line(words.named(name), limit=LONGEST_NAME)


def in_unit(estimate: Estimate, unit: str) -> tuple[str, str]:
    """(value, [low, high]): shares in percent, points signed, the rest with three digits."""
    if unit == "points":
        return figures.points(estimate.value), figures.band(estimate)
    if unit == "share":
        return f"{figures.score(estimate.value)} %", figures.interval(estimate)
    return f"{estimate.value:.3g}", f"[{estimate.low:.3g}, {estimate.high:.3g}]"


def status_said(line: ProbeLine, words: Words) -> str:
    """The status, with what could have been seen where nothing was detected."""
    return words("status_with", status=line.status_word, seen=line.seen) if line.seen else line.status_word


def shown_measures(line: ProbeLine) -> tuple[MeasureLine, ...]:
    """All that was found, else the first few."""
    found = tuple(measure for measure in line.measures if measure.status == "found")
    return found or line.measures[:FIRST_MEASURES]


def summary(record: ProbeRecord, *, words: Words, console: "Console") -> None:
    """Print what probes found, one paragraph each, on at most WIDEST columns."""
    width = max(40, min(console.width, WIDEST))
    for line in probe_lines(record, words):
        said = words("probe_line", name=line.name, status=status_said(line, words), summary=line.summary)
        _print(said, console, style=STYLES[line.status], width=width, indent=2)
        shown = shown_measures(line)
        names = pad_width([measure.name for measure in shown], most=width // 2)
        for measure in shown:
            for said in _measure_said(measure, names=names, width=width):
                _print(said, console, style=STYLES[measure.status], width=width, indent=6)
        left = len(line.measures) - len(shown)
        if left:
            _print("    " + words("probe_more", n=figures.count(left)), console, style="dim", width=width, indent=4)


def _measure_said(measure: MeasureLine, *, names: int, width: int) -> tuple[str, ...]:
    """Name, value, interval and n; what could have been seen behind them, or on a line of its own where the first is full."""
    said = f"    {pad(measure.name, names)}  {measure.value:>7} {measure.interval} ({measure.n})"
    if measure.status != "not_detected" or not measure.seen:
        return (said,)
    whole = f"{said} · {measure.seen}"
    return (whole,) if cells(whole) <= width else (said, f"      {measure.seen}")


def _print(text: str, console: "Console", *, style: str, width: int, indent: int) -> None:
    from rich.text import Text

    for wrapped in wrap(text, width=width, indent=indent):
        console.print(Text(wrapped, style=style), soft_wrap=True)
