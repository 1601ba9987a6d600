"""A finished run whose rows have one label, as `veridical review` sees it: its tables alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core import probe_record
from veridical.core.errors import InputError, nearest
from veridical.core.randomness import stream
from veridical.core.run_record import RunRecord
from veridical.ledger.accounting import account_tables, counted_rows
from veridical.ledger.contract import Contract, read_contract
from veridical.ledger.reading import frame_of
from veridical.ledger.review import UNSURE, Review, ReviewParams, frame
from veridical.ledger.tables import Tables, read_tables
from veridical.pipeline import records
from veridical.pipeline.review_file import Side

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset, IntArray


@dataclass(frozen=True, eq=False)
class LabelRun:
    """See `reviewing.ReviewedRun`."""

    run: Path
    record: RunRecord
    tables: Tables

    @classmethod
    def opened(cls, run: Path, record: RunRecord) -> "LabelRun":
        return cls(run, record, read_tables(run / "tables.npz"))

    @property
    def ids(self) -> set[str]:
        return {str(row) for row in (*self.tables.ids, *self.tables.train.ids)}

    def side(self, name: str) -> Side:
        return self._train if name == "train" else self._test

    @cached_property
    def _test(self) -> Side:
        tables, record = self.tables, self.record
        weights = counted_rows(tables, task=record.task, labels=record.labels, contract=self._contract, metric=record.metric)
        return Side("test", [str(row) for row in tables.ids], frame_of(tables), weights)

    @cached_property
    def _train(self) -> Side:
        train = self.tables.train
        n, ids = len(train.ids), [str(row) for row in train.ids]
        none = np.zeros(n, dtype=bool)
        strata = frame(train.noise(), ids=ids, codes=train.codes, predicted=train.predicted, leaked=none, params=ReviewParams())
        return Side("train", ids, strata, np.full(n, 1 / max(n, 1)))

    @cached_property
    def _contract(self) -> Contract | None:
        path = self.run / "contract.yaml"
        return read_contract(path, stored=True) if path.is_file() else None

    def shown(self, data: "Dataset", row: int) -> str:
        return str(data.labels[data.codes[row]])

    def answer(self, row: str, cell: str) -> str:
        labels = self.record.labels
        meant = cell if cell in labels else {label.casefold(): label for label in labels}.get(cell.casefold(), cell)
        if meant not in labels and meant.casefold() != UNSURE:
            allowed = ", ".join([*labels, UNSURE][:20])
            raise InputError(f"which is no label.{nearest(cell, labels)} Allowed: {allowed}")
        return meant if meant in labels else UNSURE

    def account(self, answers: Mapping[str, str]) -> "Ledger":
        run, record = self.run, self.record
        assert record.ledger is not None
        return account_tables(
            self.tables,
            task=record.task,
            labels=record.labels,
            contract=self._contract,
            review=Review(answers) if answers else None,
            metric=record.metric,
            floors=record.ledger.floors,
            candidates=[finding.evidence for finding in records.read_audit(run).findings("label_words")],
            probes=probe_record.read(run),
            seed=record.seed,
        )

    def imagined_width(self, side: Side, chosen: "IntArray", answers: Mapping[str, str], *, round: int) -> float:
        return self.account({**answers, **self._imagined(side, chosen, round=round)}).honest.width

    def _imagined(self, side: Side, chosen: "IntArray", *, round: int) -> dict[str, str]:
        """Answers as the noise model expects them: the label stands, or is wrong with its modelled chance."""
        tables, labels = self.tables, self.record.labels
        of_codes, of_predicted = (
            (tables.train.codes, tables.train.predicted) if side.name == "train" else (tables.codes, tables.predicted)
        )
        rng = stream(self.record.seed, f"imagined review/{round}")
        wrong = rng.random(len(chosen)) < side.strata.wrong[chosen]
        other = np.where(of_predicted == of_codes, (of_codes + 1) % len(labels), of_predicted)
        codes = np.where(wrong, other[chosen], of_codes[chosen])
        return {side.ids[at]: labels[code] for at, code in zip(chosen, codes, strict=True)}
