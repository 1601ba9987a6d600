"""What the account of a task with more than one label a row rests on, stored: who is in the test set, and what they stand for.

Answers themselves stand in predictions.parquet.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError
from veridical.ledger.population import Population, PopulationParams

FILE = "population.npz"


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
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        ids = arrays.pop("ids")
        held = {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}
        return AnsweredPeople(ids, Population(**held, params=PopulationParams()))
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(f"{path} cannot be read ({error}). Run again with --fresh.") from error
