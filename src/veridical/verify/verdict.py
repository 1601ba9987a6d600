"""From figures to a verdict on one repair, in words that say what it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from veridical.core.estimate import Estimate
from veridical.core.multiplicity import holm
from veridical.core.run_record import Arm

ALPHA = 0.05
"""Chance of accepting any repair that does nothing, over all repairs tried (one-sided, Holm)."""
MARGIN = 1.0
"""Points of locked score that a measurement repair may cost. Ours: 1 point is what the ledger's intervals can resolve."""
NOT_REVIEWED = (
    "Locked rows keep the labels they came with, most of them train labels; how many are wrong was not measured here, "
    "so on right labels the repair may do more or less."
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured for one repair, before the correction for the number of repairs.

    arm: the record, still without outcome. p_better: one-sided, the larger of those against untouched and placebo (training), or
    that of a smaller |reported - locked| (measurement). p_worse: one-sided, worse than untouched.
    gap: for measurement repairs, a sentence with the gap before and after. grows: p of a larger gap.
    """

    arm: Arm
    p_better: float
    p_worse: float
    gap: str = ""
    grows: float = 1.0


def against_both(arm: Arm) -> float:
    """p of a training repair before any correction: the larger of those against untouched and placebo, both measured."""
    assert arm.p_untouched is not None
    assert arm.p_placebo is not None
    return max(arm.p_untouched, arm.p_placebo)


def judged(trials: Sequence[Trial]) -> tuple[Arm, ...]:
    """The arms with outcomes. Every family of p values is corrected by Holm over all repairs tried."""
    better, worse = holm([t.p_better for t in trials]), holm([t.p_worse for t in trials])
    grows = holm([t.grows for t in trials])
    untouched, placebo = (_corrected(trials, name) for name in ("p_untouched", "p_placebo"))
    arms: list[Arm] = []
    for i, trial in enumerate(trials):
        arm = replace(trial.arm, p_untouched=untouched[i], p_placebo=placebo[i])
        if arm.kind == "training":
            assert trial.arm.p_untouched is not None
            outcome, why = _training(arm, better=float(better[i]), worse=float(worse[i]), alone=trial.arm.p_untouched)
            why = f"{why} {NOT_REVIEWED}"
        else:
            outcome, why = _measurement(arm, shrinks=float(better[i]), grows=float(grows[i]), worse=float(worse[i]))
            why = f"{trial.gap} {why}"
        arms.append(replace(arm, outcome=outcome, why=why))
    return tuple(arms)


def _corrected(trials: Sequence[Trial], name: str) -> list[float | None]:
    """Holm over the repairs that have this p value; None stays None."""
    have = [i for i, t in enumerate(trials) if getattr(t.arm, name) is not None]
    corrected = holm([getattr(trials[i].arm, name) for i in have])
    found: list[float | None] = [None] * len(trials)
    for i, p in zip(have, corrected, strict=True):
        found[i] = float(p)
    return found


def loss_said(gain: Estimate) -> str:
    """Which loss the interval of a gain (points) rules out, and which it leaves possible.

    Harmless says no more than "not told apart from none": over few rows a large loss is not told apart either.
    """
    possible = max(0.0, -gain.low)
    end = "by the lower end of the 95 % interval"
    if possible <= MARGIN:
        shown = f"{ceil(10 * possible - 1e-9) / 10:.1f}"  # "at most" must hold
        return f"A loss over {MARGIN:.0f} point is ruled out: {end} at most {shown} are lost."
    # As the interval is shown, with as many digits as it takes to lie beyond the margin.
    shown = next(said for digits in range(1, 17) if float(said := f"{possible:.{digits}f}") > MARGIN)
    return f"A loss over {MARGIN:.0f} point cannot be ruled out: {end} up to {shown} may be lost."


def _training(arm: Arm, *, better: float, worse: float, alone: float) -> tuple[str, str]:
    """alone: p of the gain over untouched, before any correction."""
    assert arm.gain_over_untouched is not None
    assert arm.gain_over_placebo is not None
    assert arm.p_untouched is not None  # every repair stood against untouched; what was not measured must not hold
    over, against = f"{arm.gain_over_untouched.value:+.1f} points", f"{arm.gain_over_placebo.value:+.1f} against its placebo"
    if better <= ALPHA:
        return "accepted", f"{over} against untouched and {against}; both hold after Holm's correction (p = {better:.3f})."
    if worse <= ALPHA:
        return "rejected", f"Worse than untouched: {over} (p = {worse:.3f} after Holm's correction)."
    if arm.p_untouched <= ALPHA:
        lost = loss_said(arm.gain_over_untouched)
        if arm.gain_over_placebo.high < 0:
            return "harmless", (
                f"{over} against untouched, which holds after Holm's correction, and {against}: as much meddling aimed at "
                f"nothing did better. {lost}"
            )
        return "harmless", (
            f"{over} against untouched, which holds after Holm's correction, and {against}, which does not hold with it "
            f"(p = {better:.3f}): as much meddling aimed at nothing may do as well. {lost}"
        )
    said = [f"{over} against untouched: not told apart from no repair; smallest visible effect {arm.mde:.1f} points."]
    if alone <= ALPHA:
        said.append("Alone it would be; the outcome is corrected for the number of repairs, the interval is not.")
    elif arm.gain_over_untouched.low > 0:
        said.append(f"Its interval leaves out 0; the test, which swaps the two on whole clusters, does not (p = {alone:.3f}).")
    return "harmless", " ".join([*said, loss_said(arm.gain_over_untouched)])


def _measurement(arm: Arm, *, shrinks: float, grows: float, worse: float) -> tuple[str, str]:
    lost = arm.gain_over_untouched
    assert lost is not None
    score = f"locked score {lost.value:+.1f} points [{lost.low:.1f}, {lost.high:.1f}]"
    # low is the 2.5 % quantile: stricter than the one-sided 5 % that non-inferiority asks for.
    if shrinks <= ALPHA and lost.low >= -MARGIN:
        return "accepted", f"The gap shrinks (p = {shrinks:.3f}); {score}, so no more than {MARGIN:.0f} point is lost."
    if grows <= ALPHA:
        return "rejected", f"The gap grows (p = {grows:.3f}); {score}."
    if worse <= ALPHA:
        return "rejected", f"The model learns less from what is left: {score} (p = {worse:.3f})."
    if shrinks <= ALPHA:
        return "harmless", f"The gap shrinks, but that alone is not enough; {score}. {loss_said(lost)}"
    return "harmless", f"No change of the gap was told apart from none; {score}. {loss_said(lost)}"
