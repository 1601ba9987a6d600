"""What the probes of a run found, in as few lines as a summary has room for."""

from collections.abc import Iterator

from veridical.core.probe_record import ProbeOutcome, ProbeRecord
from veridical.report.safe_text import one_line
from veridical.report.seen import seen_of
from veridical.report.wording import Words

LONGEST = 400
"""Characters of a probe's own sentence. Ours; no source."""
AS_NAMES = ("not_detected", "described", "skipped")
"""Statuses of which the names are said, and no sentence."""


def brief_lines(record: ProbeRecord, words: Words) -> Iterator[tuple[str, str]]:
    """(status, line): a sentence for each probe that found something, then the names of the others, with what those that
    detected nothing could have seen."""
    for outcome in record.probes:
        if outcome.status == "found":
            name = words.name("probe", outcome.probe)
            yield "found", words("probe_brief", name=name, summary=one_line(words.sentence(outcome.summary), limit=LONGEST))
    for status in AS_NAMES:
        named = [_named(outcome, words) for outcome in record.probes if outcome.status == status]
        if named:
            yield status, words("probe_brief", name=words(f"probe_status.{status}"), summary=" · ".join(named))


def _named(outcome: ProbeOutcome, words: Words) -> str:
    name, seen = words.name("probe", outcome.probe), seen_of(outcome, words)
    return words("status_with", status=name, seen=seen) if seen else name
