"""pretrain.json: what a model was pre-trained on, what the audit of it found, and how well it predicts text it never saw."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from veridical.core.atomic_write import write_json
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate

FORMAT = 1
FILE = "pretrain.json"


@dataclass(frozen=True, slots=True)
class Measure:
    """How well one objective is met, clustered by document.

    unit: perplexity (lower is better; the exponential of the mean loss in nats) or accuracy (a share). held_out: on documents set
    apart. unleaked: the same without those that have a twin in train, None where there are none. train: on as many documents that
    were trained on. ratio: held-out perplexity / train perplexity; 1 says that nothing was learned by heart. floor: what knowing
    only how often each answer stands in train reaches on the same questions. bits_per_character: comparable over tokenizers, for
    objectives that read every token.
    """

    objective: str
    unit: str
    held_out: Estimate
    unleaked: Estimate | None
    train: Estimate
    ratio: Estimate | None
    floor: Estimate
    bits_per_character: Estimate | None


@dataclass(frozen=True, slots=True)
class Audited:
    """One check of the corpus, without its findings (these are in findings.parquet)."""

    check: str
    status: str
    n_documents: int
    n_found: int
    summary: str
    why: str


@dataclass(frozen=True, slots=True)
class PretrainRecord:
    """base: weights it was continued from, or empty. n_set_aside: documents that repairs took out of train. n_leaked: held-out
    documents with a twin in train. n_tokens: in train, once through. padding: share of the trained tokens that are padding.
    curve: (step, mean loss since the entry before). seconds: of the parts, in all sittings that are known of."""

    veridical: str
    objective: str
    architecture: str
    base: str
    seed: int
    n_documents: int
    n_train: int
    n_held_out: int
    n_set_aside: int
    n_leaked: int
    n_tokens: int
    vocabulary: int
    n_parameters: int
    steps: int
    epochs: float
    padding: float
    measures: tuple[Measure, ...]
    audit: tuple[Audited, ...]
    repairs: tuple[str, ...]
    curve: tuple[tuple[int, float], ...]
    config: dict[str, Any]
    fingerprints: dict[str, str]
    choices: dict[str, Any]
    seconds: dict[str, float]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "PretrainRecord":
        plain = {field.name: record[field.name] for field in fields(cls)}
        plain["measures"] = tuple(_measure(one) for one in record["measures"])
        plain["audit"] = tuple(Audited(**one) for one in record["audit"])
        plain["curve"] = tuple((int(step), float(loss)) for step, loss in record["curve"])
        return cls(**{**plain, "repairs": tuple(record["repairs"]), "warnings": tuple(record["warnings"])})


def _measure(record: dict[str, Any]) -> Measure:
    values: dict[str, Any] = {n: Estimate.from_json(value) if isinstance(value, dict) else value for n, value in record.items()}
    return Measure(**values)


def save(record: PretrainRecord, folder: Path) -> None:
    write_json(folder / FILE, record.to_json())


def read(folder: Path) -> PretrainRecord:
    """The record in a folder. Raises InputError when there is none, or it is of another format."""
    path = folder / FILE
    if not path.is_file():
        raise InputError(f"{folder} holds no {FILE}. Make one with: veridical pretrain TEXT --out {folder}")
    record = json.loads(path.read_text(encoding="utf-8"))
    if record.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {record.get('format')!r}; this veridical reads format {FORMAT}. Pre-train again with --fresh."
        )
    return PretrainRecord.from_json(record)
