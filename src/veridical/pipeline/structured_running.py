"""The stages of `run` that hang on what an answer is, where it is a structure: tags, a set of labels, a part of a text."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord
from veridical.core.probe_record import ProbeRecord
from veridical.pipeline.answer_records import floors_of, read_answered, read_said, write_answered
from veridical.pipeline.contract_file import kept_contract, refuse_unfit_contract
from veridical.pipeline.job import CHECKPOINT, Job, Kind
from veridical.pipeline.loading import load_as_configured
from veridical.pipeline.looking import answered_before
from veridical.tasks._structures import needed_structure

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.tasks._contract import Margins
    from veridical.train.answered import Answered


def _rows(job: Job) -> "Dataset":
    data = load_as_configured(job.source, job.config, job.progress)
    if not len(data.rows("test")):
        raise InputError(f"{job.source} is too small to draw a test set from. Give --test, or more rows.")
    return replace(data, warnings=(*data.warnings, *_unseen(data)))


def _unseen(data: "Dataset") -> tuple[str, ...]:
    """A warning where test rows ask for names that no train row has."""
    if not data.labels:
        return ()
    shape = needed_structure(data.task).shape
    in_test = shape.names([str(data.answers[row]) for row in data.rows("test")]) if _some(data) else ()
    absent = sorted(set(in_test) - set(data.labels))
    shown = ", ".join(absent[:5])
    said = f"Test rows hold {len(absent)} names that no train row has ({shown}): no model can say them; they count as missed."
    return (said,) if absent else ()


def _some(data: "Dataset") -> bool:
    """Whether the test rows ask for anything."""
    return any(
        data.answers[row] not in ("[]", None) and set(str(data.answers[row]).split(" ")) != {"O"} for row in data.rows("test")
    )


def _refuse_unfit(job: Job, data: "Dataset") -> None:
    refuse_unfit_contract(job, data)
    if job.config.predictions:
        read_said(Path(job.config.predictions), data=data, structure=needed_structure(data.task))


def _fitted(job: Job, evidence: "Evidence") -> "Answered":
    from veridical.pipeline.training import watched
    from veridical.train.answer_training import train_answers
    from veridical.train.answered import Answered

    data, config = evidence.data, job.chosen
    if config.predictions:
        said, sure = read_said(Path(config.predictions), data=data, structure=needed_structure(data.task))
        return Answered(None, "predictions", tuple(data.ids), tuple(said), sure, data.labels, None, 0.0, external=True)
    with watched(job.path, config) as watcher:
        return train_answers(
            data,
            model=config.model,
            countermeasures=config.countermeasures,
            config=config.training,
            metric=config.metric,
            seed=config.seed,
            folder=job.path / CHECKPOINT,
            clusters=evidence.clusters,
            watcher=watcher,
            progress=job.progress,
        )


def _kept(job: Job, trained: "Answered", evidence: "Evidence") -> "Answered":
    write_answered(job.path, trained, evidence.data)
    return trained


def _stored(job: Job) -> "Answered":
    return read_answered(job.path, seconds=job.folder.marked("train")["seconds"])


def _account(job: Job, trained: "Answered", evidence: "Evidence", audit: AuditRecord, probes: ProbeRecord | None) -> "Ledger":
    from veridical.ledger.answer_transfer import answer_transfer
    from veridical.ledger.candidates import candidates
    from veridical.ledger.population import population
    from veridical.ledger.structured import account_structured, scored_rows
    from veridical.ledger.structured_tables import AnsweredPeople, save_people, save_transfer
    from veridical.train.answer_folds import difficulty

    data, config, contract = evidence.data, job.config, kept_contract(job)
    structure = needed_structure(config.task)
    columns = difficulty(evidence, structure)
    people = population(evidence, votes=contract.votes if contract else "clusters", columns=columns)
    save_people(AnsweredPeople(np.array(data.ids, dtype=np.str_)[people.rows], people), job.path)
    transfer = None
    if contract:
        transfer = answer_transfer(
            contract, evidence=evidence, people=people, structure=structure, model=trained.model, seed=config.seed
        )
        save_transfer(transfer, job.path)
    said = [answer or "" for answer in trained.said]
    looks, same = _looks(data, job=job, said=[said[row] for row in people.rows], rows=people.rows)
    ledger = account_structured(
        scored_rows(data, structure, people, said=said, metric=config.metric, transfer=transfer),
        metric=config.metric,
        has_train=bool(len(data.rows("train"))),
        looks=looks,
        same=same,
        floors=floors_of(data, structure, metric=config.metric, seed=config.seed),
        seed=config.seed,
    )
    declared = {"shortcut", *(part.name for part in ledger.components if part.kind == "transfer")}
    return replace(ledger, components=(*ledger.components, *candidates([], probes, declared=declared)))


def _looks(data: "Dataset", *, job: Job, said: list[str], rows: "np.ndarray") -> "tuple[list[Margins], int]":
    """Statistics of the distinct other models in the log, and how many more said the same as this one."""
    measure = needed_structure(data.task).measures[job.config.metric]
    before = answered_before(job.folder, data, ids=[data.ids[row] for row in rows])
    others = dict.fromkeys(tuple(found) for found in before if found != said)
    gold = [str(data.answers[row]) for row in rows]
    return [measure.margins(gold, list(found), data.labels) for found in others], sum(found == said for found in before)


def _no_encoder(job: Job, data: "Dataset") -> None:
    """What is expected of structures comes from linear models alone."""


kind = Kind(_rows, _refuse_unfit, _fitted, _kept, _stored, _no_encoder, _account)
