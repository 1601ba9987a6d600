"""Everything the account needs, as plain arrays over the test rows; built once, stored, and enough "
"to recompute after a review."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.cue import holds, inserted, places, without
from veridical.dataset.rows import Dataset, IntArray, Text
from veridical.ledger.borrowing import TrainRows
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.label_noise import LabelNoise, expected_labels, label_noise
from veridical.ledger.population import Population, PopulationParams, population
from veridical.models.model import FloatArray, Model


@dataclass(frozen=True, eq=False)
class Tables:
    """ids: test row ids (n,). codes: labels (n,). predicted: (n,). elsewhere: fold probabilities (n, C), where wrong answers go.
    has_train: whether any training row was known. cue_present: (n, S) per shortcut. with_cue, without_cue: predictions on
    edited rows, (n, S)."""

    ids: npt.NDArray[Any]
    codes: IntArray
    predicted: IntArray
    people: Population
    noise: LabelNoise
    elsewhere: FloatArray
    has_train: bool
    train: TrainRows
    cue_present: npt.NDArray[np.bool_]
    with_cue: IntArray
    without_cue: IntArray


def build_tables(
    *, evidence: Evidence, probabilities: FloatArray, model: Model | None, contract: Contract | None, votes: str, seed: int
) -> Tables:
    """probabilities: of the scored model, for every row of the data set, (N, C); rows of other splits may be NaN."""
    data = evidence.data
    people = population(evidence, votes=votes)
    codes = data.codes[people.rows]
    predicted = probabilities[people.rows].argmax(axis=1).astype(np.int64)
    shortcuts = contract.shortcuts if contract else ()
    shape = (people.n, len(shortcuts))
    present, on, off = np.zeros(shape, bool), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for s, shortcut in enumerate(shortcuts):
        present[:, s], on[:, s], off[:, s] = _edited(data, people.rows, shortcut, model=model, predicted=predicted, seed=seed)
    return Tables(
        ids=np.array(data.ids, dtype=np.str_)[people.rows],
        codes=codes,
        predicted=predicted,
        people=people,
        noise=label_noise(evidence, people, codes=codes),
        elsewhere=evidence.folds.probabilities[people.rows],
        has_train=bool(len(data.rows("train"))),
        train=_train_rows(evidence, people),
        cue_present=present,
        with_cue=on,
        without_cue=off,
    )


def _train_rows(evidence: Evidence, people: Population) -> TrainRows:
    """The first train row of every cluster that the test set does not touch."""
    data = evidence.data
    rows = data.rows("train")
    rows = rows[~np.isin(evidence.clusters[rows], people.cluster)]
    rows = rows[np.sort(np.unique(evidence.clusters[rows], return_index=True)[1])]
    return TrainRows(
        ids=np.array(data.ids, dtype=np.str_)[rows],
        codes=data.codes[rows],
        predicted=evidence.folds.probabilities[rows].argmax(axis=1).astype(np.int64),
        expected=expected_labels(evidence, rows),
    )


def _edited(
    data: Dataset, rows: IntArray, shortcut: Shortcut, *, model: Model | None, predicted: IntArray, seed: int
) -> tuple[npt.NDArray[np.bool_], IntArray, IntArray]:
    """(cue present, prediction with it, prediction without it) for each row; texts that need no edit keep their prediction."""
    inputs = data.inputs(rows)
    present = holds(inputs, shortcut.word)
    if shortcut.op == "reweight":
        return present, predicted, predicted
    if model is None:
        raise InputError(
            f"The contract's {shortcut.op} of {shortcut.word!r} needs to query the model, but only a file of "
            f"predictions was given. "
            "Use op: reweight, or give the model."
        )
    found = places(data.inputs(), shortcut.word)
    rng = stream(seed, f"transplant/{shortcut.word}")
    draws = rng.integers(len(found), size=len(rows))
    texts: list[Text] = []
    for text, there, draw in zip(inputs, present, draws, strict=True):
        part, position = found[int(draw)]
        texts.append(without(text, shortcut.word) if there else inserted(text, shortcut.word, part=part, position=position))
    changed = model.predict(texts).argmax(axis=1)
    return present, np.where(present, predicted, changed), np.where(present, changed, predicted)


def save_tables(tables: Tables, path: Path) -> None:
    """One .npz of plain arrays, nothing pickled."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for record, prefix in ((tables, ""), (tables.people, "people."), (tables.noise, "noise."), (tables.train, "train.")):
        for f in fields(record):
            held = getattr(record, f.name)
            if not isinstance(held, Population | LabelNoise | PopulationParams | TrainRows):
                arrays[prefix + f.name] = np.asarray(held)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, **arrays)

    write_with(path, write)


def read_tables(path: Path) -> Tables:
    """Raises InputError when the file is missing or not ours."""
    if not path.is_file():
        raise InputError(f"{path} is missing, so the ledger cannot be recomputed. Run again with --fresh.")
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}

    def part(kind: type, prefix: str) -> dict[str, Any]:
        held = {f.name: arrays[prefix + f.name] for f in fields(kind) if prefix + f.name in arrays}
        return {name: array.item() if array.ndim == 0 else array for name, array in held.items()}

    people = Population(**part(Population, "people."), params=PopulationParams())
    train = TrainRows(**part(TrainRows, "train."))
    return Tables(**part(Tables, ""), people=people, noise=LabelNoise(**part(LabelNoise, "noise.")), train=train)
