"""Write certificate.json and arms.parquet: what the repair stage claims, and all that is needed to check it."""

import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from veridical import __version__
from veridical.core.atomic_write import write_json
from veridical.pipeline.config import RunConfig
from veridical.pipeline.run_folder import content_hash, stored_identity

if TYPE_CHECKING:
    from veridical.dataset.rows import Dataset
    from veridical.verify.arms import Tried
    from veridical.verify.locked_fold import LockedFold


def certify(
    folder: Path, found: "Tried", *, data: "Dataset", locked: "LockedFold", votes: str, kind: str, dtype: str, config: RunConfig
) -> None:
    from veridical.verify import ballot_table
    from veridical.verify.certificate import FILE, certificate

    hashes = fingerprints(data, locked)
    source = (stored_identity(folder) or {"data": {}})["data"].get("TRAIN")
    hashes |= {"input_file": source} if source else {}
    court = found.court
    if court is not None and court.ballots:
        ids = [data.ids[row] for row in court.ruler.rows]
        ballot_table.write_ballots(folder / ballot_table.FILE, court.ballots, ruler=court.ruler, ids=ids)
        hashes["arms"] = content_hash(folder / ballot_table.FILE)
    settings = {
        "veridical": __version__,
        "versions": versions(kind),
        "config": {**asdict(config), "training": {**asdict(config.training), "dtype": dtype}},
        "model": kind,
        "metric": config.metric if court is None else court.judging.name,
        "votes": votes,
        "labels": list(data.labels),
        "seed": config.seed,
        "seeds": list(found.record.seeds),
        "one_fit": found.record.one_fit,
    }
    write_json(folder / FILE, certificate(found.record, figures=found.figures, data=hashes, settings=settings))


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
