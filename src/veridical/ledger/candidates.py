"""What data and probes point at but cannot book: transfer components without points, until a contract says what counts.

A word that goes with a label, an edit that turns answers, groups that score otherwise, rows from elsewhere: each costs points
somewhere, and how many of them where the model is used nobody knows from this data.
"""

import re
from collections.abc import Callable, Collection, Sequence

from veridical.core.ledger_record import Component
from veridical.core.probe_record import Measure, ProbeOutcome, ProbeRecord

SHOWN = 5
"""Candidates of one kind that are named on a line. Ours; no source."""
WORD = re.compile(r"word ['\"](.*?)['\"]: ")
"""What the check of label words writes before a candidate's figures."""
TURNED = "transplant_"
"""How the probe of shortcuts names a word that it put into rows of other labels."""


def candidates(words: Sequence[str], probes: ProbeRecord | None, *, declared: Collection[str]) -> tuple[Component, ...]:
    """words: the evidence of each word that the check of label words found, strongest first. declared: players that the contract
    names, for which there are none."""
    made = [] if "shortcut" in declared else [shortcuts(words, _found(probes, "shortcuts", _turning))]
    for player, probe, chosen, said in (
        ("groups", "fairness", _gap, _groups),
        ("fragility", "robustness", _losing, _fragility),
        ("shift", "shift", _lost, _shift),
    ):
        found = [] if player in declared else _found(probes, probe, chosen)
        if found:
            details = {"words": [_short(measure) for measure in found[:SHOWN]]}
            why = said(found) + (_not_told(found, probes) if player == "shift" else "")
            made.append(Component(player, "transfer", "candidate", None, None, len(found), why, details=details))
    return tuple(made)


def made_of_data(component: Component) -> bool:
    """Whether a component of a ledger is one of these, and not a player of a contract."""
    return component.kind == "transfer" and component.points is None and not component.details.get("declared")


def _found(probes: ProbeRecord | None, name: str, chosen: Callable[[Measure], bool]) -> list[Measure]:
    """What a probe found of this kind, the largest first."""
    outcome: ProbeOutcome | None = probes.probe(name) if probes else None
    measures = [m for m in outcome.measures if m.status == "found" and chosen(m)] if outcome else []
    measures = [m for m in measures if not _alike(m, outcome)]
    return sorted(measures, key=lambda measure: -measure.estimate.value)


def _turning(measure: Measure) -> bool:
    return measure.name.startswith(TURNED)


def _gap(measure: Measure) -> bool:
    return measure.name == "metric_gap"


def _losing(measure: Measure) -> bool:
    return measure.name.startswith("loss (") and measure.estimate.value > 0


def _lost(measure: Measure) -> bool:
    return measure.name.startswith(("lost: ", "left_out: ")) and measure.estimate.value > 0


SEEN_APART = 0.05
"""Chance beyond one half of telling texts apart that must have been visible for texts to count as alike. Ours; no source."""


def _untold(measure: Measure, outcome: ProbeOutcome | None) -> float | None:
    """Of points lost between sides whose texts were not told apart, the smallest chance beyond one half that would have been
    seen; None where they were."""
    kind, _, pair = measure.name.partition(": ")
    told = outcome.measure(f"told_apart: {pair}") if outcome and kind == "lost" else None
    return None if told is None or told.status == "found" else told.mde


def _alike(measure: Measure, outcome: ProbeOutcome | None) -> bool:
    """Whether a small difference of the texts would have been seen, and none was: wrong labels look like this, and no target
    would mend them."""
    seen = _untold(measure, outcome)
    return seen is not None and seen <= SEEN_APART


def _not_told(found: Sequence[Measure], probes: ProbeRecord | None) -> str:
    outcome = probes.probe("shift") if probes else None
    pairs = [measure.name.partition(": ")[2] for measure in found if _untold(measure, outcome) is not None]
    if not pairs:
        return ""
    return f" Texts were not told apart here, so wrong labels may look like this too: {', '.join(pairs[:SHOWN])}."


def _short(measure: Measure) -> str:
    inner = re.search(r"\((.*)\)$", measure.name)
    return inner[1] if inner else measure.name.removeprefix(TURNED).partition(": ")[2] or measure.name.removeprefix(TURNED)


def _costs(measures: Sequence[Measure]) -> str:
    left = len(measures) - SHOWN
    said = [f"{m.name.removeprefix(TURNED)} {m.estimate.value:.1f} points" for m in measures[:SHOWN]]
    return "; ".join(said) + (f"; and {left} more" if left > 0 else "")


def shortcuts(words: Sequence[str], turning: Sequence[Measure] = ()) -> Component:
    """words: the evidence of each word that the check found, strongest first. turning: what words cost that the probe put in."""
    if not words and not turning:
        why = "No word was found that gives a label away, and no contract declares one."
        return Component("shortcut", "transfer", "skipped", None, None, 0, why)
    said = [f"Words that go with one label: {_listed(words)}."] if words else []
    if turning:
        said.append(f"Words that turn answers where they are put into rows of other labels (probe shortcuts): {_costs(turning)}.")
    said.append(
        "Data alone cannot tell a legitimate word from a shortcut: declare one in a contract (--contract) and its points are "
        "measured."
    )
    turned = [measure.name.removeprefix(TURNED) for measure in turning]
    known = [found[1] for seen in words if (found := WORD.match(seen))]
    named = list(dict.fromkeys([*turned, *known]))
    n = len(named) + sum(WORD.match(seen) is None for seen in words)
    return Component("shortcut", "transfer", "candidate", None, None, n, " ".join(said), details={"words": named[:SHOWN]})


def _listed(words: Sequence[str]) -> str:
    left = len(words) - SHOWN
    return "; ".join(words[:SHOWN]) + (f"; and {left} more" if left > 0 else "")


def _groups(found: Sequence[Measure]) -> str:
    (gap,) = found
    return (
        f"Groups differ by {100 * gap.estimate.value:.1f} points, groups dealt at random by {100 * (gap.null or 0.0):.1f} (probe "
        "fairness). Which mix of groups the model will meet is not known: declare groups in a contract (--contract) and the "
        "points are measured."
    )


def _fragility(found: Sequence[Measure]) -> str:
    return (
        f"Edits that cost points on the rows they touch (probe robustness): {_costs(found)}. How often they come where the model "
        "is used is not known: declare perturbations in a contract (--contract) and the points are measured."
    )


def _shift(found: Sequence[Measure]) -> str:
    return (
        f"Rows from elsewhere score lower (probe shift): {_costs(found)}. Where the model will be used is not known: declare a "
        "target in a contract (--contract) and the points are measured."
    )
