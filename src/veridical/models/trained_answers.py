"""Answers of trained models, kept on disk while the work that needs them lasts: killed, it does not train these models again."""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.atomic_write import write_with
from veridical.core.errors import InputError


@dataclass(frozen=True, slots=True)
class TrainedAnswers:
    """folder: of one run with one configuration, so that a key need not say what was configured."""

    folder: Path

    def of(self, key: Sequence[Any], train: Callable[[Path], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The answers under a key: as they are kept, else as `train` gives them. It may save its state in the folder it is given,
        which is removed once the answers are there."""
        name = digest_of(key)
        path, state = self.folder / f"{name}.npy", self.folder / f"{name}.training"
        if not path.is_file():
            answers = np.ascontiguousarray(train(state))
            write_with(path, lambda part: _write(part, answers))
        shutil.rmtree(state, ignore_errors=True)
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except ValueError as error:
            raise InputError(
                f"{path} cannot be read as an array ({error}). Remove it; its model is then trained again."
            ) from error

    def said(self, key: Sequence[Any], train: Callable[[Path], Sequence[str]]) -> npt.NDArray[Any]:
        """The same where answers are texts, (n,) of them."""
        return self.of(key, lambda state: np.array(train(state), dtype=np.str_)).astype(object)


def _write(path: Path, answers: npt.NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, answers, allow_pickle=False)


def digest_of(key: Sequence[Any]) -> str:
    """32 hex digits; arrays by their bytes, everything else as JSON."""
    digest = hashlib.sha256()
    for part in key:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        digest.update(b"\xff")
    return digest.hexdigest()[:32]
