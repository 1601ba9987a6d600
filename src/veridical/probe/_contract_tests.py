"""What every probe must keep: used by our tests for our probes and by users for theirs.

from veridical.probe._contract_tests import probe_contract
probe_contract("my_probe")
"""

import json
import re
from dataclasses import asdict, replace

import numpy as np

from veridical.audit._contract_tests import unanswered, undocumented
from veridical.core.plugins import get, module
from veridical.core.probe_record import Counts, ProbeOutcome, ProbeRecord
from veridical.probe._contract import AnswerToys, Probe, Toys
from veridical.probe._runner import FOLDER, run_probe
from veridical.probe._subject import Subject
from veridical.probe.answers._subject import AnswerSubject

EXACT = re.compile(r"\(chance [^()]*\)|\(at [^()]* false alarms\)|random groups by [\d.]+")
"""What a summary may say without an interval: what chance gives, and settings."""
WHOLE = re.compile(r"[-\d.]+(?: %| points)? \[[-\d.]+, [-\d.]+\] \(n = [\d,]+\)")
"""A figure with its interval and the rows it rests on, as `_said` writes it."""
FIGURE = re.compile(r"\d+(?:\.\d+)?(?: %| points)|\d+\.\d+")
"""A share, points, or a number with decimals; whole numbers count rows, words or groups."""


def bare_figures(outcome: ProbeOutcome) -> list[str]:
    """Figures of the summary without an interval or without the number of rows they rest on."""
    said = outcome.summary
    for measure in outcome.measures:
        said = said.replace(measure.name, "")
    return FIGURE.findall(WHOLE.sub("", EXACT.sub("", said)))


def failures(name: str) -> list[str]:
    """What the probe called `name` breaks, as sentences; [] when it keeps the whole contract."""
    probe: Probe = get(FOLDER, "probe", name)
    said = [f"The docstring does not answer {q!r}" for q in unanswered(module(FOLDER, name).__doc__ or "")]
    said += [f"The parameter {field!r} has no docstring" for field in undocumented(probe.params)]
    try:
        toys = probe.toys()
    except NotImplementedError:
        return [*said, "toys() is not written yet"]
    said += _of_toys(name, probe, toys)
    if probe.answers is None:
        return said
    said += [f"The parameter {field!r} has no docstring" for field in undocumented(probe.answers.params)]
    for task, made in probe.answers.toys.items():
        said += [f"Task {task}: {sentence}" for sentence in _of_toys(name, probe, made())]
    return said


def _of_toys(name: str, probe: Probe, toys: Toys | AnswerToys) -> list[str]:
    said = []
    cheat, honest = (run_probe(name, probe, subject=subject) for subject in (toys.cheat, toys.honest))
    said += _told_apart(toys, cheat=cheat, honest=honest)
    for one in (cheat, honest):
        bare = bare_figures(one)
        said += [f"Its summary says bare figures ({', '.join(bare)}): {one.summary}"] if bare else []
    if _timeless(run_probe(name, probe, subject=_again(toys.cheat))) != _timeless(cheat):
        said.append("The same seed gives another answer")
    if run_probe(name, probe, subject=_empty(toys.cheat)).status != "skipped":
        said.append("Data without test rows is not skipped")
    try:
        record = ProbeRecord((cheat, honest), 0, "accuracy", "standard")
        if ProbeRecord.from_json(json.loads(json.dumps(record.to_json(), allow_nan=False))) != record:
            said.append("Its record changes when it is written and read back")
    except (TypeError, ValueError) as error:
        said.append(f"Its record is no JSON: {error}")
    return said


def _told_apart(toys: Toys | AnswerToys, *, cheat: ProbeOutcome, honest: ProbeOutcome) -> list[str]:
    said = []
    telling = cheat.measure(toys.measure)
    if cheat.status != "found" or telling is None or telling.status != "found":
        said.append(f"The cheat is {cheat.status}; {toys.measure} is {telling.status if telling else 'missing'}: {cheat.why}")
    if honest.status == "found" or honest.measure(toys.measure) is None:
        found = [m.name for m in honest.measures if m.status == "found"]
        said.append(f"The honest toy is {honest.status} ({', '.join(found)}): {honest.why}")
    said += [f"{m.name} has a null but no smallest visible effect" for m in cheat.measures if m.null is not None and not m.mde]
    return said


def _again(subject: Subject | AnswerSubject) -> Subject | AnswerSubject:
    """The same subject with a fresh engine, so that nothing is remembered."""
    from veridical.models.answer_queries import AnswerQueries
    from veridical.models.queries import Queries

    if isinstance(subject, AnswerSubject):
        return replace(subject, queries=AnswerQueries(subject.queries.model) if subject.queries else None)
    return replace(subject, queries=Queries(subject.queries.model) if subject.queries else None)


def _empty(subject: Subject | AnswerSubject) -> Subject | AnswerSubject:
    """No test rows at all."""
    from veridical.audit._evidence import Evidence

    keep = np.flatnonzero(subject.data.splits != "test").astype(np.int64)
    evidence = Evidence(subject.data.take(keep), seed=subject.seed)
    if isinstance(subject, AnswerSubject):
        whole = subject.answered
        said, ids = tuple(whole.said[i] for i in keep), tuple(whole.ids[i] for i in keep)
        answered = replace(whole, said=said, ids=ids, confidence=whole.confidence[keep])
        return _again(replace(subject, answered=answered, evidence=evidence))
    trained = replace(
        subject.trained, probabilities=subject.trained.probabilities[keep], ids=tuple(subject.trained.ids[i] for i in keep)
    )
    return _again(replace(subject, trained=trained, evidence=evidence))


def _timeless(outcome: ProbeOutcome) -> dict[str, object]:
    return asdict(replace(outcome, seconds=0.0, counts=Counts()))


def probe_contract(name: str) -> None:
    """Raises AssertionError with all that the probe called `name` breaks."""
    broken = failures(name)
    if broken:
        raise AssertionError(f"probe {name!r}: " + "; ".join(broken))
