"""What probes found, as lines: the same on the terminal, in Markdown and in HTML."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from veridical.core.estimate import Estimate
from veridical.core.probe_record import Curve, Measure, ProbeOutcome, ProbeRecord
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.wording import Words

if TYPE_CHECKING:
    from rich.console import Console

FIRST_MEASURES = 3
"""Measures shown for a probe that found nothing; all that were found are always shown. Ours; no source."""


@dataclass(frozen=True, slots=True)
class MeasureLine:
    """value and interval as text in the measure's unit; seen: what could have been seen, empty where there is no null."""

    name: str
    status: str
    value: str
    interval: str
    seen: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class CurveLine:
    """at: positions on the axis. values: (value, interval) at each."""

    name: str
    axis: str
    about: str
    at: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ProbeLine:
    name: str
    status: str
    status_word: str
    summary: str
    measures: tuple[MeasureLine, ...]
    curves: tuple[CurveLine, ...]
    outcome: ProbeOutcome


def probe_lines(record: ProbeRecord, words: Words) -> list[ProbeLine]:
    return [probe_line(outcome, words) for outcome in record.probes]


def probe_line(outcome: ProbeOutcome, words: Words) -> ProbeLine:
    measures = tuple(measure_line(measure, words) for measure in outcome.measures)
    said = outcome.why if outcome.status == "skipped" else outcome.summary
    return ProbeLine(
        name=words.name("probe", outcome.probe),
        status=outcome.status,
        status_word=words(f"probe_status.{outcome.status}"),
        summary=one_line(words.sentence(said), limit=600),
        measures=measures,
        curves=tuple(curve_line(curve) for curve in outcome.curves),
        outcome=outcome,
    )


def measure_line(measure: Measure, words: Words) -> MeasureLine:
    value, interval = in_unit(measure.estimate, measure.unit)
    seen = words("seen_from_unit", mde=_number(measure.mde, measure.unit)) if measure.mde is not None else ""
    name = measure.name.replace("_", " ")
    return MeasureLine(one_line(name, limit=60), measure.status, value, interval, seen, measure)


def curve_line(curve: Curve) -> CurveLine:
    values = tuple(in_unit(estimate, "share") for estimate in curve.estimates)
    at = tuple(f"{place:g}" for place in curve.at)
    return CurveLine(one_line(curve.name.replace("_", " "), limit=60), curve.axis, curve.about, at, values)


def in_unit(estimate: Estimate, unit: str) -> tuple[str, str]:
    """(value, [low, high]): shares in percent, points signed, the rest with three digits."""
    if unit == "points":
        return figures.points(estimate.value), figures.band(estimate)
    if unit == "share":
        return f"{figures.score(estimate.value)} %", figures.interval(estimate)
    return f"{estimate.value:.3g}", f"[{estimate.low:.3g}, {estimate.high:.3g}]"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.1f} %" if unit == "share" else (f"{value:.1f}" if unit == "points" else f"{value:.2g}")


def shown_measures(line: ProbeLine) -> tuple[MeasureLine, ...]:
    """All that was found, else the first few."""
    found = tuple(measure for measure in line.measures if measure.status == "found")
    return found or line.measures[:FIRST_MEASURES]


def summary(record: ProbeRecord, *, words: Words, console: "Console") -> None:
    """Print what probes found, one paragraph each."""
    from rich.text import Text

    styles = {"found": "bold", "not_detected": "dim", "described": "", "skipped": "dim"}
    for line in probe_lines(record, words):
        said = words("probe_line", name=line.name, status=line.status_word, summary=line.summary)
        console.print(Text(said, style=styles[line.status]))
        for measure in shown_measures(line):
            seen = f"; {measure.seen}" if measure.status == "not_detected" and measure.seen else ""
            console.print(Text(f"    {measure.name}  {measure.value} {measure.interval}{seen}", style=styles[measure.status]))
