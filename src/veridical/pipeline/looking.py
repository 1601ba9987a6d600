"""Each finished run is a look at its test set: logged beside the run folder, and counted when the next one is judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core import looks
from veridical.core.looks import Look
from veridical.pipeline.run_folder import RunFolder, hash_of, stored_identity

if TYPE_CHECKING:
    from veridical.core.ledger_record import Ledger
    from veridical.dataset.rows import Dataset


@dataclass(frozen=True, slots=True)
class Looked:
    """test: fingerprint of the test rows. earlier: distinct other runs known to have scored them. warnings: for the user."""

    test: str
    earlier: int
    warnings: tuple[str, ...] = ()


def identity_hash(identity: dict[str, Any]) -> str:
    """What makes two looks the same: configuration and data, whatever machine or folder."""
    return hash_of({name: value for name, value in identity.items() if name != "machine"})


def run_hash(run: Path) -> str:
    """The same of a run folder on disk; its path where it is older than the log."""
    stored = stored_identity(run)
    return identity_hash(stored) if stored else str(run.resolve())


def earlier_looks(folder: RunFolder, data: "Dataset") -> tuple[Look, ...]:
    """The other runs that scored the test set of `data`, from the log beside `folder`."""
    from veridical.dataset.fingerprint import fingerprint_of_test

    return looks.read(looks.log_of(folder.path)).at(fingerprint_of_test(data), but=[identity_hash(folder.identity)])


def predicted_at(look: Look, *, log: Path, ids: Sequence[str]) -> list[str] | None:
    """The labels that an earlier run predicted for the rows `ids`; None where its folder is gone, lacks some of them, or holds
    another run by now."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    there = stored_identity(look.predictions(log).parent)
    if there is not None and identity_hash(there) != look.run:
        return None
    try:
        table = pq.read_table(look.predictions(log), columns=["id", "predicted"])
    except (OSError, pa.ArrowException):
        return None
    told = dict(zip(table.column("id").to_pylist(), table.column("predicted").to_pylist(), strict=True))
    found = [told.get(row) for row in ids]
    return [label for label in found if label is not None] if None not in found else None


def answered_before(folder: RunFolder, data: "Dataset", *, ids: Sequence[str]) -> list[list[str]]:
    """What each of the other runs in the log predicted for the rows `ids`, where its folder is still there."""
    log = looks.log_of(folder.path)
    found = [predicted_at(look, log=log, ids=ids) for look in earlier_looks(folder, data)]
    return [said for said in found if said is not None]


def log_look(folder: RunFolder, data: "Dataset", *, model: str, ledger: "Ledger") -> Looked:
    """Append this run's look to the log and count the earlier ones."""
    from veridical.dataset.fingerprint import fingerprint_of_test

    path, own = looks.log_of(folder.path), identity_hash(folder.identity)
    look = Look(
        test=fingerprint_of_test(data), run=own, folder=folder.path.resolve().name, time=looks.now(), model=model,
        metric=ledger.metric, reported=ledger.reported.value,
    )  # fmt: skip
    log = looks.read(path)
    warnings = [f"Lines of {path} that are not veridical's were skipped: {log.not_ours}."] if log.not_ours else []
    try:
        looks.append(path, look)
    except OSError as error:
        reason = error.strerror or error
        warnings.append(f"This look at the test set could not be logged in {path} ({reason}); later runs will not count it.")
    return Looked(look.test, len(log.at(look.test, but=[own])), tuple(warnings))
