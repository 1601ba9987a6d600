"""The stages' records as the files of a run folder, and back: audit.json, findings, predictions, dynamics, rows, edits."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical.core.atomic_write import write_json, write_with
from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord, CheckRecord, Finding
from veridical.core.progress import Progress, silent
from veridical.models.calls import Calls

if TYPE_CHECKING:
    import pyarrow as pa

    from veridical.dataset.rows import Dataset
    from veridical.models.model import Model
    from veridical.train.trained import Trained

FORMAT = 1
SHOWN_PER_CHECK = 500
"""Findings of one check whose texts are kept for the report. From the goal: 500 rows a check."""


def write_table(table: "pa.Table", path: Path) -> None:
    import pyarrow.parquet as pq

    write_with(path, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def _records_table(records: Sequence[Any], record_type: type) -> "pa.Table":
    """One column per field of the record type."""
    import pyarrow as pa

    names = [field.name for field in fields(record_type)]
    kinds = {field.name: pa.float64() if field.type in (float, "float") else pa.string() for field in fields(record_type)}
    return pa.table({name: pa.array([getattr(r, name) for r in records], kinds[name]) for name in names})


def write_audit(folder: Path, audit: AuditRecord) -> None:
    """findings.parquet first: audit.json is the sign that both are there."""
    import pyarrow as pa

    flat = [(record.check, finding) for record in audit.checks for finding in record.findings]
    table = _records_table([finding for _, finding in flat], Finding)
    table = table.add_column(2, "check", pa.array([check for check, _ in flat], pa.string()))
    write_table(table, folder / "findings.parquet")
    checks = []
    for record in audit.checks:
        plain = asdict(replace(record, findings=()))
        del plain["findings"]
        checks.append(plain)
    write_json(folder / "audit.json", {"format": FORMAT, "seed": audit.seed, "checks": checks})


def read_audit(folder: Path) -> AuditRecord:
    """What `write_audit` wrote. Raises InputError when there is no audit in the folder."""
    import pyarrow.parquet as pq

    path = folder / "audit.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no audit.json. Make one with: veridical audit DATA --out {folder}")
    record = json.loads(path.read_text(encoding="utf-8"))
    found: dict[str, list[Finding]] = {}
    for row in pq.read_table(folder / "findings.parquet").to_pylist():
        found.setdefault(row.pop("check"), []).append(Finding(**row))
    checks = []
    for plain in record["checks"]:
        measures = {name: Estimate.from_json(value) for name, value in plain.pop("measures").items()}
        checks.append(CheckRecord(**plain, measures=measures, findings=tuple(found.get(plain["check"], ()))))
    return AuditRecord(tuple(checks), record["seed"])


def write_trained(folder: Path, trained: "Trained", data: "Dataset") -> None:
    """model/ (where the model is ours), dynamics.parquet and predictions.parquet."""
    import numpy as np
    import pyarrow as pa

    if trained.model is not None and not trained.external:
        trained.model.save(folder / "model")
        write_json(folder / "model" / "roles.json", {**data.roles, "task": data.task})
    if trained.dynamics is not None:
        write_table(trained.dynamics, folder / "dynamics.parquet")
    known = ~np.isnan(trained.probabilities).any(axis=1)
    best = np.where(known, np.nan_to_num(trained.probabilities).argmax(axis=1), -1)
    predicted = [trained.labels[code] if code >= 0 else None for code in best]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(trained.probabilities.ravel(), pa.float64()), len(trained.labels))
    columns = {
        "id": data.table.column("id"),
        "split": data.table.column("split"),
        "label": data.table.column("label"),
        "predicted": pa.array(predicted, pa.string()),
        "probabilities": lists,
    }
    about = {"labels": json.dumps(list(trained.labels)), "kind": trained.kind, "external": json.dumps(trained.external)}
    about["warnings"] = json.dumps(trained.warnings)
    about["learned"] = json.dumps(None if trained.learned is None else asdict(trained.learned))
    write_table(pa.table(columns).replace_schema_metadata(about), folder / "predictions.parquet")


def unlike_probabilities(folder: Path) -> list[str]:
    """Ids of rows whose likeliest label by predictions.parquet is another than the answer that stands beside it."""
    import numpy as np
    import pyarrow.parquet as pq

    table = pq.read_table(folder / "predictions.parquet", columns=["id", "predicted", "probabilities"])
    labels = json.loads(table.schema.metadata[b"labels"])
    flat = table.column("probabilities").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    best = np.nan_to_num(np.asarray(flat, np.float64).reshape(-1, len(labels))).argmax(axis=1)
    rows = zip(*(table.column(name).to_pylist() for name in ("id", "predicted")), best, strict=True)
    return [str(row) for row, said, code in rows if said is not None and said != labels[code]]


def read_trained(
    folder: Path, *, model: str, seconds: float, calls: Calls | None = None, progress: Progress = silent
) -> "Trained":
    """What `write_trained` wrote, and the time it took, which is kept elsewhere so that the file depends on the data alone.

    A callable model is imported again by its name `model`; one at the address `model` will be asked as `calls` says.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from veridical.models.external import callable_model
    from veridical.models.stored import open_model
    from veridical.train.trained import Learned, Trained

    table = pq.read_table(folder / "predictions.parquet")
    about = {key.decode(): value.decode() for key, value in table.schema.metadata.items() if key != b"ARROW:schema"}
    labels = tuple(json.loads(about["labels"]))
    learned = json.loads(about.get("learned", "null"))
    flat = table.column("probabilities").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    dynamics = folder / "dynamics.parquet"

    def endpoint() -> "Model":
        from veridical.models.endpoint import EndpointModel

        return EndpointModel(model, labels=labels, calls=calls, progress=progress)

    kinds: dict[str, Callable[[], Model | None]] = {
        "callable": lambda: callable_model(model, labels=labels),
        "endpoint": endpoint,
        "predictions": lambda: None,
    }
    return Trained(
        model=kinds.get(about["kind"], lambda: open_model(folder / "model"))(),
        kind=about["kind"],
        ids=tuple(table.column("id").to_pylist()),
        probabilities=np.asarray(flat, dtype=np.float64).reshape(-1, len(labels)),
        labels=labels,
        dynamics=pq.read_table(dynamics) if dynamics.is_file() else None,
        seconds=seconds,
        external=json.loads(about["external"]),
        warnings=tuple(json.loads(about["warnings"])),
        learned=None if learned is None else Learned(**learned),
    )


def write_shown_rows(folder: Path, *, data: "Dataset", audit: AuditRecord) -> None:
    """rows.parquet: the rows that the report can show, and no others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shown: set[str] = set()
    for record in audit.checks:
        worst = sorted(record.findings, key=lambda finding: (-finding.score, finding.row))[:SHOWN_PER_CHECK]
        shown.update(row for finding in worst for row in (finding.row, finding.other_row) if row)
    kept = pc.is_in(data.table.column("id"), value_set=pa.array(sorted(shown), pa.string()))
    write_table(data.table.filter(kept), folder / "rows.parquet")
