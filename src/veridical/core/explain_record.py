"""Which rows made a component what it is: explain.json (the components) and explain.parquet (a row each). Computed in `explain/`,
drawn in `report/`."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from veridical.core.atomic_write import write_json, write_with
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Ledger

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
FILE = "explain.json"
ROWS_FILE = "explain.parquet"
RowKind = Literal["exact", "modelled", "influence", "heuristic"]
COLUMNS = ("component", "row", "split", "points", "rank", "kind", "label", "text")


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """One row and the percentage points of the component that it carries. rank: 1 is the row that does most in the component's
    direction. kind: exact (counted, or a person's answer), modelled (an expectation under the noise model), influence (checked by
    retraining) or heuristic (checked and not confirmed, or not checked; then points order the rows and measure nothing)."""

    component: str
    row: str
    split: str
    points: float
    rank: int
    kind: RowKind
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Validation:
    """Predicted against actual change of the component after training without some rows. subsets: how many trainings.
    counted: Spearman correlation with the component as the ledger counts it, which decides the label; smooth: with the same in
    probabilities, which is what was differentiated; None where nothing changed in any training. slope: what changed in
    probabilities for each point that was foreseen; 1 where the points have the right size."""

    subsets: int
    counted: Estimate | None
    smooth: Estimate | None
    slope: float | None = None


@dataclass(frozen=True, slots=True)
class ExplainedComponent:
    """component: name in the ledger. points: its value there, None where it has none. kind: of its rows, empty where there are
    none. rows: how many carry something. carried: sum of their points. why: how the rows were found, or why they were not."""

    component: str
    points: float | None
    kind: RowKind | Literal[""]
    rows: int
    carried: float
    validation: Validation | None
    why: str


@dataclass(frozen=True, slots=True)
class ExplainRecord:
    """All components of one ledger. ledger_sha256: of the ledger that was explained, so that a later review is noticed."""

    components: tuple[ExplainedComponent, ...]
    metric: str
    model: str
    seed: int
    ledger_sha256: str
    retrainings: int | None = None
    """Trainings without some rows that were asked for, or made where the kind of model decided; None where nothing was traced."""

    def component(self, name: str) -> ExplainedComponent | None:
        return next((c for c in self.components if c.component == name), None)

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "ExplainRecord":
        plain = {name: record[name] for name in ("metric", "model", "seed", "ledger_sha256")}
        components = tuple(_component(c) for c in record["components"])
        return cls(components=components, retrainings=record.get("retrainings"), **plain)


def _component(record: dict[str, Any]) -> ExplainedComponent:
    checked = record["validation"]
    if checked:
        estimates = {k: Estimate.from_json(checked[k]) if checked[k] else None for k in ("counted", "smooth")}
        checked = Validation(**{**checked, **estimates})
    return ExplainedComponent(**{**record, "validation": checked})


def ledger_sha256(ledger: Ledger) -> str:
    """What tells two ledgers of one run apart, such as before and after a review."""
    return hashlib.sha256(json.dumps([asdict(c) for c in ledger.components], sort_keys=True).encode()).hexdigest()


def save(record: ExplainRecord, rows: "pa.Table", folder: Path) -> None:
    """The rows first: explain.json is the sign that both are there."""
    import pyarrow.parquet as pq

    write_with(folder / ROWS_FILE, lambda path: pq.write_table(rows, path, compression="zstd"))
    write_json(folder / FILE, record.to_json())


def read(folder: Path) -> ExplainRecord | None:
    """The record of a run folder; None when nothing was explained. Raises InputError for a file that is not ours."""
    path = folder / FILE
    if not path.is_file():
        return None
    again = f"Make it again with: veridical explain {folder}"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}). {again}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        got = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path} has format {got!r}; this veridical reads format {FORMAT}. {again}")
    return ExplainRecord.from_json(record)


def read_rows(folder: Path, *, component: str, rows: int) -> list[ExplainedRow]:
    """The first `rows` rows of a component, by rank. Raises InputError for a file that is missing or damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / ROWS_FILE
    try:
        found = pq.read_table(path, filters=[("component", "=", component), ("rank", "<=", rows)])
        listed = [ExplainedRow(**row) for row in found.select(COLUMNS).to_pylist()]
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({said}). Make it again with: veridical explain {folder}") from error
    return sorted(listed, key=lambda row: row.rank)
