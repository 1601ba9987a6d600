"""training.jsonl: one line a step and one an epoch, in order and each once, however often training was interrupted."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from veridical.core.atomic_write import write_text
from veridical.core.errors import SurroundingsError
from veridical.train.watching import EpochSeen, StepSeen

FILE = "training.jsonl"


@dataclass(slots=True)
class TrainingLog:
    """A watcher that writes what it is told. A kill leaves lines beyond the saved state; `begins` cuts them off."""

    path: Path
    _file: IO[str] | None = field(default=None, repr=False)

    def begins(self, step: int, epoch: int) -> None:
        self.close()
        kept = [line for line in read_log(self.path) if _happened(line, step, epoch)] if step else []
        write_text(self.path, "".join(_written(line) for line in kept))
        self._file = self.path.open("a", encoding="utf-8", buffering=1)  # line by line: a kill loses none that was written

    def after_step(self, seen: StepSeen) -> None:
        self._write(asdict(seen))

    def after_epoch(self, seen: EpochSeen) -> bool:
        self._write(asdict(seen))
        return True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        assert self._file is not None, "begins comes first"
        try:
            self._file.write(_written(line))
        except OSError as error:
            raise SurroundingsError(
                f"Could not write {self.path}: {error.strerror or error}. Free some space, then give the same command again: it "
                "goes on where it stopped."
            ) from error


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a training log; a last line that a kill left half written is no line."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def _happened(line: dict[str, Any], step: int, epoch: int) -> bool:
    return bool(line["epoch"] <= epoch if "score" in line else line["step"] <= step)


def _written(line: dict[str, Any]) -> str:
    return json.dumps(line, allow_nan=False) + "\n"
