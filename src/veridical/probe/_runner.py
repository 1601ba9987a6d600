"""Run the probes of the folder; here, not in the probes, it is decided what a found, a not detected and a skipped probe is."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from time import perf_counter
from typing import Any

import numpy as np

from veridical.core.errors import ModelFailed, UnknownName
from veridical.core.finding import Skipped
from veridical.core.plugins import get, names
from veridical.core.probe_decision import decided
from veridical.core.probe_record import Counts, Measure, ProbeOutcome, ProbeRecord, ProbeStatus
from veridical.core.progress import Progress, silent
from veridical.core.randomness import stream
from veridical.probe._contract import Cost, Measured, Probe
from veridical.probe._subject import Subject
from veridical.probe.answers._subject import AnswerSubject

FOLDER = "veridical.probe"
FAILED = "The model failed on an input of this probe: "
"""How the reason of a skipped probe begins whose questions the model could not answer; it is asked again another time."""
SETS: dict[str, tuple[Cost, ...]] = {
    "none": (),
    "cheap": ("nothing",),
    "quick": ("nothing", "little"),
    "all": ("nothing", "little", "much"),
}
"""Name of a set of probes -> what the probes in it cost."""
NO_ROWS = "There is no labelled test row with a prediction; give test rows: veridical run TRAIN --test TEST"


def run_probes(
    subject: Subject | AnswerSubject,
    *,
    only: Sequence[str] | None = None,
    kinds: Sequence[str] = (),
    done: Sequence[ProbeOutcome] = (),
    keep: Callable[[ProbeRecord], object] = lambda _: None,
    progress: Progress = silent,
) -> ProbeRecord:
    """All probes, or `only` those named. kinds: as in `probe_of`. `done`: outcomes of an earlier call, kept as they are. `keep`
    gets the record so far after every probe, so that an interruption loses one probe at most."""
    chosen = chosen_probes(("all",) if only is None else only)
    outcomes = {outcome.probe: outcome for outcome in done}

    def record() -> ProbeRecord:
        ordered = tuple(outcomes[name] for name in sorted(outcomes))
        return ProbeRecord(ordered, subject.seed, subject.metric, subject.budget, {"data": subject.data.fingerprint})

    for number, name in enumerate(chosen):
        progress("probes", number, len(chosen))
        if name not in outcomes:
            outcomes[name] = run_probe(name, probe_of(name, kinds=kinds), subject=subject)
            keep(record())
    progress("probes", len(chosen), len(chosen))
    return record()


def chosen_probes(wanted: Sequence[str]) -> list[str]:
    """The probes of these names and sets, in the order they run. Raises UnknownName."""
    known = names(FOLDER)
    for name in wanted:
        if name not in known and name not in SETS:
            raise UnknownName("probe", name, [*SETS, *known], "See: veridical list probes")
    costs = {cost for name in wanted for cost in SETS.get(name, ())}
    return [name for name in known if name in wanted or (costs and get(FOLDER, "probe", name).cost in costs)]


def probe_of(name: str, *, kinds: Sequence[str] = ()) -> Probe:
    """The probe of this name; kinds: what it tries (recipes of attack), where such can be named, or its own."""
    probe: Probe = get(FOLDER, "probe", name)
    return replace(probe, params=probe.with_kinds(probe.params, kinds)) if kinds and probe.with_kinds else probe


def params_told(params: Any) -> dict[str, Any]:
    """The params of a probe as they will be read back."""
    told: dict[str, Any] = json.loads(json.dumps(asdict(params)))
    return told


def run_probe(name: str, probe: Probe, *, subject: Subject | AnswerSubject) -> ProbeOutcome:
    """One probe with a random stream of its own and its own count of questions. Where the model fails on its inputs it is
    skipped; other probes ask other things."""
    start, before = perf_counter(), subject.queries.counts if subject.queries else Counts()
    try:
        found = _looked(probe, subject, stream(subject.seed, f"probe/{name}"))
    except ModelFailed as error:
        found = Skipped(f"{FAILED}{error}")
    after = subject.queries.counts if subject.queries else Counts()
    part = probe.answers if isinstance(subject, AnswerSubject) and probe.answers else probe
    params = params_told(part.params)
    seconds, counts = round(perf_counter() - start, 3), _spent(before, after)
    if isinstance(found, Skipped):
        return ProbeOutcome(name, "skipped", 0, "", found.why, (), (), (), params, counts, seconds)
    found = replace(found, notes=(*found.notes, *_leaked(subject), *_unsteady(counts)))
    return outcome_of(name, found, params=params, counts=counts, seconds=seconds)


def _looked(probe: Probe, subject: Subject | AnswerSubject, rng: np.random.Generator) -> Measured | Skipped:
    if isinstance(subject, Subject):
        return probe.run(subject, probe.params, rng) if len(subject.rows) else Skipped(NO_ROWS)
    part = probe.answers
    if part is None or subject.task not in part.toys:
        return Skipped((part.others if part else probe.others).format(task=subject.task))
    return part.run(subject, part.params, rng) if len(subject.rows) else Skipped(NO_ROWS)


def outcome_of(name: str, found: Measured, *, params: dict[str, Any], counts: Counts, seconds: float) -> ProbeOutcome:
    """What was measured, with the status of each measure and of the whole."""
    measures = decided(found.measures)
    return ProbeOutcome(
        name, _status(measures), found.n_rows, found.summary, "", measures, found.curves, found.examples, params,
        counts, seconds, found.notes,
    )  # fmt: skip


def _status(measures: Sequence[Measure]) -> ProbeStatus:
    statuses = {m.status for m in measures}
    if "found" in statuses:
        return "found"
    return "not_detected" if "not_detected" in statuses else "described"


def _spent(before: Counts, after: Counts) -> Counts:
    return Counts(
        after.asked - before.asked, after.unique - before.unique, after.forwards - before.forwards,
        round(after.seconds - before.seconds, 3), after.changed,
    )  # fmt: skip


def _unsteady(counts: Counts) -> tuple[str, ...]:
    if not counts.changed or not counts.asked:
        return ()
    return (f"Asked twice, {100 * counts.changed:.0f} % of answers differ: part of what differs here is the model's own noise.",)


def _leaked(subject: Subject | AnswerSubject) -> tuple[str, ...]:
    if not subject.n_leaked:
        return ()
    n = len(subject.rows)
    return (f"{subject.n_leaked} of the {n} rows looked at have an equal or near-equal text in train: too few others are left.",)
