"""Answers of tasks with more than one label a row: predictions.parquet, a file of predictions, floors."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.atomic_write import write_json
from veridical.core.bootstrap import cluster_bootstrap_means, percentile_interval
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.proportion import opened_share
from veridical.core.randomness import stream
from veridical.dataset.row_shape import BadCell
from veridical.pipeline.records import write_table

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.models.model import FloatArray
    from veridical.tasks._contract import Margins, Measure, Structure
    from veridical.train.answered import Answered

REPLICATES = 1000
"""Bootstrap replicates of a floor. Convention."""
SHOWN = 40
"""Characters of a wrong value that a refusal shows. Ours; no source."""


def write_answered(folder: Path, trained: "Answered", data: "Dataset") -> None:
    """model/, dynamics.parquet and predictions.parquet."""
    import pyarrow as pa

    if trained.model is not None:
        trained.model.save(folder / "model")
        write_json(folder / "model" / "roles.json", {**data.roles, "notation": data.notation})
    if trained.dynamics is not None:
        write_table(trained.dynamics, folder / "dynamics.parquet")
    columns = {
        "id": data.table.column("id"),
        "split": data.table.column("split"),
        "label": data.table.column("label"),
        "predicted": pa.array(trained.said, pa.string()),
        "confidence": pa.array(trained.confidence, pa.float64()),
    }
    about = {"names": json.dumps(list(trained.names)), "kind": trained.kind, "external": json.dumps(trained.external)}
    about["warnings"] = json.dumps(trained.warnings)
    about["learned"] = json.dumps(None if trained.learned is None else asdict(trained.learned))
    write_table(pa.table(columns).replace_schema_metadata(about), folder / "predictions.parquet")


def read_answered(folder: Path, *, seconds: float) -> "Answered":
    """What `write_answered` wrote."""
    import pyarrow.parquet as pq

    from veridical.models.stored import open_answering
    from veridical.train.answered import Answered
    from veridical.train.trained import Learned

    table = pq.read_table(folder / "predictions.parquet")
    about = {key.decode(): value.decode() for key, value in table.schema.metadata.items() if key != b"ARROW:schema"}
    learned, dynamics = json.loads(about["learned"]), folder / "dynamics.parquet"
    return Answered(
        model=None if about["kind"] == "predictions" else open_answering(folder / "model"),
        kind=about["kind"],
        ids=tuple(table.column("id").to_pylist()),
        said=tuple(table.column("predicted").to_pylist()),
        confidence=np.asarray(table.column("confidence").to_numpy(zero_copy_only=False), np.float64),
        names=tuple(json.loads(about["names"])),
        dynamics=pq.read_table(dynamics) if dynamics.is_file() else None,
        seconds=seconds,
        external=json.loads(about["external"]),
        warnings=tuple(json.loads(about["warnings"])),
        learned=None if learned is None else Learned(**learned),
    )


def read_answers(folder: Path, *, ids: list[str]) -> tuple[list[str], list[str]]:
    """(labels, answers) that a run's predictions.parquet holds for the rows `ids`."""
    import pyarrow.parquet as pq

    path = folder / "predictions.parquet"
    if not path.is_file():
        raise InputError(f"{path} is missing, so the run's answers are not known. Run again with --fresh.")
    table = pq.read_table(path, columns=["id", "label", "predicted"])
    told = {row: (label, said) for row, label, said in zip(*(table.column(i).to_pylist() for i in range(3)), strict=True)}
    absent = [row for row in ids if row not in told]
    if absent:
        raise InputError(f"{path} lacks {len(absent)} of the run's test rows, first {absent[0]!r}. Run again with --fresh.")
    return [str(told[row][0]) for row in ids], [str(told[row][1] or "") for row in ids]


