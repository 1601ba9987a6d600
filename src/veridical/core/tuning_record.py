"""tuning.json: ways to tune one encoder, side by side. Scores are shares 0..1, differences percentage points."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate

FORMAT = 2


@dataclass(frozen=True, slots=True)
class TunedMethod:
    """One way to tune.

    name: as it was asked for, knobs included. score: on rows that no training saw. difference: to the first method's score in
    points, paired, None for the first. n_trained, n_all: numbers that could change, and all. seconds: of the training. memory_mb:
    what the training held at most beyond what was held before; None where the system does not say. drift: mean of 1 - cosine
    between the encoder's features before and after, on the scored rows: 0 nothing, 1 unrelated. forgotten: what linear readers of
    these features lost on tasks whose answers the texts themselves give (length, numbers, names, words, topics, word order), in
    points of area under the ROC, mean over the tasks; None where none could be made. why: the reason where it could not be
    trained; then there are no figures.
    """

    name: str
    score: Estimate | None
    difference: Estimate | None
    n_trained: int
    n_all: int
    seconds: float
    memory_mb: int | None
    drift: Estimate | None
    forgotten: Estimate | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class TuningRecord:
    """scored_on: valid (its own file or column) or train (a part set apart). n_left_out: rows of it that have a near-duplicate in
    train or no known label."""

    veridical: str
    metric: str
    model: str
    seed: int
    n_train: int
    n_scored: int
    n_clusters: int
    n_left_out: int
    scored_on: str
    level: float
    methods: tuple[TunedMethod, ...]
    config: dict[str, Any]
    fingerprints: dict[str, str]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "TuningRecord":
        plain = {name: value for name, value in record.items() if name not in ("format", "methods", "warnings")}
        methods = tuple(
            TunedMethod(
                **{
                    **one,
                    **{k: Estimate.from_json(one[k]) if one[k] else None for k in ("score", "difference", "drift", "forgotten")},
                }
            )
            for one in record["methods"]
        )
        return cls(methods=methods, warnings=tuple(record["warnings"]), **plain)


def save(record: TuningRecord, folder: Path) -> Path:
    path = folder / "tuning.json"
    write_json(path, record.to_json())
    return path


def read(folder: Path) -> TuningRecord:
    """The record in a folder. Raises InputError when there is none, or it is of another format."""
    path = folder / "tuning.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no tuning.json. Make one with: veridical tune DATA --out {folder}")
    record = json.loads(path.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {record.get('format')!r}; this veridical reads format {FORMAT}. Tune again with --fresh."
        )
    return TuningRecord.from_json(record)
