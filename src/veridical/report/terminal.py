"""The result of a run on a terminal: understood by a tired person in ten seconds, with or without colour, on 80 columns."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.ledger_record import Ledger
from veridical.core.probe_record import ProbeRecord
from veridical.core.run_record import Arm, RepairRecord, RoutedArm, RunRecord
from veridical.report import figures
from veridical.report.account_view import (
    ComponentLine,
    Step,
    account_notes,
    arm_name,
    arms_shown,
    basis_sentence,
    component_lines,
    contract_headline,
    gap_sentence,
    headline,
    learned_sentence,
    next_steps,
    warning_sentences,
    waterfall,
)
from veridical.report.probe_brief import brief_lines
from veridical.report.safe_text import one_line, visible
from veridical.report.searched import SHOWN, search_sentences, search_table
from veridical.report.wording import Words, words

if TYPE_CHECKING:
    from rich.console import Console

WIDEST = 100
"""Columns used at most: longer lines are hard to read. Ours; no source."""
BAR_COLUMNS = 34
WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60"
OPENING = "（“《"
CLOSING = "，。；：！？、）”》"
INTERVAL = r"\[[^\s\[\]]+, [^\s\[\]]+\]"
PIECES = re.compile(rf"\s*[{OPENING}]*(?:{INTERVAL}|[^\s{WIDE}]+|[{WIDE}])[{CLOSING}]*\s*|\s+")
"""What stays on one line: an interval, a word, or one wide character, with the spaces around it, the opening mark before it and
the closing mark after it."""
STYLES = {
    "measured": "bold",
    "exact": "dim",
    "bounded": "yellow",
    "not_detected": "dim",
    "candidate": "yellow",
    "skipped": "dim",
    "accepted": "green",
    "harmless": "dim",
    "rejected": "red",
}


def summary(
    record: RunRecord, *, lang: str, console: "Console", folder: Path | None = None, probes: ProbeRecord | None = None
) -> None:
    """Print what a run found. With `folder`, the next commands name it and the report's path is shown."""
    _Page(console, words(lang)).draw(record, folder, probes)