def read_said(path: Path, *, data: "Dataset", structure: "Structure") -> tuple[list[str | None], "FloatArray"]:
    """(answers, confidences) of a file of JSON lines of id, label and perhaps confidence, for the rows of `data`; None and NaN
    for what is not in it. A label is what the label column may hold. Raises InputError for what cannot be read, and where a test
    row is missing."""
    told: dict[str, str] = {}
    sure: dict[str, float] = {}
    read = structure.shape.cells["label"]
    for place, row in _lines(path):
        if not isinstance(row, dict) or "id" not in row or "label" not in row:
            raise InputError(f"{place}: id and label are needed. Write lines like those of: veridical predict.")
        cell = row["label"] if isinstance(row["label"], str) else json.dumps(row["label"], ensure_ascii=False)
        try:
            told[str(row["id"])] = read(cell)
        except BadCell as bad:
            raise InputError(f"{place}: {bad}. Write lines like those of: veridical predict.") from bad
        sure[str(row["id"])] = _confidence(row.get("confidence"), place=place)
    notation = structure.shape.notation(list(told.values()), data.notation or None)[0]
    told = dict(zip(told, notation, strict=True))
    missing = [data.ids[row] for row in data.rows("test") if data.ids[row] not in told]
    if missing:
        raise InputError(f"{path} lacks {len(missing)} of the test rows, first {missing[0]!r}. Give an answer to every test row.")
    for row in data.rows("test"):
        wrong = structure.shape.agree(data.texts[row], None, told[data.ids[row]]) if structure.head == "words" else ""
        if wrong:
            raise InputError(f"{path}, row {data.ids[row]!r}: {wrong}. Give one tag for every token.")
    unsure = [data.ids[row] for row in data.rows("test") if math.isnan(sure[data.ids[row]])]
    if 0 < len(unsure) < len(data.rows("test")):
        raise InputError(
            f"{path} lacks the confidence of {len(unsure)} of the test rows, first {unsure[0]!r}. Give it for every test row, or "
            "for none."
        )
    return [told.get(row) for row in data.ids], np.array([sure.get(row, math.nan) for row in data.ids], np.float64)


def _confidence(given: object, *, place: str) -> float:
    """NaN where none is given."""
    if given is None:
        return math.nan
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        shown = repr(given)[:SHOWN]
        raise InputError(
            f"{place}: the confidence is {shown}; it must be a number from 0 to 1. Leave it out where it is not known."
        )
    return float(given)


def _lines(path: Path) -> Iterator[tuple[str, object]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}, line {number}", json.loads(line)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}). Check --predictions.") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON lines ({error}). Write one object a line.") from error


def floors_of(data: "Dataset", structure: "Structure", *, metric: str, seed: int) -> dict[str, Estimate]:
    """Floor name -> its score on the test rows; intervals resample distinct inputs."""
    test, measure = data.rows("test"), structure.measures[metric]
    if not len(data.rows("train")) or not len(test):
        return {}
    gold, inputs = [str(data.answers[row]) for row in test], data.inputs(test)
    seen: dict[object, int] = {}
    units = np.array([seen.setdefault(text, len(seen)) for text in inputs], np.int64)
    return {
        name: _estimate(measure.margins(gold, said, data.labels), measure, units, rng=stream(seed, f"floors/{name}"))
        for name, said in structure.floors(data).items()
    }


def _estimate(rows: "Margins", measure: "Measure", units: "np.ndarray", *, rng: np.random.Generator) -> Estimate:
    stacked = rows.stacked()
    value = float(measure.metric(*np.split(stacked.sum(axis=0), 3)))
    means = cluster_bootstrap_means(stacked, units, REPLICATES, rng)
    n_units = len(np.unique(units))
    drawn = np.array([measure.metric(*np.split(row, 3)) for row in means])
    interval = percentile_interval(drawn, value)
    low, high = opened_share(interval, value, n=n_units) if value > 0 else interval  # a rule is not wrong everywhere by luck
    return Estimate(value, low, high, 0.95, len(units), n_units, "bootstrap over distinct inputs")
