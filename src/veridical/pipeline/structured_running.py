"""`run` for tasks whose answers are more than one label: the same stages in the same order, on answers instead of classes."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from veridical.core.errors import InputError
from veridical.core.finding import AuditRecord
from veridical.core.probe_record import ProbeRecord
from veridical.models.callable_name import is_callable_name
from veridical.models.calls import is_address
from veridical.pipeline.answer_records import floors_of, read_answered, read_said, write_answered
from veridical.pipeline.config import RunConfig
from veridical.pipeline.running import CHECKPOINT, _Job, load_as_configured, structure_of
from veridical.train.processes import dismiss, together

if TYPE_CHECKING:
    from veridical.audit._evidence import Evidence
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset
    from veridical.tasks._contract import Margins, Structure
    from veridical.train.answered import Answered


def check_structured(config: RunConfig) -> None:
    """Refuse before any work what these tasks do not have."""
    from veridical.train.answer_training import fitting_answers

    if config.contract:
        from veridical.ledger.contract import read_contract, refuse_of_structures

        refuse_of_structures(read_contract(Path(config.contract)), task=config.task)
    if config.split == "folds":
        raise InputError(f"--split folds needs one label a row, which task {config.task} does not have. Use clusters or --test.")
    if is_callable_name(config.model) or is_address(config.model):
        raise InputError(
            f"--model {config.model} gives one label a row, which task {config.task} does not have. Give its answers with "
            "--predictions FILE."
        )
    if not config.predictions:
        fitting_answers(config.countermeasures, task=config.task, model=config.model, config=config.training)


@dataclass(frozen=True)
class StructuredJob(_Job):
    """One run in one folder."""

    @property
    def structure(self) -> "Structure":
        found = structure_of(self.config.task)
        assert found is not None
        return found

    def load(self) -> "Dataset":
        from veridical.dataset.storage import save

        data = load_as_configured(self.source, self.config, self.progress)
        if not len(data.rows("test")):
            raise InputError(f"{self.source} is too small to draw a test set from. Give --test, or more rows.")
        unknown = self._unseen(data)
        data = replace(data, warnings=(*data.warnings, *unknown))
        self.refuse_unfit_contract(data)
        if self.config.predictions:
            read_said(Path(self.config.predictions), data=data, structure=self.structure)
        if not self.config.no_text:
            save(data, self.folder.path / "data.parquet")
        return data

    def loaded(self) -> "Dataset":
        data = super().loaded()
        return replace(data, warnings=(*data.warnings, *self._unseen(data))) if self.config.no_text else data

    def _unseen(self, data: "Dataset") -> tuple[str, ...]:
        """A warning where test rows ask for names that no train row has."""
        if not data.labels:
            return ()
        in_test = self.structure.shape.names([str(data.answers[row]) for row in data.rows("test")]) if _some(data) else ()
        absent = sorted(set(in_test) - set(data.labels))
        shown = ", ".join(absent[:5])
        said = f"Test rows hold {len(absent)} names that no train row has ({shown}): no model can say them; they count as missed."
        return (said,) if absent else ()

    def fitted(self, evidence: "Evidence") -> "Answered":  # type: ignore[override]
        from veridical.pipeline.training import watched
        from veridical.train.answer_training import train_answers
        from veridical.train.answered import Answered

        data, config = evidence.data, self.chosen
        if config.predictions:
            said = read_said(Path(config.predictions), data=data, structure=self.structure)
            sure = np.full(len(data), np.nan)
            return Answered(None, "predictions", tuple(data.ids), tuple(said), sure, data.labels, None, 0.0, external=True)
        with watched(self.folder.path, config) as watcher:
            return train_answers(
                data,
                model=config.model,
                countermeasures=config.countermeasures,
                config=config.training,
                metric=config.metric,
                seed=config.seed,
                folder=self.folder.path / CHECKPOINT,
                clusters=evidence.clusters,
                watcher=watcher,
                progress=self.progress,
            )

    def train(self, evidence: "Evidence") -> "Answered":  # type: ignore[override]
        with together():
            trained = self.fitted(evidence)
        write_answered(self.folder.path, trained, evidence.data)
        return trained

    def trained(self) -> "Answered":  # type: ignore[override]
        dismiss()
        return read_answered(self.folder.path, seconds=self.folder.marked("train")["seconds"])

    def account(self, trained: Any, evidence: "Evidence", audit: AuditRecord, probes: ProbeRecord | None) -> "Ledger":
        from veridical.ledger.answer_transfer import answer_transfer
        from veridical.ledger.candidates import candidates
        from veridical.ledger.population import population
        from veridical.ledger.structured import account_structured, scored_rows
        from veridical.ledger.structured_tables import AnsweredPeople, save_people, save_transfer
        from veridical.train.answer_folds import difficulty

        data, config, structure, contract = evidence.data, self.config, self.structure, self.contract()
        columns = difficulty(evidence, structure)
        people = population(evidence, votes=contract.votes if contract else "clusters", columns=columns)
        save_people(AnsweredPeople(np.array(data.ids, dtype=np.str_)[people.rows], people), self.folder.path)
        transfer = None
        if contract:
            transfer = answer_transfer(
                contract, evidence=evidence, people=people, structure=structure, model=trained.model, seed=config.seed
            )
            save_transfer(transfer, self.folder.path)
        said = [answer or "" for answer in trained.said]
        looks, same = self.looks(data, said=[said[row] for row in people.rows], rows=people.rows)
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
        ledger = replace(ledger, components=(*ledger.components, *candidates([], probes, declared=declared)))
        self.save(trained, data, ledger=ledger, repair=None, complete=False)
        return ledger

    def looks(self, data: "Dataset", *, said: list[str], rows: "np.ndarray") -> "tuple[list[Margins], int]":
        """Statistics of the distinct other models in the log, and how many more said the same as this one."""
        from veridical.core.looks import log_of
        from veridical.pipeline.looking import earlier_looks, predicted_at

        ids, measure = [data.ids[row] for row in rows], self.structure.measures[self.config.metric]
        gold = [str(data.answers[row]) for row in rows]
        others: dict[tuple[str, ...], None] = {}
        same = 0
        for look in earlier_looks(self.folder, data):
            found = predicted_at(look, log=log_of(self.folder.path), ids=ids)
            if found == said:
                same += 1
            elif found is not None:
                others[tuple(found)] = None
        return [measure.margins(gold, list(found), data.labels) for found in others], same


def _some(data: "Dataset") -> bool:
    """Whether the test rows ask for anything."""
    return any(
        data.answers[row] not in ("[]", None) and set(str(data.answers[row]).split(" ")) != {"O"} for row in data.rows("test")
    )
