"""`veridical predict`: a stored model on new rows, as JSON lines."""

import json
from dataclasses import dataclass
from pathlib import Path

from veridical.core.atomic_write import refuse_other, write_with
from veridical.core.errors import InputError
from veridical.core.progress import Progress, silent

BATCH = 4096
"""Rows predicted at a time, so that memory stays bounded. Ours; no source."""
SHOWN_COLUMNS = 10
"""Columns that a refusal lists. Ours; no source."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Lines written, rows set aside, whether ids had to be made from the places of the rows, and what was assumed in reading."""

    n_rows: int
    n_aside: int
    ids_made: bool
    warnings: tuple[str, ...] = ()


def predict(
    model: Path,
    source: Path,
    *,
    out: Path,
    text: str | None = None,
    second: str | None = None,
    id: str | None = None,
    first_entity: str | None = None,
    second_entity: str | None = None,
    progress: Progress = silent,
) -> Predicted:
    """Write one line {"id", "label", "probabilities"} per usable row."""
    import numpy as np

    from veridical.core.plugins import get
    from veridical.dataset.loading import load_inputs
    from veridical.dataset.row_shape import refuse_option
    from veridical.models.stored import ANSWERING, kind_of, open_model

    refuse_other(out, made="predictions", ours=_is_ours)
    if kind_of(model) in ANSWERING:
        return _answers(model, source, out=out, text=text, second=second, id=id, progress=progress)
    opened = open_model(model)
    roles = _roles(model, source, text=text, second=second, id=id)
    remembered, entities = _remembered(model), {"first_entity": first_entity, "second_entity": second_entity}
    task = remembered.get("task", "classification")
    shape = get("veridical.tasks", "task", task).shape
    refuse_option(shape, entities, task=task)
    there = _columns(source) if shape else set()
    known = {role: remembered[role] for role in (shape.beside if shape else ()) if remembered.get(role) in there}
    data = load_inputs(
        source, text=roles["text"], second=roles["second"], id=roles["id"], task=task, shape=shape,
        beside=known | {role: column for role, column in entities.items() if column is not None}, progress=progress,
    )  # fmt: skip
    labels = opened.labels

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8") as lines:
            for start in range(0, len(data), BATCH):
                progress("predict", start, len(data))
                rows = np.arange(start, min(start + BATCH, len(data)))
                for at, row in zip(rows, opened.predict(data.inputs(rows)), strict=True):
                    record = {
                        "id": data.ids[at],
                        "label": labels[int(row.argmax())],
                        "probabilities": {label: float(p) for label, p in zip(labels, row, strict=True)},
                    }
                    lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    write_with(out, write)
    return Predicted(len(data), data.set_aside.num_rows, ids_made="id" not in data.roles, warnings=data.warnings)


def _answers(
    model: Path, source: Path, *, out: Path, text: str | None, second: str | None, id: str | None, progress: Progress
) -> Predicted:
    """Write one line {"id", "label", "confidence"} per usable row; a label is a list of tags or names, or an answer's text."""
    import numpy as np

    from veridical.core.plugins import get
    from veridical.dataset.loading import load_inputs
    from veridical.models.stored import open_answering

    opened = open_answering(model)
    structure = get("veridical.tasks", "task", opened.task).structure
    roles = _roles(model, source, text=text, second=second, id=id)
    notation = _remembered(model).get("notation")
    data = load_inputs(
        source, text=roles["text"], second=roles["second"], id=roles["id"], task=opened.task, shape=structure.shape,
        notation=notation or None, progress=progress,
    )  # fmt: skip

    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8") as lines:
            for start in range(0, len(data), BATCH):
                progress("predict", start, len(data))
                rows = np.arange(start, min(start + BATCH, len(data)))
                found = opened.answer(data.inputs(rows))
                for at, said, sure in zip(rows, found.said, found.confidence, strict=True):
                    label = structure.written(said, notation or "")
                    record = {"id": data.ids[at], "label": label, "confidence": float(sure)}
                    lines.write(json.dumps(record, ensure_ascii=False) + "\n")

    write_with(out, write)
    return Predicted(len(data), data.set_aside.num_rows, ids_made="id" not in data.roles, warnings=data.warnings)


def _is_ours(path: Path) -> bool:
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    return not first or set(json.loads(first)) in ({"id", "label", "probabilities"}, {"id", "label", "confidence"})


def _roles(model: Path, source: Path, *, text: str | None, second: str | None, id: str | None) -> dict[str, str | None]:
    """Options first, then the columns of training where the file has them; the rest is guessed by the loader."""
    given = {"text": text, "second": second, "id": id}
    remembered = _remembered(model)
    if not remembered:
        return given
    there = _columns(source)
    for role in ("text", "second"):
        name = remembered.get(role)
        if name is not None and name not in there and given[role] is None:
            shown = ", ".join(sorted(there)[:SHOWN_COLUMNS])
            raise InputError(
                f"{source} has no column {name!r}, which the model was trained to read as its {role}; its columns: {shown}. "
                f"Name the one to read with --{role} COLUMN."
            )
    return {role: value or (remembered.get(role) if remembered.get(role) in there else None) for role, value in given.items()}


def _remembered(model: Path) -> dict[str, str]:
    """Task and columns of training; empty for a model that was saved alone."""
    stored = model / "roles.json"
    found: dict[str, str] = json.loads(stored.read_text(encoding="utf-8")) if stored.is_file() else {}
    return found


def _columns(source: Path) -> set[str]:
    """Names of the columns of a file, by the loader's own eyes."""
    from veridical.dataset.loading import columns_of

    return set(columns_of(source))
