"""An estimate within a sentence: value, interval and how many rows it rests on, so that no summary says a bare figure."""

from veridical.core.estimate import Estimate

PART_FAILED = "The model failed on a part of this probe, which was left out: "
"""How the note begins that says so; the probe is asked again another time."""


def in_percent(share: Estimate) -> str:
    """61.2 % [58.0, 64.4] (n = 900)"""
    return _said(share, scale=100.0, unit=" %")


def gap_in_points(share: Estimate) -> str:
    """The difference of two shares: 6.1 points [4.2, 8.0] (n = 900)"""
    return _said(share, scale=100.0, unit=" points")


def in_points(estimate: Estimate) -> str:
    """What is in points already: 6.1 points [4.2, 8.0] (n = 900)"""
    return _said(estimate, scale=1.0, unit=" points")


def as_number(estimate: Estimate, *, decimals: int = 2) -> str:
    """A number without unit: 0.83 [0.80, 0.86] (n = 900)"""
    return _said(estimate, scale=1.0, unit="", decimals=decimals)


def _said(estimate: Estimate, *, scale: float, unit: str, decimals: int = 1) -> str:
    value, low, high = (f"{scale * one:.{decimals}f}" for one in (estimate.value, estimate.low, estimate.high))
    return f"{value}{unit} [{low}, {high}] (n = {estimate.n:,})"
