"""What the account of a task with more than one label a row rests on, stored: who is in the test set, what they stand for, and
what a contract asked.

Answers to the rows as they are stand in predictions.parquet.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.ledger.answer_transfer import AnswerTransfer
from veridical.ledger.contract import read_contract
from veridical.ledger.population import Population, PopulationParams

T = TypeVar("T")
FILE = "population.npz"
TRANSFER_FILE = "transfer.npz"
ANSWERS = ("edited", "target_gold", "target_said")
"""Fields of `AnswerTransfer` that hold answers: stored as the bytes of JSON."""


@dataclass(frozen=True, eq=False)
class AnsweredPeople:
    """ids: of the n test rows, (n,). people: the same rows, in this order."""

    ids: npt.NDArray[Any]
    people: Population


def save_people(found: AnsweredPeople, folder: Path) -> None:
    """One .npz of plain arrays, nothing pickled."""
    arrays = {f.name: np.asarray(getattr(found.people, f.name)) for f in fields(Population) if f.name != "params"}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, ids=found.ids, **arrays)

    write_with(folder / FILE, write)


def read_people(folder: Path) -> AnsweredPeople:
    """Raises InputError when the file is missing or not ours."""
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{path} is missing, so the run's test rows cannot be weighted. Run again with --fresh.")
    return _read(path, lambda ids, **held: AnsweredPeople(ids, Population(**held, params=PopulationParams())))


def save_transfer(found: AnswerTransfer, folder: Path) -> None:
    """What the contract asked, beside its copy."""
    arrays = {f.name: getattr(found, f.name) for f in fields(AnswerTransfer) if f.name != "contract"}
    for name in ANSWERS:
        arrays[name] = np.frombuffer(json.dumps(arrays[name], ensure_ascii=False).encode("utf-8", "surrogatepass"), np.uint8)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as handle:
            np.savez_compressed(handle, allow_pickle=False, **{name: np.asarray(held) for name, held in arrays.items()})

    write_with(folder / TRANSFER_FILE, write)


def read_transfer(folder: Path) -> AnswerTransfer | None:
    """None where the run had no contract. Raises InputError when the file is missing or not ours."""
    path, contract = folder / TRANSFER_FILE, folder / "contract.yaml"
    if not contract.is_file():
        return None
    if not path.is_file():
        raise InputError(f"{path} is missing, so the run's contract cannot be asked again. Run again with --fresh.")

    def made(**held: Any) -> AnswerTransfer:
        gold, said = (tuple(json.loads(held.pop(name).tobytes())) for name in ("target_gold", "target_said"))
        edited = tuple(tuple(draw) for draw in json.loads(held.pop("edited").tobytes()))
        return AnswerTransfer(read_contract(contract, stored=True), **held, edited=edited, target_gold=gold, target_said=said)

    return _read(path, made)


def _read(path: Path, made: Callable[..., T]) -> T:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return made(**{name: array.item() if array.ndim == 0 else array for name, array in arrays.items()})
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}). Run again with --fresh.") from error
