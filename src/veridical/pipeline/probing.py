"""Probes of a scored model: a stage of `veridical run`, and `veridical probe` for a finished run. Each outcome is kept as soon as
it is there."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core import probe_record, run_record
from veridical.core.errors import InputError, UnknownName
from veridical.core.plugins import get
from veridical.core.probe_record import GIVEN, ProbeOutcome, ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord
from veridical.core.surroundings import threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.certifying import PREDICTIONS
from veridical.pipeline.config import RunConfig, calls_of, configured
from veridical.pipeline.one_label import need_one_label
from veridical.pipeline.run_folder import RETRAINED, content_hash, held, stored_identity
from veridical.pipeline.searching import with_chosen

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.dataset.rows import Dataset
    from veridical.models.answer_queries import AnswerQueries
    from veridical.models.queries import Queries
    from veridical.probe._subject import Recipe, Subject
    from veridical.probe.answers._subject import AnswerSubject
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained

BUDGET = "standard"
"""Of `veridical probe` where no earlier probe of the run had another."""
SEEDS = "seeds"
"""Folder in RETRAINED with what encoders trained with other seeds answered."""


def probe_run(
    run: Path,
    *,
    only: Sequence[str] = (),
    kinds: Sequence[str] = (),
    budget: str | None = None,
    fresh: bool = False,
    again: bool = False,
    progress: Progress = silent,
) -> ProbeRecord:
    """All probes (or `only` those named) on the model and data of the run folder; probes.json there holds what is finished.

    kinds: recipes of attack; those of the probe when not given. budget: that of the earlier outcomes when not given. An earlier
    outcome with the same seed, budget and kinds is kept; `fresh` starts over, `again` does those of `only` again and keeps the
    others. Raises InputError when the folder holds no finished run or not its texts, or where nothing wanted takes kinds.
    """
    from veridical.probe._runner import chosen_probes
    from veridical.probe._subject import BUDGETS

    if budget is not None and budget not in BUDGETS:
        raise UnknownName("value for --budget", budget, BUDGETS)
    wanted = chosen_probes(only or ("all",))
    record = finished_run(run)
    if kinds:
        _refuse_kinds(run, record, wanted, kinds)
    with held(run):
        if fresh and "stability" in wanted:
            shutil.rmtree(run / RETRAINED / SEEDS, ignore_errors=True)
        use_stored_threads(run)
        before = None if fresh else probe_record.read(run)
        chosen = budget or (before.budget if before else BUDGET)
        subject = with_review(subject_of_run(run, record, budget=chosen, progress=progress), run, record)
        stand = [one for one in _kept(before, subject, run) if one.probe not in wanted or _of_kinds(one, kinds)]
        done = [outcome for outcome in stand if not (again and outcome.probe in wanted)]
        no_text = bool(record.config.get("no_text"))
        found = probed(run, subject, wanted=wanted, kinds=kinds, done=done, no_text=no_text, progress=progress)
        with_candidates(run, record)
    return found


def _refuse_kinds(run: Path, record: RunRecord, wanted: Sequence[str], kinds: Sequence[str]) -> None:
    """Raises InputError where no wanted probe takes kinds, UnknownName for a kind that is not known."""
    from veridical.probe._runner import probe_of

    if all(probe_of(name, kinds=kinds).with_kinds is None for name in wanted):
        raise InputError(
            f"--kinds names recipes of attack, and --only {','.join(wanted)} attacks nothing. "
            "Add adversarial to --only, or leave --kinds out."
        )
    why = "--kinds names searches for a text that turns the answer."
    need_one_label(run, record, why=why, instead="Probe it without --kinds.")


def _of_kinds(outcome: ProbeOutcome, kinds: Sequence[str]) -> bool:
    """Whether an earlier outcome is of these kinds (its probe's own, where none are named); true where its probe takes none."""
    from veridical.probe._runner import params_told, probe_of

    probe = probe_of(outcome.probe, kinds=kinds)
    return probe.with_kinds is None or outcome.params == params_told(probe.params)


def with_review(subject: "Subject | AnswerSubject", run: Path, record: RunRecord) -> "Subject | AnswerSubject":
    """The subject with what people said of test labels and, where rows have one label, of edited texts."""
    from veridical.pipeline.edit_review_file import reviewed_edits
    from veridical.pipeline.read_labels import answers_read, read_labels
    from veridical.probe._subject import Subject

    if not isinstance(subject, Subject):
        return replace(subject, read=answers_read(run, record, subject))
    return replace(subject, reviewed=reviewed_edits(run), read=read_labels(run, record, subject.data))


def probe_stage(
    folder: Path, trained: "Trained | Answered", evidence: "Evidence", *, config: RunConfig, progress: Progress
) -> ProbeRecord | None:
    """The probes that the configuration names, as a stage of a run; None where it names none."""
    from veridical.probe._runner import chosen_probes
    from veridical.train.trained import Trained

    wanted = chosen_probes(config.probes)
    if not wanted:
        return None
    subject: Subject | AnswerSubject
    if isinstance(trained, Trained):
        subject = subject_of(trained, evidence, config=config, budget=config.budget, wanted=wanted, progress=progress)
    else:
        subject = answer_subject_of(trained, evidence, config=config, budget=config.budget, wanted=wanted, progress=progress)
    done = _kept(probe_record.read(folder), subject, folder)
    return probed(folder, subject, wanted=wanted, done=done, no_text=config.no_text, progress=progress)


def _kept(before: ProbeRecord | None, subject: "Subject | AnswerSubject", folder: Path) -> list[ProbeOutcome]:
    """Outcomes that stand: of these answers, seed, budget and metric, and those on a user's own files, which no budget limits.
    Where the model failed it is asked again."""
    from veridical.probe._runner import FAILED
    from veridical.probe._said import PART_FAILED

    if before is None:
        return []
    answers = content_hash(folder / PREDICTIONS)
    if before.fingerprints.get("predictions", answers) != answers:  # of another run
        return []
    same = (before.seed, before.budget, before.metric) == (subject.seed, subject.budget, subject.metric)
    stand = [o for o in before.probes if not any(said.startswith((FAILED, PART_FAILED)) for said in (o.why, *o.notes))]
    return [outcome for outcome in stand if same or outcome.probe in GIVEN]


def probed(
    folder: Path,
    subject: "Subject | AnswerSubject",
    *,
    wanted: Sequence[str],
    kinds: Sequence[str] = (),
    done: Sequence[ProbeOutcome],
    no_text: bool,
    progress: Progress,
) -> ProbeRecord:
    from veridical.models.trained_answers import TrainedAnswers
    from veridical.probe._runner import run_probes
    from veridical.probe._subject import Subject

    if isinstance(subject, Subject):
        subject = replace(subject, kept=TrainedAnswers(folder / RETRAINED / SEEDS))
    asked = {"predictions": content_hash(folder / PREDICTIONS)}

    def shown(found: ProbeRecord) -> ProbeRecord:
        found = replace(found, fingerprints=found.fingerprints | asked)
        return replace(found, probes=tuple(replace(one, examples=()) for one in found.probes)) if no_text else found

    found = run_probes(
        subject,
        only=wanted,
        kinds=kinds,
        done=done,
        keep=lambda so_far: probe_record.save(shown(so_far), folder),
        progress=progress,
    )
    probe_record.save(shown(found), folder)
    return shown(found)


def report_again(run: Path) -> None:
    """The run's reports, with what the probes found."""
    from veridical.report.html import report

    for format in ("html", "md"):
        report(run, format=format, lang=str(run_record.read(run).config.get("lang", "en")))


def with_candidates(run: Path, record: RunRecord) -> None:
    """What the probes of a finished run found stands in its account as candidates, without points."""
    from veridical.ledger.candidates import candidates, made_of_data

    if record.ledger is None:
        return
    words = [finding.evidence for finding in records.read_audit(run).findings("label_words")]
    kept = [component for component in record.ledger.components if not made_of_data(component)]
    declared = {component.name.partition(":")[0] for component in kept if component.kind == "transfer"}
    made = candidates(words, probe_record.read(run), declared=declared)
    run_record.save(replace(record, ledger=replace(record.ledger, components=(*kept, *made))), run)


def finished_run(run: Path) -> RunRecord:
    """Raises InputError where the folder holds no finished run."""
    record = run_record.read(run)
    if not record.complete:
        raise InputError(f"The run in {run} is not finished. Give the command of that run again; it goes on where it stopped.")
    return record


def use_stored_threads(run: Path) -> None:
    """As many threads as the run had."""
    identity = stored_identity(run)
    use_threads(int(identity["machine"]["threads"]) if identity else threads())


def subject_of_run(run: Path, record: RunRecord, *, budget: str, progress: Progress) -> "Subject | AnswerSubject":
    """The scored model of a run with its data, ready to be asked."""
    from veridical.audit._evidence import Evidence
    from veridical.dataset.storage import read
    from veridical.pipeline.answer_records import read_answered
    from veridical.probe._runner import chosen_probes
    from veridical.tasks._structures import structure_of

    config, wanted = configuration_of(record), chosen_probes(("all",))
    evidence = Evidence(read(_data_of(run)), seed=record.seed, progress=progress)
    seconds = record.seconds.get("train", 0.0)
    if structure_of(record.task) is not None:
        answered = read_answered(run, seconds=seconds)
        return answer_subject_of(answered, evidence, config=config, budget=budget, wanted=wanted, progress=progress)
    trained = records.read_trained(run, model=config.model, seconds=seconds, calls=calls_of(config), progress=progress)
    return subject_of(trained, evidence, config=config, budget=budget, wanted=wanted, progress=progress)


def subject_of(
    trained: "Trained", evidence: "Evidence", *, config: RunConfig, budget: str, wanted: Sequence[str], progress: Progress
) -> "Subject":
    """A scored model as probes see it. Where a `wanted` probe asks it, some questions are asked twice first, to see whether the
    model changes its answers."""
    from veridical.models.queries import Queries
    from veridical.probe._subject import Subject

    queries = Queries(trained.model, progress=progress) if trained.model is not None else None
    _ask_twice(queries, evidence.data, wanted)
    return Subject(
        trained=trained,
        evidence=evidence,
        queries=queries,
        recipe=recipe_of(trained, config),
        metric=config.metric,
        budget=budget,
        seed=config.seed,
        progress=progress,
    )


def _ask_twice(queries: "Queries | AnswerQueries | None", data: "Dataset", wanted: Sequence[str]) -> None:
    """Where a wanted probe asks the model: does it answer the same question the same way?"""
    from veridical.probe._runner import FOLDER

    asked = any(get(FOLDER, "probe", name).cost != "nothing" for name in wanted)
    if queries and len(data.rows("test")) and asked:
        queries.repeatability(data.inputs(data.rows("test")[:100]))


def answer_subject_of(
    answered: "Answered", evidence: "Evidence", *, config: RunConfig, budget: str, wanted: Sequence[str], progress: Progress
) -> "AnswerSubject":
    """The same where an answer is more than one label."""
    from veridical.models.answer_queries import AnswerQueries
    from veridical.probe.answers._subject import AnswerSubject

    queries = AnswerQueries(answered.model, progress=progress) if answered.model is not None else None
    _ask_twice(queries, evidence.data, wanted)
    return AnswerSubject(
        answered=answered,
        evidence=evidence,
        queries=queries,
        recipe=recipe_of(answered, config),
        metric=config.metric,
        budget=budget,
        seed=config.seed,
        progress=progress,
    )


def _data_of(run: Path) -> Path:
    path = run / "data.parquet"
    if not path.is_file():
        raise InputError(f"{run} was made with --no-text and holds no texts to ask about. Run again without --no-text.")
    return path


def recipe_of(trained: "Trained | Answered", config: RunConfig) -> "Recipe | None":
    from veridical.probe._subject import Recipe

    return None if trained.external else Recipe(config.model, config.countermeasures, config.training)


def configuration_of(record: RunRecord) -> RunConfig:
    """The RunConfig that run.json holds, with the settings that its search chose."""
    stored: dict[str, Any] = dict(record.config)
    training = stored.pop("training", {})
    return with_chosen(configured({**stored, **training}), record.search)
