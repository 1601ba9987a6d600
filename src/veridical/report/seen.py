"""What a probe could have seen: "not detected" says nothing without it."""

from veridical.core.probe_record import ProbeOutcome
from veridical.report.wording import Words

UNITS = ("points", "share", "nats", "ratio", "rows")
"""In which order effects of several units are said."""


def smallest(value: float, unit: str) -> str:
    """A smallest visible effect in its unit: 8.1 % of a share, 1.5 of points, 0.032 of the rest."""
    return f"{100 * value:.1f} %" if unit == "share" else (f"{value:.1f}" if unit == "points" else f"{value:.2g}")


def seen_of(outcome: ProbeOutcome, words: Words) -> str:
    """The smallest visible effects of the measures in which nothing was detected, from the least to the largest; empty where
    something was found or nothing has a null."""
    if outcome.status != "not_detected":
        return ""
    said = []
    for unit in UNITS:
        effects = [m.mde for m in outcome.measures if m.status == "not_detected" and m.mde is not None and m.unit == unit]
        if effects:
            low, high = smallest(min(effects), unit), smallest(max(effects), unit)
            amount = low if low == high else words("seen_range", low=low.removesuffix(" %"), high=high)
            said.append(words(f"seen_in.{unit}", mde=amount))
    return words("seen_from_unit", mde=words("seen_and").join(said)) if said else ""
