"""What became of a pre-training, drawn on the terminal: scores beside their floors, then what the audit of the text found."""

from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.estimate import Estimate
from veridical.core.pretrain_record import Measure, PretrainRecord
from veridical.report import figures
from veridical.report.comparison import aligned
from veridical.report.safe_text import one_line
from veridical.report.terminal import WIDEST, wrap
from veridical.report.wording import Words, words

if TYPE_CHECKING:
    from rich.console import Console

COLUMNS = ("objective", "held_out", "train", "floor", "ratio")
LEARNED_BY_HEART = 1.1
"""Held-out / train perplexity from which, at the lower end of its interval, the summary speaks of it. Ours; no source."""


def summary(record: PretrainRecord, *, lang: str, console: "Console", folder: Path) -> None:
    """Print what the model came to."""
    from rich.text import Text

    said, width = words(lang), max(40, min(console.width, WIDEST))

    def lines(found: list[str], style: str = "") -> None:
        for line in found:
            console.print(Text(line, style=style), soft_wrap=True)

    for sentence in headline(record, said):
        lines(["", *wrap(sentence, width=width, indent=0)], "bold")
    lines([*wrap(about(record, said), width=width, indent=0), ""], "dim")
    whole = table(record, said)
    if len(aligned(whole, width)) == len(whole):
        lines([*aligned(whole, width), ""])
    else:  # too wide: what was reached, then what it is held against
        for part in (tuple(row[:3] for row in whole), tuple((row[0], *row[3:]) for row in whole)):
            lines([*aligned(part, width), ""])
    for note in notes(record, said):
        lines(wrap(note, width=width, indent=2))
    lines(["", *wrap(said("pretrain.audit"), width=width, indent=0)], "bold")
    for line in audit_lines(record, said):
        lines(wrap(line, width=width, indent=2))
    for warning in record.warnings:
        lines(wrap(f"! {one_line(said.sentence(warning), limit=600)}", width=width, indent=2), "yellow")
    lines(["", *wrap(said("pretrain.next", folder=str(folder), length=record.config["max_length"]), width=width, indent=0)])


def headline(record: PretrainRecord, said: Words) -> list[str]:
    """One sentence for each objective: what was reached, and whether that beats the floor."""
    found = []
    for one in record.measures:
        kind = "accuracy" if one.unit == "accuracy" else "perplexity"
        low, high, floor = one.held_out.low, one.held_out.high, one.floor.value
        above, below = low > floor, high < floor
        learned, worse = (above, below) if kind == "accuracy" else (below, above)
        key = f"pretrain.{kind}_{'learned' if learned else 'worse' if worse else 'not_learned'}"
        found.append(said(key, objective=one.objective, value=_value(one.held_out, one.unit), floor=_value(one.floor, one.unit)))
    return found or [said("pretrain.nothing")]


def about(record: PretrainRecord, said: Words) -> str:
    base = said("pretrain.continued", base=one_line(record.base.split(" ")[0], limit=60)) if record.base else said("pretrain.new")
    return said(
        "pretrain.about", base=base, architecture=record.architecture, parameters=figures.count(record.n_parameters),
        vocabulary=figures.count(record.vocabulary), train=figures.count(record.n_train), tokens=figures.count(record.n_tokens),
        held_out=figures.count(record.n_held_out), steps=figures.count(record.steps), epochs=f"{record.epochs:.1f}",
        seed=record.seed,
    )  # fmt: skip


def table(record: PretrainRecord, said: Words) -> tuple[tuple[str, ...], ...]:
    """First row the head; one row an objective."""
    return (tuple(said(f"pretrain.column_{name}") for name in COLUMNS), *(_row(one, said) for one in record.measures))


def _row(one: Measure, said: Words) -> tuple[str, ...]:
    return (
        f"{one.objective}, {said('pretrain.' + one.unit)}",
        f"{_value(one.held_out, one.unit)} {_interval(one.held_out, one.unit)}",
        f"{_value(one.train, one.unit)} {_interval(one.train, one.unit)}",
        _value(one.floor, one.unit),
        "–" if one.ratio is None else f"{one.ratio.value:.2f} [{one.ratio.low:.2f}, {one.ratio.high:.2f}]",
    )


def _value(estimate: Estimate, unit: str) -> str:
    return figures.score(estimate.value) if unit == "accuracy" else f"{estimate.value:,.1f}"


def _interval(estimate: Estimate, unit: str) -> str:
    return figures.interval(estimate) if unit == "accuracy" else f"[{estimate.low:,.1f}, {estimate.high:,.1f}]"


def notes(record: PretrainRecord, said: Words) -> list[str]:
    """What the figures mean, and what they leave out."""
    found = [said("pretrain.floor_note")]
    for one in record.measures:
        if one.unleaked is not None:
            value = f"{_value(one.unleaked, one.unit)} {_interval(one.unleaked, one.unit)}"
            found.append(said("pretrain.unleaked", objective=one.objective, value=value, n=figures.count(record.n_leaked)))
        if one.ratio is not None and one.ratio.low > LEARNED_BY_HEART:
            found.append(said("pretrain.by_heart", objective=one.objective, ratio=f"{one.ratio.value:.2f}"))
        if one.bits_per_character is not None:
            bits = one.bits_per_character
            value = f"{bits.value:.2f} [{bits.low:.2f}, {bits.high:.2f}]"
            found.append(said("pretrain.bits", objective=one.objective, value=value))
    return found


def audit_lines(record: PretrainRecord, said: Words) -> list[str]:
    """Each check in a line, and what was done about it."""
    lines = []
    for one in record.audit:
        name, documents = said.name("check", one.check), figures.count(one.n_documents)
        if one.status == "skipped":
            lines.append(f"{name}: {said('check_skipped', why=one_line(said.sentence(one.why), limit=400))}")
        elif one.status == "clean":
            lines.append(f"{name}: {said('pretrain.check_clean', documents=documents)}")
        else:
            lines.append(f"{name}: {said('pretrain.check_found', found=figures.count(one.n_found), documents=documents)}")
    if record.n_set_aside:
        lines.append(said("pretrain.set_aside", n=figures.count(record.n_set_aside), checks=", ".join(record.repairs)))
    elif found := [one.check for one in record.audit if one.status == "found"]:
        lines.append(said("pretrain.could_set_aside", checks=",".join(found)))
    return lines
