"""One folder, one run, one process: who may write here, what is already done, and what makes two runs the same.

`stages/identity.json` says which configuration and data the folder belongs to; `stages/NAME.json` says that stage NAME is
done. A stage writes its files first and its marker last, so a run killed at any moment goes on from the last marker.
"""

import fcntl
import hashlib
import json
import os
import shutil
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from veridical.core.atomic_write import write_json, write_text
from veridical.core.errors import InputError, SurroundingsError, VeridicalError

STAGES = "stages"
LOCK = ".lock"
MAY_COME_FIRST = frozenset({LOCK, "reviews.csv"})
"""Files that may stand in a folder that is not a run yet: the lock, and the data the demo writes for itself."""
BEFORE = ".before"
"""Where --fresh keeps what it replaces until the new run has a stage done. While it is there, the rest is the new run's."""
MOVING = ".before.moving"
"""The same on its way there or back. While it is there, all of the folder is what was there before --fresh."""
RETRAINED = "retrained"
"""Folder of a run with what models trained again answered: without some rows (`explain`), or with another seed (`probe`)."""
OURS = (
    *("run.json", "audit.json", "report.html", "report.md", "traceback.txt", STAGES, "model", "model_repaired", "checkpoint"),
    *("findings.parquet", "rows.parquet", "edits.parquet", "predictions.parquet", "dynamics.parquet", "data.parquet"),
    *("repaired.parquet", "tables.npz", "review.json", "contract.yaml", "probes.json", "explain.json", "explain.parquet"),
    *("certificate.json", "arms.parquet", "countermeasures.parquet", "tuning.json", "methods", "edits_review.json"),
    *("training.jsonl", "tracking", "search", "population.npz", "transfer.npz", RETRAINED),
)
"""What --fresh removes; anything else in the folder stays."""
PRETRAINED = (
    *("pretrain.json", "documents.parquet", "half_saved", "config.json", "generation_config.json", "model.safetensors"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt"),
    *("added_tokens.json", "chat_template.jinja"),
)
"""What it removes besides where the folder is that of a pre-trained model."""


def content_hash(path: Path) -> str:
    """SHA-256 of a file, or of a folder's file names and contents."""
    if not path.exists():
        raise InputError(f"There is no {path}. Check the path.")
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode() + b"\0")
        try:
            with file.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}). Check its permissions.") from error
    return digest.hexdigest()


