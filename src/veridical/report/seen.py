"""What a probe could have seen: "not detected" says nothing without it, nor beside an interval that leaves out 0."""

from veridical.core.probe_record import ALPHA, Measure, ProbeOutcome
from veridical.report import figures
from veridical.report.wording import Words

UNITS = ("points", "share", "nats", "ratio", "rows")
"""In which order effects of several units are said."""
DIFFERENCES = ("points", "nats")
"""Units in which 0 means no difference; a share or a ratio may well leave it out."""
REASONS = ("corrected", "tested", "against", "harmless")


def smallest(value: float, unit: str) -> str:
    """A smallest visible effect in its unit: 8.1 % of a share, 1.5 of points, 0.032 of the rest."""
    return f"{100 * value:.1f} %" if unit == "share" else (f"{value:.1f}" if unit == "points" else f"{value:.2g}")


def visible(measure: Measure) -> float:
    """The smallest value of the measure itself that would be seen: what is tolerated, or expected by chance, and as far beyond it
    as can be told. Of a measure that may lie on either side of its null, that distance."""
    return (measure.mde or 0.0) + (max(measure.null or 0.0, 0.0) if measure.worse == "above" else 0.0)


def apart(measure: Measure) -> str:
    """Why nothing was detected although the measure's own interval leaves out 0; empty where it holds 0.

    corrected: alone its p value would do. tested: the interval lies beyond the null, the test does not reject. against: it is
    compared with another value than 0. harmless: it lies on the side where nothing is wrong.
    """
    if measure.status != "not_detected" or measure.null is None:
        return ""
    low, high, null = measure.estimate.low, measure.estimate.high, measure.null
    beyond = {"above": low > null, "below": high < null, "both": low > null or high < null}[measure.worse]
    if beyond and measure.p is not None:
        return "corrected" if measure.p <= ALPHA else "tested"
    if low <= 0 <= high:
        return ""
    harmless = {"above": high < 0, "below": low > 0, "both": False}[measure.worse]
    return "harmless" if harmless else "against"


def corrected_together(outcome: ProbeOutcome) -> int:
    """How many measures share one correction."""
    return sum(measure.null is not None and measure.p is not None for measure in outcome.measures)


def seen_with(measure: Measure, words: Words, *, among: int) -> str:
    """What could have been seen of one measure, and why it is not detected where its interval leaves out 0. among: how many
    measures were corrected together."""
    if measure.mde is None:
        return ""
    seen, why = words("seen_from_unit", mde=smallest(visible(measure), measure.unit)), apart(measure)
    if not why:
        return seen
    null = words(f"seen_in.{measure.unit}", mde=smallest(measure.null or 0.0, measure.unit))
    return words("seen_why", seen=seen, why=words(f"seen_why.{why}", n=figures.count(among), null=null))


def seen_of(outcome: ProbeOutcome, words: Words) -> str:
    """The smallest visible effects of the measures in which nothing was detected, from the least to the largest, and how many of
    them leave out 0, with the reason; empty where something was found or nothing has a null."""
    if outcome.status != "not_detected":
        return ""
    said = []
    for unit in UNITS:
        effects = [visible(m) for m in outcome.measures if m.status == "not_detected" and m.mde is not None and m.unit == unit]
        if effects:
            low, high = smallest(min(effects), unit), smallest(max(effects), unit)
            amount = low if low == high else words("seen_range", low=low.removesuffix(" %"), high=high)
            said.append(words(f"seen_in.{unit}", mde=amount))
    if not said:
        return ""
    seen, among = words("seen_from_unit", mde=words("seen_and").join(said)), corrected_together(outcome)
    reasons = [apart(m) for m in outcome.measures if m.unit in DIFFERENCES]
    for why in REASONS:
        if why in reasons:
            count = figures.count(reasons.count(why))
            seen = words("seen_why", seen=seen, why=words(f"seen_all.{why}", k=count, n=figures.count(among)))
    return seen
