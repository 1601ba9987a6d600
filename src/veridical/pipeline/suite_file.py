"""`veridical probe RUN --suite FILE`: a suite of tests that someone has written, put to the model of a finished run."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from veridical.core import probe_record
from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.core.probe_record import SUITE, ProbeOutcome, ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord
from veridical.pipeline import records
from veridical.pipeline.config import calls_of
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.probing import configuration_of, finished_run, use_stored_threads
from veridical.pipeline.run_folder import content_hash, held

if TYPE_CHECKING:
    from veridical.models.queries import Queries
    from veridical.probe._contract import Measured
    from veridical.probe._person_file import PersonSentences
    from veridical.probe._suite_judging import Judging
    from veridical.probe._suites import Suite

TOLERATED, TOLERANCE = 0.05, 0.1
"""As in the probe behaviour: failure rate up to which nothing is found, change of a probability that counts as none; 0..1."""
CASES = 500
"""Cases made of the templates of one test, at most; of written cases all are asked. The released CheckList suite has so many."""


def suite_run(run: Path, file: Path, *, labels: Sequence[str] = (), progress: Progress = silent) -> ProbeRecord:
    """The probes of the run, with the failure rates of the tests in `file`; of sentences that differ in the person alone, how far
    answers lean.

    labels: pairs like positive=pos (label of the suite, label of the data) where names do not tell. Raises InputError for a file
    that is no suite, and for labels that fit in no way.
    """
    from veridical.models.queries import Queries

    record = finished_run(run)
    need_one_label(run, record, why="--suite asks for one label of each case.", instead="Probe it without --suite.")
    with held(run):
        use_stored_threads(run)
        began, config = perf_counter(), configuration_of(record)
        digest = content_hash(file) if file.is_file() else ""
        ask = _read(run, file, record, digest, labels)
        trained = records.read_trained(run, model=config.model, seconds=0.0, calls=calls_of(config), progress=progress)
        if trained.model is None:
            raise InputError(
                f"The run in {run} judged a file of predictions; --suite asks the model itself. Give it with --model."
            )
        queries = Queries(trained.model, progress=progress)
        found = _outcome(ask(queries), file, digest, labels, queries)
        found = replace(found, seconds=round(perf_counter() - began, 3))
        before = probe_record.read(run)
        earlier = tuple(outcome for outcome in (before.probes if before else ()) if outcome.probe != SUITE)
        budget, fingerprints = (before.budget, before.fingerprints) if before else ("standard", {})
        examples = () if config.no_text else found.examples
        made = ProbeRecord((*earlier, replace(found, examples=examples)), record.seed, record.metric, budget, fingerprints)
        probe_record.save(made, run)
    return ProbeRecord((found,), made.seed, made.metric, made.budget, made.fingerprints)


def _read(run: Path, file: Path, record: RunRecord, digest: str, labels: Sequence[str]) -> "Callable[[Queries], Measured]":
    """What is to be asked of the model: tests, or sentences about persons."""
    from veridical.core.randomness import stream
    from veridical.probe._person_file import read_person_sentences
    from veridical.probe._suite_judging import Judging
    from veridical.probe._suites import read_suite

    persons = read_person_sentences(file)
    if persons is not None:
        if labels:
            raise InputError(f"{file} holds sentences about persons, which expect no label. Leave --suite-labels out.")
        if _reads(run) == "pairs":
            raise InputError(f"{file} holds single texts, and the model of {run} reads pairs.")
        return lambda queries: _leanings(queries, persons, record.labels, file=file)
    suite = read_suite(file, most=CASES, rng=stream(record.seed, f"probe/{SUITE}/{digest}"))
    pairs = _pairs(labels, suite=suite, known=record.labels)
    params = Judging(pairs, TOLERATED, TOLERANCE, fewest=1, examples=10, level=0.95)
    _refuse_other_shape(run, suite, file=file)
    return lambda queries: _judged(queries, suite, record.labels, params, file=file)


def _leanings(queries: "Queries", given: "PersonSentences", labels: tuple[str, ...], *, file: Path) -> "Measured":
    from veridical.probe._person_sentences import Leaning, leanings

    found = leanings(given, queries.ask(list(given.texts)), labels, Leaning())
    if isinstance(found, Skipped):
        raise InputError(f"{file}: {found.why}")
    return found


def _judged(queries: "Queries", suite: "Suite", labels: tuple[str, ...], params: "Judging", *, file: Path) -> "Measured":
    from veridical.probe._suite_judging import judged

    found = judged(queries, [suite], labels, params)
    if isinstance(found, Skipped):
        raise InputError(f"{file}: {found.why}")
    return found


def _outcome(found: "Measured", file: Path, digest: str, labels: Sequence[str], queries: "Queries") -> ProbeOutcome:
    from veridical.probe._runner import outcome_of

    params = {"file": file.name, "sha256": digest, **({"labels": ", ".join(labels)} if labels else {})}
    return outcome_of(SUITE, found, params=params, counts=queries.counts, seconds=0.0)


def _pairs(given: Sequence[str], *, suite: "Suite", known: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(label of the suite, label of the data) of each suite=data. Raises InputError for names that are neither."""
    from veridical.core.errors import UnknownName

    pairs = []
    for one in given:
        own, equals, data = (part.strip() for part in one.partition("="))
        if not equals:
            raise InputError(f"--suite-labels holds {one!r}; give pairs like {next(iter(suite.labels))}={known[0]}.")
        if own not in suite.labels:
            raise UnknownName("label of the suite", own, suite.labels, "Give --suite-labels SUITE_LABEL=DATA_LABEL,...")
        if data not in known:
            raise UnknownName("label of the data", data, known, "Give --suite-labels SUITE_LABEL=DATA_LABEL,...")
        pairs.append((own, data))
    return tuple(pairs)


def _reads(run: Path) -> str:
    """pairs or texts: what the model of the run reads; empty where the run keeps no texts."""
    from veridical.dataset.storage import read

    stored = run / "data.parquet"
    if not stored.is_file():
        return ""
    return "pairs" if read(stored).seconds is not None else "texts"


def _refuse_other_shape(run: Path, suite: "Suite", *, file: Path) -> None:
    """Raise InputError where the suite has texts and the model reads pairs, or the other way round."""
    wanted = _reads(run)
    if not wanted:
        return
    for test in suite.tests:
        got = {"texts" if isinstance(text, str) else "pairs" for case in test.cases for text in case}
        if got != {wanted}:
            raise InputError(
                f"{file}: the test {test.name!r} holds {' and '.join(sorted(got))}, and the model of {run} reads {wanted}. Write "
                f"its examples as {'lists of two texts' if wanted == 'pairs' else 'single texts'}."
            )