class _Page:
    """Lines of at most `width` cells; wide characters count two."""

    def __init__(self, console: "Console", said: Words) -> None:
        self.console = console
        self.words = said
        self.width = max(40, min(console.width, WIDEST))
        self.ascii = console.options.ascii_only

    def draw(self, record: RunRecord, folder: Path | None, probes: ProbeRecord | None) -> None:
        ledger = record.ledger
        self.line()
        if ledger is None:
            self.line(self.words("no_ledger"), style="bold")
        else:
            self.headline(ledger)
            self.learned(record)
            self.searched(record)
            self.bars(waterfall(ledger, self.words))
            self.components(component_lines(ledger, self.words), account_notes(ledger, self.words))
            self.floors(ledger)
        if probes is not None and probes.probes:
            self.probes(probes)
        self.repairs(record)
        self.warnings(record)
        self.next(record, folder)

    def line(self, text: str = "", *, style: str = "", indent: int = 0, first: str = "") -> None:
        """Print `first` + text, wrapped; later lines are indented by `indent` cells."""
        from rich.text import Text

        for wrapped in wrap(first + text, width=self.width, indent=indent):
            self.console.print(Text(wrapped, style=style), soft_wrap=True)

    def headline(self, ledger: Ledger) -> None:
        say = self.words
        self.line(headline(ledger, say), style="bold")
        if ledger.contract:
            name = one_line(ledger.contract.name, limit=60)
            self.line(contract_headline(ledger.contract, say, name=name), style="bold")
        self.line(gap_sentence(ledger, say))
        self.line(basis_sentence(ledger, say), style="dim")
        self.line()

    def learned(self, record: RunRecord) -> None:
        """How much of the encoder was trained, where that is not the usual."""
        said = learned_sentence(record, self.words)
        if said:
            self.line(said, style="dim")
            self.line()

    def searched(self, record: RunRecord) -> None:
        """What a search over settings came to, and its best trials."""
        sentences = search_sentences(record, self.words)
        for sentence in sentences:
            self.line(sentence, style="dim")
        if sentences:
            table = [(*row[:3], row[4]) for row in search_table(record, self.words, shown=SHOWN)]
            widths = [max(cells(row[at]) for row in table) for at in range(3)]
            for row in table:
                first = "  " + "  ".join(pad(cell, width) for cell, width in zip(row, widths, strict=False)) + "  "
                self.line(row[3], first=first, indent=cells(first), style="dim")
            self.line()

    def bars(self, steps: list[Step]) -> None:
        """A waterfall of block characters; totals are filled from the left edge of the (cut) axis."""
        ends = [edge for step in steps for edge in (step.start, step.end)]
        span = max(max(ends) - min(ends), 0.02)
        floor = max(min(ends) - span, min(0.0, *ends))
        top = max(ends)
        full, part = ("=", "#") if self.ascii else ("█", "▒")
        names = pad_width([step.name for step in steps], most=24)

        def column(value: float) -> int:
            return round(BAR_COLUMNS * (value - floor) / (top - floor)) if top > floor else 0

        for step in steps:
            if step.line and step.line.status == "exact":
                continue
            left, right = sorted((column(step.start), column(step.end)))
            bar = full * right if step.kind == "total" else " " * left + part * max(right - left, 1)
            figure = figures.score(step.end) if step.line is None else step.line.points
            name = pad(cut(step.name, names), names)
            self.line(f"  {name}  {pad(bar, BAR_COLUMNS + 1)} {figure:>6}", style="bold" if step.kind == "total" else "")
        if floor > 0:
            note = self.words("bars_from", floor=figures.score(floor))
            self.line(f"  {pad('', names)}  {note}", style="dim")
        self.line()

    def components(self, lines: list[ComponentLine], notes: list[str]) -> None:
        names = pad_width([line.name for line in lines], most=24)
        widths = pad_width([f"{line.points:>6} {line.band}" for line in lines], most=24)
        for line in lines:
            figure = pad(f"{line.points:>6} {line.band}", widths)
            first = f"  {pad(cut(line.name, names), names)}  {figure}  "
            said = f"{line.status_word}{self.words_colon()}{line.meaning}"
            self.line(said, first=first, indent=cells(first), style=STYLES.get(line.status, ""))
        self.line(f"  {self.words('sign_note')}", style="dim")
        for said in notes:
            self.line(f"  {said}", indent=4, style="dim")
        self.line()

    def words_colon(self) -> str:
        return "：" if self.words.lang == "zh" else ": "

    def listed(self, name: str, items: Iterable[str], *, style: str = "") -> None:
        first = f"{self.words(name)}{self.words_colon()}"
        self.line(" · ".join(items), first=first, indent=2, style=style)

    def floors(self, ledger: Ledger) -> None:
        if ledger.floors:
            said = [f"{self.words.name('floor', name)} {figures.score(e.value)}" for name, e in ledger.floors.items()]
            self.listed("floors", [visible(item) for item in said])

    def probes(self, record: ProbeRecord) -> None:
        self.line(f"{self.words('probes_title')}{self.words_colon()}")
        for status, said in brief_lines(record, self.words):
            self.line(said, first="  ", indent=4, style="" if status == "found" else "dim")

    def repairs(self, record: RunRecord) -> None:
        repair = record.repair
        if repair is None:
            self.listed("repairs", [self.words("repairs_none")])
        elif repair.skipped:
            self.listed("repairs", [self.words("repairs_skipped", why=one_line(self.words.sentence(repair.skipped), limit=400))])
        else:
            self.arms(repair)

    def arms(self, repair: RepairRecord) -> None:
        for outcome in ("accepted", "harmless", "rejected"):
            named = [self.arm(arm) for arm in arms_shown(repair) if arm.outcome == outcome]
            if named:
                said = self.words("repairs_outcome", outcome=self.words(f"outcome.{outcome}"))
                first = f"{said}{self.words_colon()}"
                self.line(" · ".join(named), first=first, indent=2, style=STYLES[outcome])
        if not repair.arms:
            self.listed("repairs", [self.words("repairs_none")])
        elif any(arm.outcome == "harmless" for arm in repair.arms):
            self.line(self.words("repairs_how"), first="  ", indent=2, style="dim")
        self.routed(repair)

    def routed(self, repair: RepairRecord) -> None:
        """Countermeasures that were tried, and the one that the repaired model is trained with."""
        for outcome in ("accepted", "harmless", "rejected"):
            named = [self.tried(routed) for routed in repair.routed if routed.arm.outcome == outcome]
            if named:
                said = self.words("routed_outcome", outcome=self.words(f"outcome.{outcome}"))
                self.line(" · ".join(named), first=f"{said}{self.words_colon()}", indent=2, style=STYLES[outcome])
        untried: dict[str, list[str]] = {}
        for routed in repair.routed:
            if routed.arm.outcome == "skipped":
                untried.setdefault(routed.arm.why, []).append(one_line(routed.arm.repair, limit=40))
        named = [f"{' · '.join(names)} ({one_line(self.words.sentence(why), limit=300)})" for why, names in untried.items()]
        if named:
            said = self.words("routed_untried")
            self.line(" · ".join(named), first=f"{said}{self.words_colon()}", indent=2)

    def tried(self, routed: RoutedArm) -> str:
        """One countermeasure: its gain, under which contract, and what it costs on rows as they are."""
        said = self.arm(routed.arm)
        if routed.elsewhere is None:
            return said
        under = self.words("routed_under", name=one_line(routed.endpoint, limit=40))
        cost = f"{figures.points(routed.elsewhere.value)} {figures.band(routed.elsewhere)}"
        return f"{said} ({under}; {self.words('routed_as_it_is')} {cost})"

    def arm(self, arm: Arm) -> str:
        gain = arm.gain_over_untouched
        figure = f" {figures.points(gain.value)} {figures.band(gain)}" if gain else ""
        return f"{one_line(arm_name(arm, self.words), limit=120)}{figure}"

    def warnings(self, record: RunRecord) -> None:
        for sentence in warning_sentences(record, self.words):
            self.line(f"! {sentence}", indent=2, style="yellow")

    def next(self, record: RunRecord, folder: Path | None) -> None:
        steps = next_steps(record, self.words, folder=folder)
        if not steps:
            return
        self.line()
        self.line(f"{self.words('next')}{self.words_colon()}", style="bold")
        from rich.text import Text

        for command, why in steps:
            self.line(f"  {why}", indent=2)
            if command:
                # A command is never wrapped: it must be copied whole.
                self.console.print(Text(f"    {visible(command)}", style="bold"), soft_wrap=True)


def cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cells(text))


def cut(text: str, width: int) -> str:
    """At most `width` cells."""
    from rich.cells import set_cell_size

    return text if cells(text) <= width else set_cell_size(text, width - 1) + "…"


def pad_width(texts: list[str], *, most: int) -> int:
    return min(max((cells(text) for text in texts), default=0), most)


def wrap(text: str, *, width: int, indent: int) -> list[str]:
    """Lines of at most `width` cells, broken at spaces or after a wide character; later lines start with `indent` spaces."""
    indent = min(indent, width // 2)
    lines, line = [], ""
    for piece in PIECES.findall(text):
        if line.strip() and cells(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, piece = " " * indent, piece.lstrip()
        line += piece
        while cells(line.rstrip()) > width:
            head = _beginning(line, width)
            lines.append(head)
            line = " " * indent + line[len(head) :]
    return [*lines, line.rstrip()]


def _beginning(text: str, width: int) -> str:
    """The longest beginning of `text` of at most `width` cells."""
    used = 0
    for at, character in enumerate(text):
        used += cells(character)
        if used > width:
            return text[:at]
    return text