def hash_of(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two identities, one phrase each."""
    found: list[str] = []
    for part in ("verb", "veridical"):
        if old.get(part) != new.get(part):
            found.append(f"{part} was {old.get(part)}, now {new.get(part)}")
    for name in sorted(old["config"].keys() | new["config"].keys()):
        before, after = old["config"].get(name), new["config"].get(name)
        if before != after:
            found.append(f"{name} was {before!r}, now {after!r}")
    for name in sorted(old["data"].keys() | new["data"].keys()):
        if old["data"].get(name) != new["data"].get(name):
            found.append(f"the content of {name} differs")
    return found


@dataclass
class RunFolder:
    """A folder this process holds the lock of. Use as a context manager; leaving it gives the lock back."""

    path: Path
    identity: dict[str, Any]
    lock: int
    resumed: bool
    machine: dict[str, Any]
    """Chosen once and reused on resume: number of threads."""

    @classmethod
    def beside(cls, path: Path, identity: dict[str, Any]) -> Self:
        """The folder as a process sees it that works for the one that holds it: to read from, never to enter."""
        return cls(path, identity, -1, resumed=True, machine={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            refused = isinstance(error, InputError) and not self.resumed and not self.done("account")  # a score is kept
            if refused or (isinstance(error, VeridicalError) and not self._markers()):
                self._unmade()
            elif isinstance(error, Exception) and not isinstance(error, VeridicalError | OSError | MemoryError):
                with suppress(OSError, SurroundingsError):
                    write_text(self.path / "traceback.txt", "".join(traceback.format_exception(error)))
                    error.add_note(f"traceback: {self.path / 'traceback.txt'}")
        finally:
            os.ftruncate(self.lock, 0)
            os.close(self.lock)

    def _markers(self) -> list[Path]:
        return [marker for marker in (self.path / STAGES).glob("*.json") if marker.stem != "identity"]

    def _unmade(self) -> None:
        """What was refused leaves nothing behind, and gives back what --fresh had put aside for it."""
        with suppress(OSError):
            if _given_back(self.path):
                return
            _emptied(self.path)
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()

    @property
    def finished(self) -> bool:
        return self.done("finished")

    def done(self, stage: str) -> bool:
        return (self.path / STAGES / f"{stage}.json").is_file()

    def mark(self, stage: str, record: dict[str, Any]) -> None:
        """Stage is done; `record` is what the later stages need to know of it."""
        write_json(self.path / STAGES / f"{stage}.json", record)
        if (self.path / BEFORE).is_dir():
            shutil.rmtree(self.path / BEFORE)  # the new run stands: what it replaces is no longer wanted

    def marked(self, stage: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.path / STAGES / f"{stage}.json").read_text(encoding="utf-8"))
        return found


def stored_identity(path: Path) -> dict[str, Any] | None:
    """The identity of the run in a folder; None when it is no run folder."""
    try:
        found = json.loads((path / STAGES / "identity.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"config", "data", "machine"} <= found.keys() else None


def _locked(path: Path) -> int:
    """A file descriptor holding the folder's lock. Raises SurroundingsError when another process has it."""
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise SurroundingsError(
            f"Another process (number {holder}) is working in {path}. Wait until it ends, or choose another --out."
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode("ascii"), 0)
    return lock


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a finished run while its record is rewritten."""
    lock = _locked(path)
    try:
        yield
    finally:
        os.close(lock)


def refuse_foreign(path: Path) -> None:
    """Raise InputError when `path` is a file, or a folder that holds something and is no run."""
    if path.exists() and not path.is_dir():
        raise InputError(f"--out {path} is a file; give a folder, new or empty.")
    if path.is_dir() and not any(stored_identity(place) for place in (path, path / MOVING, path / BEFORE)):
        others = sorted(entry.name for entry in path.iterdir() if entry.name not in MAY_COME_FIRST)
        # What a run leaves behind that died before its identity was whole.
        others = [name for name in others if not (name.startswith(".") and name.endswith(".part"))]
        others = [name for name in others if name != STAGES or any((path / STAGES).glob("*.json"))]
        others = [name for name in others if name not in (BEFORE, MOVING)]
        if others:
            shown = ", ".join(others[:3])
            raise InputError(f"--out {path} holds other files ({shown}) and is no veridical run. Choose a new or empty folder.")


def _made(path: Path) -> None:
    refuse_foreign(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SurroundingsError(f"The folder {path} cannot be made ({error.strerror}). Choose another --out.") from error


def _ours(path: Path) -> tuple[str, ...]:
    """Names of what a run of the folder's verb writes."""
    stored = stored_identity(path)
    return (*OURS, *PRETRAINED) if stored is not None and stored.get("verb") == "pretrain" else OURS


def _emptied(path: Path) -> None:
    # The identity goes last: a folder half emptied by a kill is still known as a run.
    for name in sorted(_ours(path), key=lambda name: name == STAGES):
        entry = path / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink(missing_ok=True)


def _put_aside(path: Path) -> None:
    """The run in a folder, moved into its sub-folder BEFORE until the new one has a stage done. What is moved one by one goes
    into MOVING, and that becomes BEFORE at once: whoever comes after a kill knows from the name whose the rest is."""
    there = [name for name in _ours(path) if (path / name).exists() or (path / name).is_symlink()]
    if not there:
        return
    (path / MOVING).mkdir()
    for name in there:
        (path / name).rename(path / MOVING / name)
    (path / MOVING).rename(path / BEFORE)


def _moved_back(path: Path) -> None:
    """What lies in MOVING, in its place again; nothing there is in its way."""
    if (path / MOVING).is_dir():
        for entry in sorted((path / MOVING).iterdir(), key=lambda entry: entry.name == STAGES):
            entry.rename(path / entry.name)
        (path / MOVING).rmdir()


def _given_back(path: Path) -> bool:
    """What `_put_aside` moved, in its place again; False where nothing was put aside."""
    if not (path / BEFORE).is_dir():
        return False
    _emptied(path)
    (path / BEFORE).rename(path / MOVING)
    _moved_back(path)
    return True


def _settled(path: Path) -> None:
    """The folder after a --fresh that was killed: what was there before where the new run has no stage done, else the new run."""
    _moved_back(path)
    if any(marker.stem != "identity" for marker in (path / STAGES).glob("*.json")):
        shutil.rmtree(path / BEFORE, ignore_errors=True)
    else:
        _given_back(path)


def folder_of(out: Path | None, identity: dict[str, Any]) -> Path:
    """The folder of the run with this identity."""
    return out if out is not None else Path("runs") / hash_of(json.loads(json.dumps(identity)))[:12]


def wait_for_release(path: Path) -> None:
    """Return when no other process works in the folder."""
    lock = os.open(path / LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def claim(out: Path | None, identity: dict[str, Any], *, threads: int, fresh: bool = False) -> RunFolder:
    """Hold the folder of this run: a new one, an unfinished one to go on with, or a finished one to read.

    Raises InputError when the folder holds something else or another run, SurroundingsError when another process holds it.
    """
    identity = json.loads(json.dumps(identity))  # as it will be read back: tuples are lists
    path = folder_of(out, identity)
    _made(path)
    lock = _locked(path)
    try:
        _settled(path)
        if fresh:
            _put_aside(path)
        for half_written in path.rglob(".*.part"):
            half_written.unlink(missing_ok=True)
        stored = stored_identity(path)
        if stored is not None:
            found = differences(stored, identity)
            if found:
                raise InputError(
                    f"{path} holds another run: {'; '.join(found)}. Choose another --out, or start over there with --fresh."
                )
            return RunFolder(path, identity, lock, resumed=True, machine=stored["machine"])
        machine = {"threads": threads}
        write_json(path / STAGES / "identity.json", {**identity, "machine": machine})
        return RunFolder(path, identity, lock, resumed=False, machine=machine)
    except BaseException:
        os.close(lock)
        raise
