"""`run`: the order of the stages, and nothing else. Each stage leaves its record in the folder; a resumed run reads it back.

load -> audit -> search -> train -> probe -> account -> repair -> report. What is cheap and deterministic (near-duplicates, fold
models) is computed again on resume; what is costly (training, the repair arms) is not. What every stage knows is a Job; the
stages that differ between one label a row and structures are a Kind.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core import probe_record, run_record
from veridical.core.finding import AuditRecord
from veridical.core.progress import Progress, silent
from veridical.core.run_record import RepairRecord, RunRecord
from veridical.core.surroundings import place_among_processes, threads, use_threads
from veridical.pipeline import records
from veridical.pipeline.config import RunConfig
from veridical.pipeline.identity import identity_of
from veridical.pipeline.job import CHECKPOINT, Job, Kind, M
from veridical.pipeline.loading import use_engine
from veridical.pipeline.refusing import refuse_unfit
from veridical.pipeline.run_folder import RunFolder, claim, folder_of, wait_for_release
from veridical.pipeline.run_writing import write_reports, write_run, written_ledger
from veridical.pipeline.searching import refuse_too_few
from veridical.tasks._structures import structure_of
from veridical.train.processes import called, dismiss, together

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gives its caller; all of it stands in `folder` too."""

    folder: Path
    record: RunRecord
    audit: AuditRecord


DEFAULTS = RunConfig()


def run(
    train: Path | str,
    *,
    config: RunConfig = DEFAULTS,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress = silent,
) -> Outcome:
    """The whole main job on the rows of `train`. Goes on where an earlier run of the same configuration and data stopped.

    Raises InputError for what the user can change, SurroundingsError when another process holds the folder or the disk is full.
    """
    source = Path(train)
    if place_among_processes()[0] > 0:
        return _along(source, config, out)
    if fresh:
        refuse_unfit(source, config)  # before what is there is emptied
    whole = identity_of("run", source, config)
    with claim(Path(out) if out is not None else None, whole, threads=threads(), fresh=fresh) as folder:
        use_threads(folder.machine["threads"])
        use_engine(config)
        if folder.finished:
            dismiss()
        else:
            _work(Job(folder, source, config, progress), _kind_of(config))
        return _outcome(folder)


def _along(source: Path, config: RunConfig, out: Path | str | None) -> Outcome:
    """What the processes do that torchrun started beside the first: train along, then wait for the rest."""
    joins = called()  # first of all: what is to be refused is refused by the first
    whole = identity_of("run", source, config)
    folder = RunFolder.beside(folder_of(Path(out) if out is not None else None, whole), whole)
    if joins:
        from veridical.audit._evidence import Evidence

        use_engine(config)
        job, kind = Job(folder, source, config, silent), _kind_of(config)
        kind.fitted(job, Evidence(_stored_rows(job, kind), seed=config.seed, progress=silent))
    wait_for_release(folder.path)
    return _outcome(folder)


def _outcome(folder: RunFolder) -> Outcome:
    return Outcome(folder.path, run_record.read(folder.path), records.read_audit(folder.path))


def _kind_of(config: RunConfig) -> Kind[Any]:
    """The stages of rows with one label, or of tasks whose answers are structures."""
    if structure_of(config.task) is None:
        from veridical.pipeline.one_label_running import kind as one_label

        return one_label
    from veridical.pipeline.structured_running import kind as structured

    return structured


def _work(job: Job, kind: Kind[M]) -> None:
    """The order of the stages."""
    from veridical.audit._evidence import Evidence
    from veridical.pipeline.looking import log_look
    from veridical.pipeline.probing import probe_stage

    refuse_unfit(job.source, job.config)
    data = job.stage("load", lambda: _rows(job, kind), lambda: _stored_rows(job, kind))
    evidence = Evidence(data, seed=job.config.seed, progress=job.progress, encoded=kind.encoder(job, data))
    audit = job.stage("audit", lambda: _audit(job, evidence), lambda: records.read_audit(job.path))
    if job.config.search:
        job.stage("search", lambda: _search(job, evidence), lambda: None)
    trained = job.stage("train", lambda: _train(job, kind, evidence), lambda: _stored(job, kind))
    probes = job.stage(
        "probe",
        lambda: probe_stage(job.path, trained, evidence, config=job.chosen, progress=job.progress),
        lambda: probe_record.read(job.path),
    )

    def account() -> "Ledger":
        ledger = kind.account(job, trained, evidence, audit, probes)
        write_run(job, trained, data, ledger=ledger)
        return ledger

    ledger = job.stage("account", account, lambda: written_ledger(job))
    repair = job.stage("repair", lambda: _repair(job, trained, evidence, audit), lambda: run_record.read(job.path).repair)
    looked = log_look(job.folder, data, model=job.named_model, ledger=ledger)  # the score is known now
    write_run(job, trained, data, ledger=ledger, repair=repair, looked=looked)
    write_reports(job, data, audit)
    job.folder.mark("finished", {})
    shutil.rmtree(job.path / CHECKPOINT, ignore_errors=True)


def _rows(job: Job, kind: Kind[M]) -> "Dataset":
    """Load the rows, and refuse now rather than after the audit what they rule out."""
    from veridical.dataset.storage import save

    data = kind.rows(job)
    kind.refuse_unfit(job, data)
    refuse_too_few(data, job.config)
    if not job.config.no_text:
        save(data, job.path / "data.parquet")
    return data


def _stored_rows(job: Job, kind: Kind[M]) -> "Dataset":
    from veridical.dataset.storage import read

    return kind.rows(job) if job.config.no_text else read(job.path / "data.parquet")


def _audit(job: Job, evidence: "Evidence") -> AuditRecord:
    from veridical.audit._runner import run_checks

    audit = run_checks(evidence, seed=job.config.seed, progress=job.progress)
    records.write_audit(job.path, audit)
    return audit


def _search(job: Job, evidence: "Evidence") -> None:
    from veridical.pipeline.searching import search

    structure = structure_of(job.config.task)
    search(evidence, config=job.config, structure=structure, run=job.path, progress=job.progress)


def _train(job: Job, kind: Kind[M], evidence: "Evidence") -> M:
    with together():
        trained = kind.fitted(job, evidence)
    return kind.kept(job, trained, evidence)


def _stored(job: Job, kind: Kind[M]) -> M:
    dismiss()
    return kind.stored(job)


def _repair(job: Job, trained: M, evidence: "Evidence", audit: AuditRecord) -> RepairRecord | None:
    if job.config.no_repair:
        return None
    from veridical.pipeline.repairing import repaired

    ledger = written_ledger(job)
    repair = repaired(job.path, trained, evidence=evidence, audit=audit, ledger=ledger, config=job.chosen, progress=job.progress)
    write_run(job, trained, evidence.data, ledger=ledger, repair=repair)
    return repair
