"""Models someone already has: a Python callable, or only a file of its predictions. They are judged, never retrained."""

import importlib
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from veridical.core.counted import counted
from veridical.core.errors import InputError, VeridicalError
from veridical.dataset.rows import Dataset, Text
from veridical.models.model import FloatArray, Model

SUM_TOLERANCE = 0.01
"""How far the probabilities of one row may be from 1, because they were rounded when written. Ours; no source."""
BATCH = 256
"""Texts given to a callable at a time. Ours; no source."""
ASKED_TWICE = 64
"""Inputs asked a second time to see whether a callable changes its answers. Ours; no source."""
SHOWN_CHARACTERS = 300
"""Characters of a callable's own error message that are shown. Ours; no source."""
SHOWN_VALUE = 80
"""Characters of a label or value in an answer that are shown. Ours; no source."""


def probabilities_of(answer: Any, *, labels: tuple[str, ...], where: str) -> list[float]:
    """One row's {label: p} in the order of `labels`; labels not named get 0. Raises InputError naming `where`."""
    if not isinstance(answer, dict) or not answer:
        raise InputError(f"{where} gives {type(answer).__name__} where label: probability pairs are needed.")
    for name, value in answer.items():
        if name not in labels:
            shown = ", ".join(labels[:10])
            if not isinstance(name, str) and str(name) in labels:
                raise InputError(
                    f"{where} names the label {_value(name)} as {_kind(name)}; labels are texts. Give {str(name)!r}."
                )
            raise InputError(f"{where} names the label {_value(name)}, which the data do not have. Labels of the data: {shown}.")
        number = isinstance(value, int | float | np.floating | np.integer) and not isinstance(value, bool)
        if not number or not 0 <= value <= 1 + SUM_TOLERANCE:
            raise InputError(f"{where} gives {_value(value)} for label {name!r}; a probability is a number from 0 to 1.")
    row = [float(answer.get(name, 0.0)) for name in labels]
    total = sum(row)
    if abs(total - 1) > SUM_TOLERANCE:
        raise InputError(f"{where} has probabilities that sum to {total:.3f}; they must sum to 1. Give all labels.")
    return [value / total for value in row]


def _kind(name: object) -> str:
    return "a true or false" if isinstance(name, bool) else "a number" if isinstance(name, int | float) else "no text"


def _value(value: object) -> str:
    said = repr(value)
    return said if len(said) <= SHOWN_VALUE else f"{said[:SHOWN_VALUE]}..."


@dataclass(frozen=True, slots=True)
class AskedTwice:
    """How many different inputs were asked a second time, and how many of them then got another predicted label."""

    n: int
    changed: int


def asked_twice(model: Model, inputs: Sequence[Text]) -> AskedTwice:
    """Of up to ASKED_TWICE different inputs."""
    chosen = list(dict.fromkeys(inputs))[:ASKED_TWICE]
    if not chosen:
        return AskedTwice(0, 0)
    first, second = model.predict(chosen).argmax(axis=1), model.predict(chosen).argmax(axis=1)
    return AskedTwice(len(chosen), int((first != second).sum()))


@dataclass(frozen=True, eq=False)
class CallableModel:
    """`function(texts)` returns one {label: probability} per text. `name` is how the user called it."""

    name: str
    function: Callable[[list[Text]], Sequence[dict[str, float]]]
    labels: tuple[str, ...]
    kind: str = "callable"

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        rows: list[list[float]] = []
        for start in range(0, len(inputs), BATCH):
            batch = list(inputs[start : start + BATCH])
            answers = self._asked(batch)
            if not isinstance(answers, list | tuple) or len(answers) != len(batch):
                got = len(answers) if isinstance(answers, list | tuple) else type(answers).__name__
                raise InputError(
                    f"{self.name} got {counted(len(batch), 'text')} and gave {got}; it must return a list with one dict per text."
                )
            for answer in answers:
                rows.append(probabilities_of(answer, labels=self.labels, where=f"The answer of {self.name}"))
        return np.asarray(rows, dtype=np.float64).reshape(-1, len(self.labels))

    def _asked(self, batch: list[Text]) -> Any:
        try:
            with redirect_stdout(sys.stderr):  # what is printed there must not stand among the results
                return self.function(batch)
        except VeridicalError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(
                f"{self.name} raised {_shown(error)} on {counted(len(batch), 'text')} ({_place(error)}). Correct the function; "
                "it gets a list of texts (or of pairs) and returns one dict per text."
            ) from error

    def asked_twice(self, inputs: Sequence[Text]) -> AskedTwice:
        """`asked_twice` of some of the inputs."""
        return asked_twice(self, inputs)

    def save(self, folder: Path) -> None:
        raise InputError(f"{self.name} is code, and veridical stores no code; there is nothing to save in {folder}.")


