"""Everything the account needs, as plain arrays over the test rows: built once, stored, and enough to recompute it later."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.cue import holds, inserted, places, without
from veridical.dataset.rows import BoolArray, Dataset, IntArray, Text
from veridical.ledger.borrowing import TrainRows
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.group_noise import Rows, by_group
from veridical.ledger.label_noise import LabelNoise, expected_labels, label_noise, trusted
from veridical.ledger.population import Population, PopulationParams, population
from veridical.ledger.transfer import Transfer, transfer_of
from veridical.models.model import FloatArray, Model


@dataclass(frozen=True, eq=False)
class Tables:
    """What is known of the n test rows, C classes, S shortcuts of the contract.

    ids: (n,). codes: labels (n,). predicted: (n,). elsewhere: fold probabilities (n, C), where wrong answers go. has_train:
    whether any training row was known. cue_present: (n, S). cue_predictions: (n, 2**S), the prediction with exactly the cues
    put in whose bit is set in the column's number, the others taken out.
    """

    ids: npt.NDArray[Any]
    codes: IntArray
    predicted: IntArray
    people: Population
    noise: LabelNoise
    elsewhere: FloatArray
    has_train: bool
    train: TrainRows
    cue_present: BoolArray
    cue_predictions: IntArray
    transfer: Transfer
    looks: IntArray
    """Predicted codes of the other models known to have been scored on these rows, (L, n)."""
    asked: bool = True
    """Whether there is a model that can be asked about other texts, not only its predictions."""
    apart: str = ""
    """Why the encoder was left out of what is expected of rows; see `OutOfFold`."""

    def prediction(self, cues: BoolArray) -> IntArray:
        """Predictions when each row holds the cues set in its row of `cues`, (n, S) -> (n,)."""
        if not cues.shape[1]:
            return self.predicted
        return np.asarray(self.cue_predictions[np.arange(len(cues)), cue_number(cues)])

    def edited(self, cues: BoolArray) -> IntArray:
        """The same for every edit of the texts, (n, m)."""
        return np.asarray(self.transfer.edited[np.arange(len(cues)), cue_number(cues)])


def cue_number(cues: BoolArray) -> IntArray:
    """The number whose bits are the cues set, (n, S) -> (n,)."""
    return np.asarray(cues @ (1 << np.arange(cues.shape[1]))).astype(np.int64)


def build_tables(
    *, evidence: Evidence, probabilities: FloatArray, model: Model | None, contract: Contract | None, votes: str, seed: int
) -> Tables:
    """probabilities: of the scored model, for every row of the data set, (N, C); rows of other splits may be NaN."""
    data = evidence.data
    people = population(evidence, votes=votes)
    codes = data.codes[people.rows]
    predicted = probabilities[people.rows].argmax(axis=1).astype(np.int64)
    shortcuts = contract.shortcuts if contract else ()
    present = np.zeros((people.n, len(shortcuts)), bool)
    for position, shortcut in enumerate(shortcuts):
        present[:, position] = holds(data.inputs(people.rows), shortcut.word)
    texts = cue_texts(data, people.rows, shortcuts, seed=seed)
    answered = _cue_predictions(texts, shortcuts, present, model=model, predicted=predicted)
    transfer = transfer_of(contract, evidence=evidence, people=people, inputs=texts, model=model, seed=seed)
    return Tables(
        ids=np.array(data.ids, dtype=np.str_)[people.rows],
        codes=codes,
        predicted=predicted,
        people=people,
        noise=_label_noise(evidence, people, codes=codes),
        elsewhere=evidence.foresight.probabilities[people.rows],
        has_train=bool(len(data.rows("train"))),
        train=_train_rows(evidence, people),
        cue_present=present,
        cue_predictions=answered,
        transfer=transfer,
        looks=np.zeros((0, people.n), np.int64),
        asked=model is not None,
        apart=evidence.foresight.apart,
    )


def _label_noise(evidence: Evidence, people: Population, *, codes: IntArray) -> LabelNoise:
    """Of the test rows: one for all, or of each group where the groups differ."""
    data, train = evidence.data, evidence.data.rows("train")
    common = label_noise(evidence, people, codes=codes)
    group = np.array([name or "" for name in data.table.column("group").to_pylist()], dtype=np.str_)
    test = Rows.told(common.expected, codes, people.cluster, group[people.rows])
    known = None  # train labels of another population are no yardstick
    if people.includes_train and len(train):
        folds = trusted(evidence, people, codes=codes)
        train = folds.learnable(train, data.codes[train], n_classes=len(data.labels))
        expected = expected_labels(folds, evidence, train)
        known = Rows.told(expected, data.codes[train], evidence.clusters[train], group[train])
    unjudged = common.unjudged if len(common.unjudged) else np.zeros(len(data.labels), bool)
    found = by_group(common, test=test, fresh=~people.leaked & ~unjudged[codes], train=known)
    if not len(found.of_group) or not unjudged.any():
        return found
    of_group = found.of_group.copy()
    of_group[:, unjudged] = np.eye(len(unjudged))[unjudged]
    return replace(found, of_group=of_group)


def _train_rows(evidence: Evidence, people: Population) -> TrainRows:
    """The first train row of every cluster that the test set does not touch."""
    data = evidence.data
    rows = data.rows("train")
    rows = rows[~np.isin(evidence.clusters[rows], people.cluster)]
    rows = rows[np.sort(np.unique(evidence.clusters[rows], return_index=True)[1])]
    return TrainRows(
        ids=np.array(data.ids, dtype=np.str_)[rows],
        codes=data.codes[rows],
        predicted=evidence.foresight.probabilities[rows].argmax(axis=1).astype(np.int64),
        expected=expected_labels(evidence.foresight, evidence, rows),
    )


def cue_texts(data: Dataset, rows: IntArray, shortcuts: tuple[Shortcut, ...], *, seed: int) -> list[list[Text]]:
    """The test rows' texts with every combination of the cues, 2**S lists of n; cues that are only reweighted stay as they are.

    A cue is put in where it stands in other rows: part and relative place are drawn from its occurrences.
    """
    movable = [position for position, shortcut in enumerate(shortcuts) if shortcut.op != "reweight"]
    spots = {}
    for position in movable:
        known = places(data.inputs(), shortcuts[position].word)
        draws = stream(seed, f"transplant/{shortcuts[position].word}").integers(len(known), size=len(rows))
        spots[position] = [known[int(draw)] for draw in draws]
    found = []
    for column in range(2 ** len(shortcuts)):
        texts = data.inputs(rows)
        for position in movable:
            word = shortcuts[position].word
            wanted = bool(column >> position & 1)
            texts = [_with(text, word, *spots[position][i]) if wanted else without(text, word) for i, text in enumerate(texts)]
        found.append(texts)
    return found


def _cue_predictions(
    texts: list[list[Text]],
    shortcuts: tuple[Shortcut, ...],
    present: BoolArray,
    *,
    model: Model | None,
    predicted: IntArray,
) -> IntArray:
    """Predictions with every combination of the cues, (n, 2**S); a combination that a row holds already keeps its prediction."""
    found = np.repeat(predicted[:, None], len(texts), axis=1)
    movable = [position for position, shortcut in enumerate(shortcuts) if shortcut.op != "reweight"]
    if not movable:
        return found
    if model is None:
        return found  # the account says that these cues could not be moved
    natural = present @ (1 << np.arange(len(shortcuts)))
    fixed = sum(1 << position for position in range(len(shortcuts)) if position not in movable)
    for column in range(len(texts)):
        if column & fixed:
            found[:, column] = found[:, column & ~fixed]  # a cue that is only reweighted changes no text
            continue
        asked = model.predict(texts[column]).argmax(axis=1)
        found[:, column] = np.where((natural & ~fixed) == column, predicted, asked)
    return found


def _with(text: Text, word: str, part: int, place: float) -> Text:
    return text if holds([text], word)[0] else inserted(text, word, part=part, position=place)


def save_tables(tables: Tables, path: Path) -> None:
    """One .npz of plain arrays, nothing pickled."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    parts = ((tables.people, "people."), (tables.noise, "noise."), (tables.train, "train."), (tables.transfer, "transfer."))
    for record, prefix in ((tables, ""), *parts):
        for f in fields(record):
            held = getattr(record, f.name)
            if not isinstance(held, Population | LabelNoise | PopulationParams | TrainRows | Transfer):
                arrays[prefix + f.name] = np.asarray(held)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, **arrays)

    write_with(path, write)


def read_tables(path: Path) -> Tables:
    """Raises InputError when the file is missing or not ours."""
    if not path.is_file():
        raise InputError(f"{path} is missing, so the ledger cannot be recomputed. Run again with --fresh.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}). Run again with --fresh.") from error

    def part(kind: type, prefix: str) -> dict[str, Any]:
        held = {f.name: arrays[prefix + f.name] for f in fields(kind) if prefix + f.name in arrays}
        return {name: array.item() if array.ndim == 0 else array for name, array in held.items()}

    try:
        people = Population(**part(Population, "people."), params=PopulationParams())
        train = TrainRows(**part(TrainRows, "train."))
        noise, transfer = LabelNoise(**part(LabelNoise, "noise.")), Transfer(**part(Transfer, "transfer."))
        return Tables(**part(Tables, ""), people=people, noise=noise, train=train, transfer=transfer)
    except TypeError as error:  # a field that this version needs and the file lacks
        raise InputError(f"{path} was written by another version of veridical. Run again with --fresh.") from error
