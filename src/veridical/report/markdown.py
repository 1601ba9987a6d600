"""report.md: the result in a comment on a pull request. Short; text from data cannot form links, tags or mentions."""

import re

from veridical.core.ledger_record import Ledger
from veridical.core.run_record import Arm, RepairRecord, RunRecord
from veridical.report import figures
from veridical.report.account_view import (
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
)
from veridical.report.probes import probe_lines, status_said
from veridical.report.run_files import RunFiles
from veridical.report.safe_text import one_line
from veridical.report.searched import SHOWN, search_sentences, search_table
from veridical.report.wording import Words

SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#|~$!@:&])")


def literal(text: str, *, limit: int = 300) -> str:
    """Text from data as Markdown that shows it as it is: special characters become HTML character references."""
    return SPECIAL.sub(lambda found: f"&#{ord(found.group())};", one_line(text, limit=limit))


def markdown(files: RunFiles, said: Words) -> str:
    """The whole file."""
    record = files.record
    parts = _head(record, said)
    if record.ledger:
        parts += _account(record.ledger, said)
    parts += _repairs(record.repair, said) + _probes(files, said) + _checks(files, said)
    sentences = warning_sentences(record, said)
    parts += ["", *(f"> {literal(sentence, limit=600)}  " for sentence in sentences)] if sentences else []
    colon = "：" if said.lang == "zh" else ": "
    steps = [f"- {why}" + (f"{colon}`{command}`" if command else "") for command, why in next_steps(record, said, folder=None)]
    parts += ["", f"**{said('next')}**", "", *steps] if steps else []
    return "\n".join([*parts, "", said("md_more"), ""])


def _head(record: RunRecord, said: Words) -> list[str]:
    ledger = record.ledger
    if ledger is None:
        return [f"### {said('no_ledger')}"]
    lines = ["### " + headline(ledger, said).replace("->", "→")]
    if ledger.contract:
        under = contract_headline(ledger.contract, said, name=one_line(ledger.contract.name, limit=80))
        lines += ["", f"**{literal(under, limit=400)}**"]
    metric, train, test = said.name("metric", record.metric), figures.count(record.n_train), figures.count(record.n_test)
    about = said(
        "about_line",
        model=literal(record.model),
        task=literal(said.name("task", record.task)),
        metric=literal(metric),
        train=train,
        test=test,
    )
    learned = learned_sentence(record, said)
    level = f"{100 * ledger.reported.level:.0f}"
    drawn = literal(said("md_reported", level=level, interval=figures.interval(ledger.reported)))
    lines += ["", literal(gap_sentence(ledger, said), limit=600)]
    lines += ["", literal(basis_sentence(ledger, said)), "", drawn, "", about]
    lines += ["", literal(learned)] if learned else []
    return lines + _search(record, said)


def _search(record: RunRecord, said: Words) -> list[str]:
    sentences = search_sentences(record, said)
    if not sentences:
        return []
    head, *rows = search_table(record, said, shown=SHOWN)
    table = ["| " + " | ".join(literal(cell) for cell in row) + " |" for row in rows]
    return ["", literal(" ".join(sentences), limit=1200), "", "| " + " | ".join(head) + " |", "|---:|---|---:|---|---|", *table]


def _account(ledger: Ledger, said: Words) -> list[str]:
    lines = ["", f"| | {said('column.points')} | {said('column.status')} | |", "|---|---:|---|---|"]
    for line in component_lines(ledger, said):
        lines.append(f"| {literal(line.name)} | {line.points} {line.band} | {line.status_word} | {literal(line.meaning)} |")
    notes = account_notes(ledger, said)
    lines += ["", *(f"{literal(note, limit=400)}  " for note in notes)] if notes else []
    if ledger.floors:
        floors = " · ".join(f"{literal(said.name('floor', name))} {figures.score(e.value)}" for name, e in ledger.floors.items())
        lines += ["", f"{said('sign_note')}", "", f"**{said('floors')}** {floors}"]
    return lines


def _repairs(repair: RepairRecord | None, said: Words) -> list[str]:
    head = ["", f"**{said('repairs')}** "]
    if repair is None or not (repair.skipped or repair.arms):
        return [*head[:-1], head[-1] + said("repairs_none")]
    if repair.skipped:
        return [*head[:-1], head[-1] + said("repairs_skipped", why=literal(said.sentence(repair.skipped), limit=400))]
    columns = ("column.repair", "column.outcome", "against_untouched", "against_placebo")
    table = ["", "| " + " | ".join(said(name) for name in columns) + " |", "|---|---|---:|---:|"]
    notes = ["", said("repairs_one_fit")] if repair.one_fit else []
    return table + [_arm(arm, said) for arm in arms_shown(repair)] + notes + _routed(repair, said)


def _routed(repair: RepairRecord, said: Words) -> list[str]:
    """Countermeasures that were tried on the locked fold."""
    if not repair.routed:
        return []
    columns = (said("routed_title"), said("column.outcome"), said("against_plain"), said("routed_as_it_is"))
    lines = ["", f"**{said('routed_title')}**", "", "| " + " | ".join(columns) + " |", "|---|---|---:|---:|"]
    for routed in repair.routed:
        gains = (routed.arm.gain_over_untouched, routed.elsewhere)
        shown = [f"{figures.points(e.value)} {figures.band(e)}" if e else "–" for e in gains]
        outcome = said.name("outcome", routed.arm.outcome)
        lines.append(f"| {literal(routed.arm.repair)} | {outcome} | {shown[0]} | {shown[1]} |")
    return [*lines, *(["", said("routed_chosen", name=literal(repair.chosen))] if repair.chosen else [])]


def _arm(arm: Arm, said: Words) -> str:
    gains = [
        f"{figures.points(e.value)} {figures.band(e)}" if e else "–" for e in (arm.gain_over_untouched, arm.gain_over_placebo)
    ]
    name = literal(arm_name(arm, said))
    return f"| {name} | {said.name('outcome', arm.outcome)} | {gains[0]} | {gains[1]} |"


def _probes(files: RunFiles, said: Words) -> list[str]:
    if not files.probes:
        return []
    rows = [
        f"| {literal(line.name)} | {status_said(line, said)} | {literal(line.summary, limit=600)} |"
        for line in probe_lines(files.probes, said)
    ]
    return [
        "",
        f"**{said('probes_title')}**",
        "",
        f"| {said('nav.probes')} | {said('column.status')} | |",
        "|---|---|---|",
        *rows,
    ]


def _checks(files: RunFiles, said: Words) -> list[str]:
    if not files.checks:
        return []
    lines = ["", f"| {said('column.check')} | |", "|---|---|"]
    icons = {"found": "⚠", "clean": "✓", "skipped": "–"}
    for check in files.checks:
        rows = figures.count(check.n_rows)
        outcome = {
            "found": said("check_found", found=figures.count(check.n_found), rows=rows),
            "clean": said("check_clean", rows=rows),
            "skipped": said("check_skipped", why=literal(said.sentence(check.why))),
        }[check.status]
        lines.append(f"| {literal(said.name('check', check.check))} | {icons[check.status]} {outcome} |")
    return lines