def callable_model(model: str, *, labels: tuple[str, ...]) -> CallableModel:
    """Import pkg.module:function, from the working directory too. Raises InputError when that is not possible."""
    module, _, function = model.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        with redirect_stdout(sys.stderr):
            found = getattr(importlib.import_module(module), function, None)
    except ImportError as error:
        raise InputError(
            f"--model {model}: the module cannot be imported ({error}). Install it or run from its folder."
        ) from error
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--model {model}: importing the module raised {_shown(error)} ({_place(error)}). Correct it, then run again."
        ) from error
    if not callable(found):
        raise InputError(f"--model {model}: {module} has no function {function!r}. Give pkg.module:function.")
    return CallableModel(model, found, labels)


def _shown(error: BaseException) -> str:
    said = " ".join(str(error).split())[:SHOWN_CHARACTERS].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _place(error: BaseException) -> str:
    """File and line that raised."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or '').name} line {error.lineno}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name} line {last.lineno}"


def read_predictions(path: Path, *, data: Dataset) -> FloatArray:
    """Probabilities (N, C) for the rows of `data` from JSON lines; NaN for train rows that the file does not name.

    Raises InputError on a line that is not one prediction, on ids twice, unknown or missing among the test rows.
    """
    position = {row: at for at, row in enumerate(data.ids)}
    aside = set(data.set_aside.column("id").to_pylist())
    probabilities = np.full((len(data), len(data.labels)), np.nan)
    seen: set[str] = set()
    unknown: list[str] = []
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path} line {number}"
        name, row = _prediction(line, labels=data.labels, where=where)
        if name in seen:
            raise InputError(f"{where} predicts id {name!r} a second time; give each id once.")
        seen.add(name)
        if name in position:
            probabilities[position[name]] = row
        elif name not in aside:
            unknown.append(name)
    _refuse_gaps(path, missing=[data.ids[at] for at in data.rows("test") if data.ids[at] not in seen], unknown=unknown)
    return probabilities


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8-sig").split("\n") if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The predictions {path} cannot be read ({error}). Give a UTF-8 file of JSON lines.") from error


def _prediction(line: str, *, labels: tuple[str, ...], where: str) -> tuple[str, list[float]]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where} is not JSON ({error}). One line is: {{'id', 'label', 'probabilities'}}.") from error
    if not isinstance(record, dict) or "id" not in record or "probabilities" not in record:
        raise InputError(f"{where} has no id or no probabilities. One line is: {{'id', 'label', 'probabilities'}}.")
    row = probabilities_of(record["probabilities"], labels=labels, where=where)
    said = record.get("label")
    if said is not None and (said not in labels or row[labels.index(said)] < max(row) - 1e-6):
        raise InputError(f"{where} predicts {said!r}, but its probabilities are highest elsewhere; make the two agree.")
    return str(record["id"]), row


def _refuse_gaps(path: Path, *, missing: list[str], unknown: list[str]) -> None:
    if missing or unknown:
        parts = [
            f"{len(ids)} {what} (for example {ids[0]!r})"
            for ids, what in (
                (missing, "test row is missing" if len(missing) == 1 else "test rows are missing"),
                (unknown, "id is not in the data" if len(unknown) == 1 else "ids are not in the data"),
            )
            if ids
        ]
        raise InputError(f"{path}: {' and '.join(parts)}. Give one line for each test row, with the ids of --id.")
