"""Ways to tune one encoder, drawn on the terminal as one table."""

from typing import TYPE_CHECKING

from veridical.core.tuning_record import TunedMethod, TuningRecord
from veridical.report import figures
from veridical.report.comparison import aligned
from veridical.report.safe_text import one_line
from veridical.report.terminal import WIDEST, wrap
from veridical.report.wording import Words, words

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("method", "score", "difference", "share", "seconds", "memory", "drift", "forgotten")


def summary(record: TuningRecord, *, lang: str, console: "Console") -> None:
    """Print what the methods came to."""
    from rich.text import Text

    said, width = words(lang), max(40, min(console.width, WIDEST))

    def lines(found: list[str], style: str = "") -> None:
        for line in found:
            console.print(Text(line, style=style), soft_wrap=True)

    head, *notes = sentences(record, said)
    lines(["", *wrap(head, width=width, indent=0)], "bold")
    lines([*wrap(about(record, said), width=width, indent=0), ""], "dim")
    whole = table(record, said)
    if len(aligned(whole, width)) == len(whole):
        lines([*aligned(whole, width), ""])
    else:  # too wide: what was gained, then its price
        for part in (tuple(row[:3] for row in whole), tuple((row[0], *row[3:]) for row in whole)):
            lines([*aligned(part, width), ""])
    for note in notes:
        lines(wrap(note, width=width, indent=2))
    for warning in record.warnings:
        lines(wrap(f"! {one_line(said.sentence(warning), limit=600)}", width=width, indent=2), "yellow")


def table(record: TuningRecord, said: Words) -> tuple[tuple[str, ...], ...]:
    """First row the head. Methods in the order they were asked for; those that could not be trained are left to the notes."""
    return (tuple(said(f"tune.{name}") for name in COLUMNS), *(_row(one) for one in record.methods if one.score))


def _row(one: TunedMethod) -> tuple[str, ...]:
    assert one.score is not None
    difference = f"{figures.points(one.difference.value)} {figures.band(one.difference)}" if one.difference else "–"
    drift = f"{one.drift.value:.2f} [{one.drift.low:.2f}, {one.drift.high:.2f}]" if one.drift else "–"
    return (
        one_line(one.name, limit=60),
        f"{figures.score(one.score.value)} {figures.interval(one.score)}",
        difference,
        f"{figures.precise_percent(one.n_trained / one.n_all)} %",
        f"{one.seconds:.1f}",
        "–" if one.memory_mb is None else figures.count(one.memory_mb),
        drift,
        f"{figures.points(one.forgotten.value)} {figures.band(one.forgotten)}" if one.forgotten else "–",
    )


def about(record: TuningRecord, said: Words) -> str:
    key = "tune.about_valid" if record.scored_on == "valid" else "tune.about_train"
    model, metric = one_line(record.model, limit=60), said.name("metric", record.metric)
    n, train, level = figures.count(record.n_scored), figures.count(record.n_train), f"{100 * record.level:g}"
    basis = said(key, model=model, metric=metric, train=train, n=n, level=level)
    return basis if not record.n_left_out else basis + " " + said("tune.left_out", n=figures.count(record.n_left_out))


def sentences(record: TuningRecord, said: Words) -> list[str]:
    """What a reader needs first, then what the figures mean and what could not be trained."""
    scored = [one for one in record.methods if one.score]
    failed = [
        said("tune.failed", method=one_line(one.name, limit=60), why=said.sentence(one.why)) for one in record.methods if one.why
    ]
    if not scored:
        return [said("tune.none"), *failed]
    best = max(scored, key=lambda one: one.score.value if one.score else 0.0)
    name, figure = one_line(best.name, limit=60), figures.score(best.score.value) if best.score else ""
    apart = [one for one in scored if one.difference and (one.difference.low > 0 or one.difference.high < 0)]
    first = one_line(scored[0].name, limit=60)
    if len(scored) == 1:
        head = said("tune.one", method=name, score=figure)
    elif apart:
        told = ", ".join(one_line(one.name, limit=60) for one in apart)
        head = said("tune.apart", method=name, score=figure, first=first, told=told)
    else:
        widest = max(one.difference.width / 2 for one in scored if one.difference)
        head = said("tune.alike", method=name, score=figure, first=first, width=f"{widest:.1f}")
    notes = [said("tune.lucky", n=len(scored))] if len(scored) > 1 else []
    moved = [said("tune.drift_note")] if any(one.drift for one in scored) else []
    moved += [said("tune.forgotten_note")] if any(one.forgotten for one in scored) else []
    return [head, *notes, *moved, *failed, said("tune.next", tuning=_options(best.name))]


def _options(name: str) -> str:
    method, *knobs = name.split(":")
    given = f"--tuning {method}"
    return one_line(f"{given} --tuning-knobs {','.join(knobs)}" if knobs else given, limit=120)
