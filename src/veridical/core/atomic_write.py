"""Write a file so that a reader sees the old content or the new one, never half; a full disk leaves the old file."""

import csv
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from veridical.core.errors import InputError, SurroundingsError, is_full_disk


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write(temporary path)`, flush it to disk, then rename over `path`.

    Raises SurroundingsError when the disk is full or the folder cannot be written; `path` is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except Exception as error:
        if not isinstance(error, OSError) and not is_full_disk(error):
            raise
        said = getattr(error, "strerror", None) or error
        raise SurroundingsError(
            f"Could not write {path}: {said}. That file is as it was. Free some space, then give the same "
            "command again: it goes on where it stopped; or choose another --out."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def refuse_other(path: Path, *, made: str, ours: Callable[[Path], bool]) -> None:
    """Raise InputError where `path` holds something that is not an earlier output of the same kind: it would be lost.

    made: what this command writes. ours: whether the file is such an output; errors of reading it mean no.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file.")
    try:
        foreign = path.exists() and not ours(path)
    except (OSError, ValueError, KeyError, csv.Error):
        foreign = True
    if foreign:
        raise InputError(f"{path} holds something else than {made}; it would be lost. Move it away, or name another file.")


def write_text(path: Path, text: str) -> None:
    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_with(path, write)


def write_json(path: Path, record: Any) -> None:
    """JSON with sorted-as-given keys, UTF-8, no NaN (a NaN in a record is our bug and raises)."""
    write_text(path, json.dumps(record, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
