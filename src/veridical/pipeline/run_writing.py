"""run.json of a run, with what is known so far, and its reports."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from veridical import __version__
from veridical.core import run_record
from veridical.core.finding import AuditRecord
from veridical.core.run_record import RepairRecord, RunRecord
from veridical.core.surroundings import peak_rss_mb
from veridical.pipeline import records
from veridical.pipeline.job import Job
from veridical.pipeline.searching import read_search

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.pipeline.looking import Looked
    from veridical.train.answered import Answered
    from veridical.train.trained import Trained

STAGE_NAMES = ("load", "audit", "search", "train", "probe", "account", "repair")
"""Stages whose seconds the record holds."""


def write_run(
    job: Job,
    trained: "Trained | Answered",
    data: "Dataset",
    *,
    ledger: "Ledger",
    repair: RepairRecord | None = None,
    looked: "Looked | None" = None,
) -> None:
    """looked: how often the test set was looked at, known once the run is complete."""
    config, folder = job.config, job.folder
    marked = {name: folder.marked(name) for name in STAGE_NAMES if folder.done(name)}
    reasons = data.set_aside.column("reason").to_pylist() if data.set_aside.num_rows else []
    record = RunRecord(
        veridical=__version__,
        complete=looked is not None,
        task=config.task,
        metric=config.metric,
        model=job.named_model,
        seed=config.seed,
        n_train=len(data.rows("train")),
        n_test=len(data.rows("test")) or len(data),
        labels=data.labels,
        ledger=ledger,
        repair=repair,
        config=asdict(config),
        fingerprints={"data": data.fingerprint, **folder.identity["data"], **({"test": looked.test} if looked else {})},
        seconds={name: marker["seconds"] for name, marker in marked.items()},
        peak_rss_mb=max([peak_rss_mb(), *(marker["peak_rss_mb"] for marker in marked.values())]),
        warnings=(*data.warnings, *trained.warnings, *(looked.warnings if looked else ())),
        set_aside={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        earlier_looks=looked.earlier if looked else None,
        learned=asdict(trained.learned) if trained.learned else None,
        search=read_search(folder.path) if config.search else None,
    )
    run_record.save(record, folder.path)


def written_ledger(job: Job) -> "Ledger":
    """The ledger that run.json holds once the account is made."""
    ledger = run_record.read(job.path).ledger
    assert ledger is not None
    return ledger


def write_reports(job: Job, data: "Dataset", audit: AuditRecord) -> None:
    from veridical.report.html import report

    if not job.config.no_text:
        records.write_shown_rows(job.path, data=data, audit=audit)
    for format in ("html", "md"):
        report(job.path, format=format, lang=job.config.lang)
