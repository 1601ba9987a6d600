"""The account as every report shows it: the same lines, statuses and sentences on the terminal, in Markdown and in HTML."""

from dataclasses import dataclass
from pathlib import Path

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import IN_THE_SUM, Component, ContractScore, Ledger
from veridical.core.run_record import Arm, RepairRecord, RunRecord
from veridical.report import figures
from veridical.report.safe_text import one_line
from veridical.report.wording import Words

REVIEW_ROWS = 150


OPEN = {"variance_parts": "variance_parts_open", "variance_contract": "variance_contract_open"}
"""What is said in place of a sentence where a part of the width comes from what nobody looked at."""
LEAKS = {"variance_parts": "variance_parts_leaks", "variance_contract": "variance_contract_leaks"}
"""The same where it also hangs on which rows leaked."""
LEAST_SHARE = 0.0005
"""Share of the variance from which a source is shown: what rounds to 0.1 %. Ours; no source."""


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """One component in words. points and band are empty when it has none; status is the display status (`exact` is added
    to the ledger's: measured, and nothing at all)."""

    name: str
    status: str
    status_word: str
    points: str
    band: str
    meaning: str
    component: Component


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the waterfall, in shares: from `start` to `end`; `low` and `high` bound the end. kind: total or part."""

    name: str
    kind: str
    start: float
    end: float
    low: float
    high: float
    line: ComponentLine | None


LONGEST_REASON = 300
"""Characters of a reason on a line. Ours; no source."""


def component_line(component: Component, words: Words) -> ComponentLine:
    """A component as a person reads it. `not detected` always says what could have been seen."""
    estimate = component.points
    status: str = component.status
    if status == "measured" and estimate is not None and estimate.value == estimate.low == estimate.high == 0:
        status = "exact"
    word = words(f"status.{status}")
    if status == "not_detected":
        seen = words("seen_unknown") if component.mde is None else words("seen_from", mde=f"{component.mde:.1f}")
        word = words("status_with", status=word, seen=seen)
    base = component.name.partition(":")[0]
    none = base == "leakage" and status == "not_detected" and component.rows == 0
    tied = base == "leakage" and component.details.get("tied_rows") and status in ("measured", "not_detected")
    apart = base == "noise" and status == "bounded" and "rates" in component.details
    own = base == "sample" and component.details.get("own_population") and status in ("measured", "not_detected")
    key = f"meaning.{base}.{'none' if none else 'tied' if tied else 'apart' if apart else 'own' if own else status}"
    meaning = words(key if words.has(key) else f"meaning.other.{status}").replace("{rows}", figures.count(component.rows))
    if status == "skipped" and (component.details.get("declared") or component.details.get("unseen")):
        meaning = one_line(words.sentence(component.why), limit=LONGEST_REASON)
    listed = [one_line(str(word), limit=20) for word in component.details.get("words", ())]
    meaning = meaning.replace("{words}", " · ".join(listed) or figures.count(component.rows))
    return ComponentLine(
        name=component_name(component.name, words),
        status=status,
        status_word=word,
        points=figures.points(estimate.value) if estimate else "",
        band=figures.band(estimate) if estimate and status != "exact" else "",
        meaning=meaning,
        component=component,
    )


def learned_sentence(record: RunRecord, words: Words) -> str:
    """How much of the encoder could change; empty where it was tuned as usual, or is no encoder of ours."""
    if record.learned is None or record.learned["tuning"] == "full":
        return ""
    n_trained, n_all = record.learned["n_trained"], record.learned["n_all"]
    share = figures.precise_percent(n_trained / n_all)
    return words("learned", method=record.learned["tuning"], share=share, n=figures.count(n_all))


def contract_headline(scored: ContractScore, words: Words, *, name: str) -> str:
    """The score under the contract, and what it leaves out. name: of the contract, as it may be shown."""
    told = {"honest": figures.score(scored.honest.value), "interval": figures.interval(scored.honest)}
    said = words("headline_contract", name=name, **told)
    left = " · ".join(component_name(player, words) for player in scored.unmeasured)
    held = words("headline_held", share=f"{100 * scored.target_share:.0f}") if scored.target_share < 1 else ""
    return said + held + (words("headline_without", left=left) if left else "")


def component_name(name: str, words: Words) -> str:
    """`shortcut:word` keeps its word."""
    base, colon, rest = name.partition(":")
    return words.name("component", base) + (f" “{one_line(rest, limit=40)}”" if colon else "")


def component_lines(ledger: Ledger, words: Words) -> list[ComponentLine]:
    return [component_line(component, words) for component in ledger.components]


def waterfall(ledger: Ledger, words: Words) -> list[Step]:
    """reported, the measurement parts, honest, and with a contract the transfer parts and its score."""

    def total(name: str, estimate: Estimate) -> Step:
        return Step(name, "total", estimate.value, estimate.value, estimate.low, estimate.high, None)

    steps = [total(words("reported"), ledger.reported)]
    steps += _parts(ledger, "measurement", ledger.reported.value, words)
    steps.append(total(words("honest"), ledger.honest))
    if ledger.contract:
        steps += _parts(ledger, "transfer", ledger.honest.value, words)
        named = words("under", name=one_line(ledger.contract.name, limit=60))
        steps.append(total(named, ledger.contract.honest))
    return steps


def _parts(ledger: Ledger, kind: str, start: float, words: Words) -> list[Step]:
    steps = []
    for component in ledger.components:
        if component.kind != kind or component.status not in IN_THE_SUM or component.points is None:
            continue
        line, points = component_line(component, words), component.points
        end = start - points.value / 100
        steps.append(Step(line.name, "part", start, end, start - points.high / 100, start - points.low / 100, line))
        start = end
    return steps


def counted_as(ledger: Ledger) -> str:
    """The metric of the honest score where the one reported counts what is no achievement; else empty."""
    protocol = next((component for component in ledger.components if component.name == "protocol"), None)
    return str(protocol.details.get("instead", "")) if protocol else ""


def headline(ledger: Ledger, words: Words) -> str:
    """reported -> honest; both metrics by name where they are not the same."""
    scored = {"reported": figures.score(ledger.reported.value), "honest": figures.score(ledger.honest.value)}
    told, instead = {**scored, "interval": figures.interval(ledger.honest)}, counted_as(ledger)
    if not instead:
        return words("headline", **told)
    return words("headline_counted", metric=words.name("metric", ledger.metric), instead=words.name("metric", instead), **told)


def labels_as_given(ledger: Ledger) -> bool:
    """Whether wrong labels are in no interval of the account: none was reviewed, and answers are structures."""
    return any(c.status == "skipped" and "shape" not in c.details for c in _of_noise(ledger))


def _unread(ledger: Ledger) -> bool:
    """Whether wrong labels are in it as far as train rows tell: none was reviewed."""
    return any("reviewed" not in c.details for c in _of_noise(ledger)) and not labels_as_given(ledger)


def _of_noise(ledger: Ledger) -> list[Component]:
    return [component for component in ledger.components if component.name == "noise"]


def basis_sentence(ledger: Ledger, words: Words) -> str:
    """Metric, level and rows of the headline, and what of the labels it rests on."""
    key = "headline_as_given" if labels_as_given(ledger) else "headline_unreviewed" if _unread(ledger) else "headline_basis"
    told = {"metric": words.name("metric", ledger.metric), "level": f"{100 * ledger.honest.level:g}"}
    return words(key, n=figures.count(ledger.reported.n), **told)


def gap_sentence(ledger: Ledger, words: Words) -> str:
    """What the gap is and whether it is told apart; with a contract, how much further its score lies."""
    said = _gap(ledger, words)
    if ledger.contract is None:
        return said
    further = _shown_gap(ledger.honest.value, ledger.contract.honest.value)
    name, side = one_line(ledger.contract.name, limit=60), words("side.less" if further >= 0 else "side.more")
    space, share = "" if words.lang == "zh" else " ", ledger.contract.target_share
    under = words("gap_contract", name=name, points=f"{abs(further):.1f}", side=side)
    held = space + words("gap_held", share=f"{100 * share:.0f}") if share < 1 else ""
    return f"{said}{space}{under}{held}"


def _shown_gap(first: float, second: float) -> float:
    """Points between two scores as they are shown, so that the sentence and the headline agree."""
    return round(100 * first, 1) - round(100 * second, 1)


def _gap(ledger: Ledger, words: Words) -> str:
    gap = _shown_gap(ledger.reported.value, ledger.honest.value)
    metric, instead = words.name("metric", ledger.metric), counted_as(ledger)
    if instead:
        honest = figures.score(ledger.honest.value)
        return words("gap_counted", metric=metric, instead=words.name("metric", instead), honest=honest)
    if any(c.name == "leakage" and c.rows and c.status == "skipped" for c in ledger.components):
        return words("gap_unknown", metric=metric)
    if abs(gap) < 0.05:
        own = any(component.details.get("own_population") for component in ledger.components)
        return words("gap_none", metric=metric, like=words("like_these") if own else "")
    figure = f"{abs(gap):.1f}"
    if _leaks_chosen(ledger):
        low, high = (_shown_gap(ledger.reported.value, end) for end in (ledger.honest.high, ledger.honest.low))
        span = {"most": f"{abs(high):.1f}", "least": f"{abs(low):.1f}"}
        if low < 0 < high:
            return words("gap_range_both", metric=metric, **span)
        least, most = sorted((abs(low), abs(high)))
        key = "gap_range_above" if gap > 0 else "gap_range_below"
        return words(key, metric=metric, least=f"{least:.1f}", most=f"{most:.1f}")
    if not ledger.honest.low <= ledger.reported.value <= ledger.honest.high:
        return words("gap_above" if gap > 0 else "gap_below", metric=metric, points=figure)
    told = [line for line in component_lines(ledger, words) if line.status == "measured" and line.component.kind == "measurement"]
    if told:
        named = " · ".join(f"{line.name} {line.points}" for line in told)
        key = "gap_above_found" if gap > 0 else "gap_below_found"
        why = words("found_and_labels" if _unread(ledger) else "found_and_luck")
        return words(key, metric=metric, points=figure, found=named, why=why)
    labels = words("held_as_labelled") if _unread(ledger) or labels_as_given(ledger) else ""
    return words("gap_above_held" if gap > 0 else "gap_below_held", metric=metric, points=figure, labels=labels)


def account_notes(ledger: Ledger, words: Words) -> list[str]:
    """What holds for components together: pairs that take more, or less, together than apart; what makes the interval wide."""
    said = [
        words(
            "interaction_more" if pair.points.value > 0 else "interaction_less",
            first=component_name(pair.first, words),
            second=component_name(pair.second, words),
            points=f"{abs(pair.points.value):.1f}",
            band=figures.band(pair.points),
        )
        for pair in ledger.interactions
    ]
    if _shares(ledger.variance, words):
        said.append(_wide(ledger, "variance_parts", words, chosen=_leaks_chosen(ledger)))
    if ledger.contract and _shares(ledger.contract.variance, words):
        name, chosen = one_line(ledger.contract.name, limit=60), _leaks_chosen(ledger)
        said.append(_wide(ledger.contract, "variance_contract", words, chosen=chosen, name=name))
    return said


def _leaks_chosen(ledger: Ledger) -> bool:
    """Whether which test rows leaked hangs on their labels."""
    return any(component.details.get("chosen_by_label") for component in ledger.components)


def _wide(scored: Ledger | ContractScore, key: str, words: Words, *, chosen: bool, **named: str) -> str:
    """Where the width of an interval comes from: first what nobody looked at, then the sources of the variance of the rest."""
    parts, share = _shares(scored.variance, words), f"{100 * scored.unreviewed:.0f}"
    if share == "0":
        return words(key, parts=parts, **named)
    return words((LEAKS if chosen else OPEN)[key], share=share, parts=parts, **named)


def _shares(variance: dict[str, float], words: Words) -> str:
    """Sources of a variance, the largest first."""
    shares = sorted(((share, name) for name, share in variance.items() if share >= LEAST_SHARE), reverse=True)
    return " · ".join(f"{words.name('variance', name.replace(' ', '_'))} {100 * share:.1f} %" for share, name in shares)


def arm_name(arm: Arm, words: Words) -> str:
    """A repair, or several that were tried together (`a + b`), by their names."""
    return " + ".join(words.name("repair", name) for name in arm.repair.split(" + "))


def arms_shown(repair: RepairRecord) -> tuple[Arm, ...]:
    """Every arm; what was tried together comes last."""
    return (*repair.arms, *([repair.combination] if repair.combination else []))


def warning_sentences(record: RunRecord, words: Words) -> list[str]:
    sentences = [] if record.complete else [words("incomplete")]
    sentences += [one_line(words.sentence(sentence), limit=600) for sentence in record.warnings]
    sentences += [one_line(words.sentence(note), limit=600) for note in (record.ledger.notes if record.ledger else ())]
    sentences += _below_floor(record, words)
    if record.earlier_looks:
        sentences.append(words("earlier_looks", n=figures.count(record.earlier_looks)))
    return sentences


LEARNED_FLOORS = ("bag_of_words",)
"""Floors that are models of their own: on many tasks a good score is near theirs, and that is no warning."""


def _below_floor(record: RunRecord, words: Words) -> list[str]:
    """A sentence where a trivial rule scores as high as the model, in the same metric, or too near to be told from it."""
    ledger = record.ledger
    if ledger is None or not ledger.floors:
        return []
    scored = ledger.reported
    for key, bar, left_out in (("below_floor", scored.value, ()), ("near_floor", scored.low, LEARNED_FLOORS)):
        floors = {name: floor.value for name, floor in ledger.floors.items() if name not in left_out and floor.value >= bar}
        if floors:
            name = max(floors, key=lambda of: floors[of])
            scores = {"score": figures.score(scored.value), "floor": figures.score(floors[name])}
            return [words(key, name=words.name("floor", name), interval=figures.interval(scored), **scores)]
    return []


def next_steps(record: RunRecord, words: Words, *, folder: Path | None) -> list[tuple[str, str]]:
    """(command or path, why), most useful first."""
    run = str(folder) if folder else "RUN"
    quoted = run if run.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum() else f"'{run}'"
    steps = []
    components = record.ledger.components if record.ledger else ()
    noise = next((c.status for c in components if c.name == "noise"), "")
    if noise in ("bounded", "skipped"):
        n_rows = min(REVIEW_ROWS, record.n_test)
        command = f"veridical review {quoted} --rows {n_rows} --out review.csv"
        steps.append((command, words("next_review" if noise == "bounded" else "next_review_first")))
    if any(c.status == "candidate" for c in components):
        steps.append(("", words("next_contract")))
    if folder is not None:
        steps.append((str(folder / "report.html"), words("next_report")))
    return steps
