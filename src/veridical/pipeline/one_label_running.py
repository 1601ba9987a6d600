"""The stages of `run` that hang on what an answer is, where a row has one label."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from veridical.core.finding import AuditRecord
from veridical.core.probe_record import ProbeRecord
from veridical.models.calls import is_address
from veridical.pipeline import records
from veridical.pipeline.config import calls_of
from veridical.pipeline.contract_file import kept_contract, refuse_unfit_contract
from veridical.pipeline.encoded_rows import encoder_of
from veridical.pipeline.groups_needed import refuse_unfit_groups
from veridical.pipeline.job import CHECKPOINT, Job, Kind
from veridical.pipeline.loading import load_as_configured
from veridical.pipeline.looking import answered_before

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.ledger.contract import Contract
    from veridical.ledger.tables import Tables
    from veridical.train.trained import Trained


def _rows(job: Job) -> "Dataset":
    return load_as_configured(job.source, job.config, job.progress)


def _refuse_unfit(job: Job, data: "Dataset") -> None:
    config = job.config
    refuse_unfit_groups(data, config)
    refuse_unfit_contract(job, data)
    if config.predictions:
        from veridical.models.external import read_predictions

        read_predictions(Path(config.predictions), data=data)
    elif is_address(config.model):
        from veridical.models.endpoint import EndpointModel

        EndpointModel(config.model, labels=data.labels, calls=calls_of(config)).predict(data.inputs()[:1])


def _fitted(job: Job, evidence: "Evidence") -> "Trained":
    from veridical.pipeline.training import trained_model, watched

    with watched(job.path, job.chosen) as watcher:
        return trained_model(evidence, config=job.chosen, folder=job.path / CHECKPOINT, watcher=watcher, progress=job.progress)


def _kept(job: Job, trained: "Trained", evidence: "Evidence") -> "Trained":
    """Without a test set the answers of fold models stand for those of the model on all rows."""
    if not len(evidence.data.rows("test")):
        from veridical.pipeline.cross_validation import cross_predicted

        trained = cross_predicted(trained, evidence, config=job.chosen, progress=job.progress)
    records.write_trained(job.path, trained, evidence.data)
    return trained


def _stored(job: Job) -> "Trained":
    return records.read_trained(
        job.path,
        model=job.config.model,
        seconds=job.folder.marked("train")["seconds"],
        calls=calls_of(job.config),
        progress=job.progress,
    )


def _account(job: Job, trained: "Trained", evidence: "Evidence", audit: AuditRecord, probes: ProbeRecord | None) -> "Ledger":
    from veridical.ledger.accounting import account_tables
    from veridical.ledger.tables import save_tables
    from veridical.models.floors import floors

    config, contract = job.config, kept_contract(job)
    tables, tested = _tables(trained, evidence, job=job, contract=contract)
    tables = _with_looks(tables, evidence.data, job=job)
    save_tables(tables, job.path / "tables.npz")
    return account_tables(
        tables,
        task=config.task,
        labels=evidence.data.labels,
        contract=contract,
        review=None,
        metric=config.metric,
        floors=floors(tested, metric=config.metric, seed=config.seed),
        candidates=[finding.evidence for finding in audit.findings("label_words")],
        probes=probes,
        seed=config.seed,
    )


def _tables(trained: "Trained", evidence: "Evidence", *, job: Job, contract: "Contract | None") -> "tuple[Tables, Dataset]":
    """What the account adds up, and the rows on which trivial rules are tried."""
    from veridical.ledger.accounting import tables_of

    if len(evidence.data.rows("test")):
        return tables_of(trained, evidence=evidence, contract=contract, seed=job.config.seed), evidence.data
    from veridical.pipeline.cross_validation import one_fold, tables_of_folds

    tables = tables_of_folds(trained, evidence, contract=contract, seed=job.config.seed)
    return tables, one_fold(evidence, config=job.config)


def _with_looks(tables: "Tables", data: "Dataset", *, job: Job) -> "Tables":
    """The tables with what other runs in the log predicted for the same test rows, where these are labels of this data."""
    import numpy as np

    code, ids = {label: k for k, label in enumerate(data.labels)}, [str(row) for row in tables.ids]
    found = [[code[label] for label in said] for said in answered_before(job.folder, data, ids=ids) if set(said) <= code.keys()]
    return replace(tables, looks=np.array(found, np.int64).reshape(len(found), len(ids)))


kind = Kind(_rows, _refuse_unfit, _fitted, _kept, _stored, encoder_of, _account)
