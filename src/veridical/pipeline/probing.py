"""`veridical probe`: ask the model of a finished run what its score hides. Each outcome is kept as soon as it is there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core import probe_record, run_record
from veridical.core.errors import InputError, UnknownName
from veridical.core.probe_record import REVISIONS, ProbeRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RunRecord
from veridical.core.surroundings import threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.config import RunConfig, calls_of, configured
from veridical.pipeline.run_folder import held, stored_identity

if TYPE_CHECKING:
    from veridical.probe._subject import Recipe, Subject
    from veridical.train.trained import Trained


def probe_run(
    run: Path, *, only: Sequence[str] = (), budget: str = "standard", fresh: bool = False, progress: Progress = silent
) -> ProbeRecord:
    """All probes (or `only` those named) on the model and data of the run folder; probes.json there holds what is finished.

    An earlier outcome with the same seed and budget is kept; `fresh` starts over. Raises InputError when the folder holds no
    finished run or not its texts.
    """
    from veridical.probe._runner import run_probes
    from veridical.probe._subject import BUDGETS

    if budget not in BUDGETS:
        raise UnknownName("value for --budget", budget, BUDGETS)
    record = run_record.read(run)
    if not record.complete:
        raise InputError(f"The run in {run} is not finished. Give the command of that run again; it goes on where it stopped.")
    with held(run):
        identity = stored_identity(run)
        use_threads(int(identity["machine"]["threads"]) if identity else threads())
        subject = subject_of_run(run, record, budget=budget, progress=progress)
        before = None if fresh else probe_record.read(run)
        same = before is not None and (before.seed, before.budget, before.metric) == (record.seed, budget, record.metric)
        found = run_probes(
            subject,
            only=only or None,
            done=[] if before is None else [outcome for outcome in before.probes if same or outcome.probe == REVISIONS],
            keep=lambda so_far: probe_record.save(_without_texts(so_far, record), run),
            progress=progress,
        )
        found = _without_texts(found, record)
        probe_record.save(found, run)
        return found


def report_again(run: Path) -> None:
    """The run's reports, with what the probes found."""
    from veridical.report.html import report

    for format in ("html", "md"):
        report(run, format=format, lang=str(run_record.read(run).config.get("lang", "en")))


def subject_of_run(run: Path, record: RunRecord, *, budget: str, progress: Progress) -> "Subject":
    """The scored model of a run with its data, ready to be asked."""
    from veridical.audit._evidence import Evidence
    from veridical.dataset.storage import read
    from veridical.models.queries import Queries
    from veridical.probe._subject import Subject

    config = configuration_of(record)
    path = run / "data.parquet"
    if not path.is_file():
        raise InputError(f"{run} was made with --no-text and holds no texts to ask about. Run again without --no-text.")
    seconds = record.seconds.get("train", 0.0)
    trained = records.read_trained(run, model=config.model, seconds=seconds, calls=calls_of(config), progress=progress)
    data = read(path)
    queries = Queries(trained.model, progress=progress) if trained.model is not None else None
    if queries and len(data.rows("test")):
        queries.repeatability(data.inputs(data.rows("test")[:100]))
    return Subject(
        trained=trained,
        evidence=Evidence(data, seed=record.seed, progress=progress),
        queries=queries,
        recipe=recipe_of(trained, config),
        metric=record.metric,
        budget=budget,
        seed=record.seed,
        progress=progress,
    )


def recipe_of(trained: "Trained", config: RunConfig) -> "Recipe | None":
    from veridical.probe._subject import Recipe

    return None if trained.external else Recipe(config.model, config.countermeasures, config.training)


def configuration_of(record: RunRecord) -> RunConfig:
    """The RunConfig that run.json holds."""
    stored: dict[str, Any] = dict(record.config)
    training = stored.pop("training", {})
    return configured({**stored, **training})


def _without_texts(found: ProbeRecord, record: RunRecord) -> ProbeRecord:
    if not record.config.get("no_text"):
        return found
    return replace(found, probes=tuple(replace(outcome, examples=()) for outcome in found.probes))
