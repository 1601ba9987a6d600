"""What of the measures of a probe counts as found."""

from collections.abc import Sequence
from dataclasses import replace

from veridical.core.multiplicity import holm
from veridical.core.probe_record import ALPHA, Measure, MeasureStatus


def decided(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """Each measure with its status. p values are corrected by Holm over those of the probe; a measure without one counts as found
    where its interval lies beyond its null, and its interval is then the simultaneous one."""
    tested = [m for m in measures if m.null is not None and m.p is not None]
    adjusted = dict(zip([m.name for m in tested], holm([m.p for m in tested if m.p is not None]), strict=True)) if tested else {}
    return tuple(replace(m, status=_decided(m, adjusted.get(m.name))) for m in measures)


def _decided(measure: Measure, adjusted: float | None) -> MeasureStatus:
    if measure.null is None:
        return "described"
    e = measure.estimate
    above, below = e.low > measure.null, e.high < measure.null
    if adjusted is not None:
        above, below = (adjusted <= ALPHA and e.value > measure.null), (adjusted <= ALPHA and e.value < measure.null)
    beyond = {"above": above, "below": below, "both": above or below}[measure.worse]
    return "found" if beyond else "not_detected"
