"""python -m benchmarks.speed.ledger [OUT.json]: the account from stored tables, all coalitions, 2,000 replicates, by rows.

Tables are drawn at random (sizes are what costs, not values). Prints seconds, writes benchmarks/results/ledger_speed.json.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from benchmarks.machine import machine

from veridical.ledger.accounting import account_tables
from veridical.ledger.borrowing import TrainRows
from veridical.ledger.inference import REPLICATES
from veridical.ledger.label_noise import LabelNoise
from veridical.ledger.population import Population, PopulationParams
from veridical.ledger.tables import Tables
from veridical.ledger.transfer import no_transfer

ROWS = (2_000, 20_000, 200_000)
OUT = Path(__file__).parents[1] / "results" / "ledger_speed.json"


def tables(n: int, *, n_classes: int, seed: int = 0) -> Tables:
    """Random tables of n test rows, a third leaked, in clusters of about 1.3 rows."""
    rng = np.random.default_rng(seed)
    basis = np.concatenate([np.ones((n, 1)), rng.normal(size=(n, 8))], axis=1)
    expected = rng.dirichlet(np.full(n_classes, 0.3), size=n)
    codes = rng.integers(n_classes, size=n)
    predicted = np.where(rng.random(n) < 0.85, codes, rng.integers(n_classes, size=n))
    cluster = rng.integers(int(n / 1.3), size=n)
    people = Population(
        rows=np.arange(n),
        cluster=cluster,
        leaked=rng.random(n) < 1 / 3,
        basis=basis,
        vote=np.full(n, 1 / n),
        target=basis.mean(axis=0),
        target_covariance=np.eye(9) / n,
        includes_train=True,
        n_clusters=5 * n,
        shift_p=0.5,
        params=PopulationParams(),
    )
    noise = LabelNoise(np.eye(n_classes), "none", 0.0, 0.05, expected)
    train = TrainRows(np.zeros(0, "U1"), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, n_classes)))
    ids = np.char.add("row-", np.arange(n).astype("U8"))
    return Tables(
        ids=ids,
        codes=codes,
        predicted=predicted,
        people=people,
        noise=noise,
        elsewhere=expected,
        has_train=True,
        train=train,
        cue_present=np.zeros((n, 0), bool),
        cue_predictions=predicted[:, None],
        transfer=no_transfer(n),
        looks=np.zeros((0, n), np.int64),
    )


def seconds(made: Tables, *, n_classes: int, metric: str) -> float:
    labels = tuple(f"class{k}" for k in range(n_classes))
    start = time.perf_counter()
    account_tables(
        made, task="classification", labels=labels, contract=None, review=None, metric=metric, floors={}, candidates=[], seed=0
    )
    return time.perf_counter() - start


def main() -> None:
    found = []
    for metric, n_classes in (("accuracy", 4), ("macro_f1", 4), ("macro_f1", 77)):
        for n in ROWS:
            if n * n_classes > 2_000_000:
                continue
            made = tables(n, n_classes=n_classes)
            best = min(seconds(made, n_classes=n_classes, metric=metric) for _ in range(3))
            found.append({"metric": metric, "classes": n_classes, "rows": n, "seconds": round(best, 3)})
            print(f"{metric:>10}, {n_classes:>3} classes, {n:>7,} rows: {best:6.2f} s")
    about = {"replicates": REPLICATES, "best_of": 3, "machine": machine("numpy", "veridical"), "seed": 0}
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    out.write_text(json.dumps({"about": about, "results": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
