"""A finished run whose answers are more than one label, as `veridical review` sees it: its test rows and what was said there."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.core.run_record import RunRecord
from veridical.dataset.row_shape import BadCell
from veridical.dataset.rows import Dataset, IntArray
from veridical.ledger import notes
from veridical.ledger.answer_review import AnswerReview
from veridical.ledger.candidates import made_of_data
from veridical.ledger.review import UNSURE
from veridical.ledger.structured import StructuredGame, account_structured, honest_width, reviewed_answers, scored_answers
from veridical.ledger.structured_tables import read_people, read_transfer
from veridical.pipeline.answer_records import read_answers
from veridical.pipeline.review_file import Side, texts_of

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.ledger.answer_transfer import AnswerTransfer
    from veridical.ledger.population import Population
    from veridical.tasks._contract import Structure


@dataclass(frozen=True, eq=False)
class AnswerRun:
    """See `reviewing.ReviewedRun`. rows: ids of the n test rows. gold, said: answers as given, and the model's, (n,) each.
    transfer: what the run's contract asked, None without."""

    run: Path
    record: RunRecord
    structure: "Structure"
    people: "Population"
    rows: list[str]
    gold: list[str]
    said: list[str]
    transfer: "AnswerTransfer | None"

    @classmethod
    def opened(cls, run: Path, record: RunRecord, structure: "Structure") -> "AnswerRun":
        found = read_people(run)
        rows = [str(row) for row in found.ids]
        return cls(run, record, structure, found.people, rows, *read_answers(run, ids=rows), read_transfer(run))

    @property
    def ids(self) -> set[str]:
        return set(self.rows)

    @cached_property
    def data(self) -> Dataset:
        return texts_of(self.run)

    @cached_property
    def game(self) -> StructuredGame:
        record = self.record
        return scored_answers(
            self.structure, self.people, gold=self.gold, said=self.said, names=record.labels, metric=record.metric,
            transfer=self.transfer,
        )  # fmt: skip

    def side(self, name: str) -> Side:
        if name == "train":
            raise InputError(
                f"{self.run} is a run of task {self.record.task}, whose account borrows nothing from train rows. Leave out "
                "--review-train; the test rows are what to read."
            )
        people, read = self.people, self._read([None] * len(self.rows), np.zeros(len(self.rows), bool))
        counts = people.projection(people.fresh) @ people.target
        return Side("test", self.rows, read.frame, counts * read.declared.effect, each=True)

    def shown(self, data: Dataset, row: int) -> str:
        (text,) = data.inputs(np.array([row]))
        return self.structure.in_sheet(text, str(data.answers[row]), data.notation)

    def answer(self, row: str, cell: str) -> str:
        if cell.casefold() == UNSURE:
            return UNSURE
        at, data = self._position[row], self.data
        (text,) = data.inputs(np.array([at]))
        given = str(data.answers[at])
        if cell == self.structure.in_sheet(text, given, data.notation):
            return given
        try:
            found = self.structure.from_sheet(text, cell, data.notation, self._names)
        except BadCell as bad:
            raise InputError(f"which cannot be used: {bad}. Write it as in the column label, or {UNSURE}") from bad
        same = self.structure.in_sheet(text, found, data.notation) == self.structure.in_sheet(text, given, data.notation)
        return given if same else found

    @cached_property
    def _position(self) -> dict[str, int]:
        return {row: at for at, row in enumerate(self.data.ids)}

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """What answers may be made of: the names of train, and those that test rows ask for."""
        found = set(self.record.labels)
        with suppress(InputError):  # no test row asks for anything
            found |= set(self.structure.shape.names(self.gold))
        return tuple(sorted(found))

    def reviewed(self, answers: Mapping[str, str]) -> StructuredGame:
        """The game once these answers are known; as it was where none of them decides anything."""
        read = [answers.get(row) for row in self.rows]
        unsure = np.array([answer == UNSURE for answer in read], bool)
        found = self._read([None if answer == UNSURE else answer for answer in read], unsure)
        return replace(self.game, review=found) if found.n_seen else self.game

    def _read(self, right: Sequence[str | None], unsure: "np.typing.NDArray[np.bool_]") -> AnswerReview:
        record = self.record
        return reviewed_answers(
            self.structure, self.people, ids=self.rows, gold=self.gold, said=self.said, right=right, unsure=unsure,
            names=record.labels, metric=record.metric, edited=self.transfer.edited if self.transfer else (),
        )  # fmt: skip

    def account(self, answers: Mapping[str, str]) -> "Ledger":
        record, game = self.record, self.reviewed(answers)
        assert record.ledger is not None
        kept = {component.name: component for component in record.ledger.components}
        ledger = account_structured(
            game, metric=record.metric, has_train=bool(record.n_train), looks=[], same=0, floors=record.ledger.floors,
            seed=record.seed, reuse=kept["reuse"],
        )  # fmt: skip
        asked = sum(row in answers for row in self.rows)
        undecided = (notes.undecided(asked),) if asked and game.review is None else ()
        beside = [component for component in record.ledger.components if made_of_data(component)]
        return replace(ledger, components=(*ledger.components, *beside), notes=(*ledger.notes, *undecided))

    def imagined_width(self, side: Side, chosen: IntArray, answers: Mapping[str, str], *, round: int) -> float:
        """An answer stands, or is wrong with its assumed chance: then the model's is right, or nothing that both say is."""
        known = self.reviewed(answers).review or self._read([None] * len(self.rows), np.zeros(len(self.rows), bool))
        rng = stream(self.record.seed, f"imagined review/{round}")
        hit = np.zeros(len(self.rows), bool)
        hit[chosen] = rng.random(len(chosen)) < side.strata.wrong[chosen]
        return honest_width(replace(self.game, review=known.imagined(chosen, hit)), seed=self.record.seed)
