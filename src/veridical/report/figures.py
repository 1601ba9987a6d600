"""How figures are written: scores out of 100 with one decimal, points signed, intervals in brackets."""

from veridical.core.estimate import Estimate

MINUS = "−"
SMALLEST = 1e-3
"""Points under which an end of an interval counts as 0: there a score is one row of 100,000. Ours."""


def score(share: float) -> str:
    """A share 0..1 as points out of 100: 0.961 -> 96.1."""
    return _rounded(100 * share)


def precise_percent(share: float) -> str:
    """A share 0..1 in percent with two figures: 0.00794 -> 0.79."""
    return f"{100 * share:.2g}" if share < 0.995 else f"{100 * share:.0f}"


def points(value: float) -> str:
    """Signed percentage points: 10.83 -> +10.8; what rounds to nothing has no sign."""
    text = _rounded(value)
    return text if text.startswith("-") or text == "0.0" else f"+{text}"


def interval(estimate: Estimate) -> str:
    """[83.9, 86.6] of a share."""
    return f"[{score(estimate.low)}, {score(estimate.high)}]"


def band(estimate: Estimate) -> str:
    """[+9.9, +11.7] of points; an end that is not 0 but would be rounded to it keeps one figure: [+0.04, +1.2]."""
    return f"[{_end(estimate.low)}, {_end(estimate.high)}]"


def count(number: int) -> str:
    return f"{number:,}"


def _end(value: float) -> str:
    text = points(value)
    return f"{value:+.1g}" if text == "0.0" and abs(value) > SMALLEST else text


def _rounded(value: float) -> str:
    text = f"{value:.1f}"
    return "0.0" if text == "-0.0" else text
