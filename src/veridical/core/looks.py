"""The log of looks at a test set: one line a finished run, in `looks.jsonl` beside the run folders.

A score that was chosen among many on one test set is partly luck; how many there were is known only if it is written down. A line
holds the fingerprint of the test rows, the run and its reported score, no text. Lines are appended whole under a lock; what is
not ours in the file is skipped and counted, never changed.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE = "looks.jsonl"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Look:
    """One run's score on one test set.

    test: fingerprint of the test rows. run: hash of what makes two runs the same (configuration and data): a run done twice is
    one look. folder: name of the run folder, beside the log. time: UTC, ISO 8601. reported: a share.
    """

    test: str
    run: str
    folder: str
    time: str
    model: str
    metric: str
    reported: float

    def predictions(self, log: Path) -> Path:
        """Where the run keeps its predictions; the folder may be gone by now."""
        return log.parent / self.folder / "predictions.parquet"


@dataclass(frozen=True, slots=True)
class Looks:
    """What a log says. looks: oldest first. not_ours: lines that could not be read as ours and were skipped."""

    path: Path
    looks: tuple[Look, ...] = ()
    not_ours: int = 0

    def at(self, test: str, *, but: Iterable[str] = ()) -> tuple[Look, ...]:
        """The distinct runs that scored the test set with this fingerprint, except the runs (by hash) in `but`; of a run logged
        twice, the last line."""
        left_out = set(but)
        last = {look.run: look for look in self.looks if look.test == test and look.run not in left_out}
        return tuple(last.values())


def log_of(run_folder: Path) -> Path:
    """The log that a run folder belongs to: in the folder that holds it."""
    return run_folder.resolve().parent / FILE


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def append(path: Path, look: Look) -> None:
    """Add one line, whole even if other processes write at the same moment. Raises OSError when the log cannot be written."""
    line = json.dumps({"format": FORMAT, **asdict(look)}, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line  # what was cut off before us stays a line of its own
        written = 0
        while written < len(line):
            written += os.write(handle, line[written:])
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> Looks:
    """The looks in a log; none where there is no file. Never raises for what stands in it."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return Looks(path)
    read_lines = [_look(line) for line in lines if line.strip()]
    looks = tuple(look for look in read_lines if look is not None)
    return Looks(path, looks, len(read_lines) - len(looks))


def _look(line: bytes) -> Look | None:
    """None for a line that is not ours."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return None
    given: dict[str, Any] = {field.name: record.get(field.name) for field in fields(Look)}
    reported = given.pop("reported")
    if not all(isinstance(value, str) for value in given.values()):
        return None
    if isinstance(reported, bool) or not isinstance(reported, int | float) or not math.isfinite(reported):
        return None
    return Look(**given, reported=float(reported))
