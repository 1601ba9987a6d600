"""The outcome and the reason of every repair again, from its figures, by the functions that gave them.

What a repair of the test set did to the gap between the reported score and the locked one is not among the stored answers. So
each outcome is computed for a gap that shrank, one that grew and one that did neither; a certificate must say one of these.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from veridical.core.estimate import Estimate
from veridical.core.run_record import Arm, RepairRecord
from veridical.verify.certificate import claim
from veridical.verify.verdict import Trial, judged
from veridical.verify.winners import winners

OF_THE_GAP = ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
"""(p of a smaller gap, p of a larger one): it shrank, it grew, neither. Between them lies every p that Holm's correction can give
the other repairs."""
NO_CLAIM = "no claim."
GAP = "The reported score stood 0.0 points off the locked one and stands 0.0 off after the repair."
HIDDEN = (
    (re.compile(r"stood [\d.]+ points off the locked one and stands [\d.]+ off"), "stood and stands off"),
    (re.compile(r"(gap (?:shrinks|grows)|Holm's correction) \(p = [\d.]+\)"), r"\1"),
)
"""What of a reason hangs on the gap; a p of the gap moves that of other repairs by Holm's correction."""
TOGETHER = " + "
"""Between the names of a combination."""


def unlike(arms: Sequence[Mapping[str, Any]], trials: Sequence[Trial]) -> str:
    """The first outcome, reason or claim that the figures do not give, in words; empty where they give all. trials: of arms."""
    of_gap = any(trial.arm.kind == "measurement" for trial in trials)
    verdicts = [judged([_with_gap(trial, *p) for trial in trials]) for p in OF_THE_GAP] if of_gap else [judged(trials)]
    for arm, *possible in zip(arms, *verdicts, strict=True):
        alike = [one for one in possible if one.outcome == arm["outcome"]]
        if not alike:
            said: tuple[str, str] = f"{' or '.join(dict.fromkeys(one.outcome for one in possible))}.", f"{arm['outcome']}."
        elif arm["claim"] != (now := claim(alike[0])):
            said = now or NO_CLAIM, arm["claim"] or NO_CLAIM
        elif _hidden(arm["why"], hide=of_gap) not in [_hidden(one.why, hide=of_gap) for one in alike]:
            said = _hidden(alike[0].why, hide=of_gap), arm["why"]
        else:
            continue
        return f"Of {arm['repair']} the figures give: {said[0]} The certificate says: {said[1]}"
    return ""


def unlike_skipped(arms: Sequence[Mapping[str, Any]]) -> str:
    """The first arm without figures that claims something, in words; empty where none does."""
    for arm in arms:
        if not arm["figures"] and (arm["outcome"] != "skipped" or arm["claim"]):
            name = arm.get("repair") or arm.get("countermeasure")
            return f"{name} has no figures, so it can only be skipped; the certificate says {arm['outcome']!r}."
    return ""


def won(arms: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The repairs that win by what a certificate says of the arms."""
    of_record = [_arm(arm) for arm in arms]
    together = next((arm for arm in of_record if TOGETHER in arm.repair), None)
    return winners(RepairRecord(arms=tuple(arm for arm in of_record if arm is not together), combination=together))


def _arm(arm: Mapping[str, Any]) -> Arm:
    gain = Estimate.from_json(arm["figures"]["gain_over_untouched"]) if arm["figures"] else None
    blank = Arm(arm["repair"], arm["outcome"], arm["kind"], arm["why"], arm["rows"], *[None] * 8)
    return replace(blank, gain_over_untouched=gain, p_untouched=arm["holm"]["p_untouched"])


def _with_gap(trial: Trial, shrinks: float, grows: float) -> Trial:
    if trial.arm.kind == "training":
        return trial
    return replace(trial, p_better=shrinks, grows=grows, gap=GAP)


def _hidden(why: str, *, hide: bool) -> str:
    for pattern, instead in HIDDEN if hide else ():
        why = pattern.sub(instead, why)
    return why
