"""Write certificate.json, arms.parquet and countermeasures.parquet: what the repair stage claims, and what checks it."""

import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from veridical import __version__
from veridical.core.atomic_write import write_json
from veridical.pipeline.arm_fitting import taken_by_arms
from veridical.pipeline.config import RunConfig
from veridical.pipeline.routing import knobs_of
from veridical.pipeline.run_folder import content_hash, stored_identity

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.ledger.contract import Contract
    from veridical.verify.arms import Tried
    from veridical.verify.countermeasure_arms import Routing
    from veridical.verify.locked_fold import LockedFold

PREDICTIONS = "predictions.parquet"
"""What the scored model said of every row, and how sure it was."""


def certify(
    folder: Path,
    found: "Tried",
    routing: "Routing",
    *,
    data: "Dataset",
    locked: "LockedFold",
    contract: "Contract | None",
    votes: str,
    kind: str,
    dtype: str,
    config: RunConfig,
) -> None:
    """The answers first: certificate.json is the sign that all are there."""
    from veridical.verify import ballot_table, exam_table
    from veridical.verify.certificate import FILE, certificate, routing_json
    from veridical.verify.countermeasure_verdict import best
    from veridical.verify.winners import winners

    hashes = fingerprints(data, locked)
    source = (stored_identity(folder) or {"data": {}})["data"].get("TRAIN")
    hashes |= {"input_file": source} if source else {}
    if (folder / PREDICTIONS).is_file():
        hashes["predictions"] = content_hash(folder / PREDICTIONS)
    court = found.court
    if court is not None and court.ballots:
        ids = [data.ids[row] for row in court.ruler.rows]
        ballot_table.write_ballots(folder / ballot_table.FILE, court.ballots, ruler=court.ruler, ids=ids)
        hashes["arms"] = content_hash(folder / ballot_table.FILE)
    if routing.exams is not None:
        exam_table.write_exams(folder / exam_table.FILE, routing.exams, routing.said)
        hashes["countermeasures"] = content_hash(folder / exam_table.FILE)
    countermeasures = routing_json(
        routing,
        knobs={routed.arm.repair: knobs_of(routed.arm.repair, config) for routed in routing.arms},
        contract=contract,
        on_top_of=winners(found.record),
        chosen=best(routing.arms),
    )
    settings = _settings(found, data, votes=votes, kind=kind, dtype=dtype, config=config)
    whole = certificate(found.record, figures=found.figures, countermeasures=countermeasures, data=hashes, settings=settings)
    write_json(folder / FILE, whole)


def _settings(found: "Tried", data: "Dataset", *, votes: str, kind: str, dtype: str, config: RunConfig) -> dict[str, Any]:
    return {
        "veridical": __version__,
        "versions": versions(kind),
        "config": {**asdict(config), "training": {**asdict(config.training), "dtype": dtype}},
        "model": kind,
        "metric": config.metric if found.court is None else found.court.judging.name,
        "votes": votes,
        "labels": list(data.labels),
        "seed": config.seed,
        "seeds": list(found.record.seeds),
        "one_fit": found.record.one_fit,
        "trained_with": list(taken_by_arms(config, kind=kind)),
    }


def versions(kind: str) -> dict[str, str]:
    """Python and the libraries whose numbers the figures hang on; torch only where the model uses it."""
    named = [
        "numpy",
        "scipy",
        "scikit-learn",
        *([] if kind in ("linear", "callable", "predictions") else ["torch", "transformers"]),
    ]
    found = {"python": sys.version.split()[0]}
    for name in named:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def fingerprints(data: "Dataset", locked: "LockedFold") -> dict[str, str]:
    """Hashes of the sorted hashes of rows: all as loaded, train as given, and the locked fold."""
    from veridical.dataset.fingerprint import TESTED, fingerprint

    parts = {"train": data.rows("train"), "locked": locked.rows}
    return {"rows": fingerprint(data.table), **{k: fingerprint(data.take(r).table, columns=TESTED) for k, r in parts.items()}}
