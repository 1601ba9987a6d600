"""Group metrics with intervals: the cell-count bootstrap against fairlearn's `MetricFrame(n_boot=...)` on the same table.

Run: python -m benchmarks.speed.fairness [--rows 10000] [--groups 4] [--replicates 2000] [--theirs 50] [--out FILE.json]
Both resample rows and give intervals of selection rate, true and false positive rate by group and of their largest differences.
Points must be equal to 1e-12, else the run fails. Seconds are processor time a replicate, so that each may use the number of
replicates it can afford; the time before the first replicate is part of it. Intervals stand beside each other in the result.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.machine import machine

from veridical.core import group_metrics as gm

OUT = Path(__file__).parents[1] / "results" / "fairness.json"
NAMES = ("selection_rate", "true_positive_rate", "false_positive_rate")
ENDS = (0.025, 0.975)
EQUAL = 1e-12


def table(n: int, *, n_groups: int, seed: int) -> gm.Rows:
    """Groups of falling size; the model is right on 85 % of rows, in the smallest group on 78 %."""
    draw = np.random.default_rng(seed)
    size = 1 / np.arange(1, n_groups + 1)
    groups = draw.choice(n_groups, n, p=size / size.sum())
    codes = draw.integers(0, 2, n)
    right = draw.random(n) < np.where(groups == n_groups - 1, 0.78, 0.85)
    return gm.Rows(groups, codes, np.where(right, codes, 1 - codes), np.arange(n), np.ones(n), n_groups, 2)


def by_veridical(rows: gm.Rows, replicates: int, seed: int) -> dict[str, Any]:
    points = _rates(gm.margins(rows))
    drawn = _rates(gm.resampled_margins(gm.kinds(rows), replicates, np.random.default_rng(seed)))  # (R, G, 3)
    return {
        "by_group": points.tolist(),
        "difference": gm.difference(points, axis=-2).tolist(),
        "interval": np.quantile(gm.difference(drawn, axis=-2), ENDS, axis=0).T.tolist(),
        "interval_by_group": np.quantile(drawn, ENDS, axis=0).tolist(),
    }


def _rates(tables: np.ndarray) -> np.ndarray:
    found = gm.rates(tables, undefined=0.0)
    return np.stack([found.selection, found.true_positive, found.false_positive], axis=-1)[..., 1, :]


def by_fairlearn(rows: gm.Rows, replicates: int, seed: int) -> dict[str, Any]:
    from fairlearn import metrics

    frame = metrics.MetricFrame(
        metrics={name: getattr(metrics, name) for name in NAMES},
        y_true=rows.codes,
        y_pred=rows.predicted,
        sensitive_features=rows.groups,
        n_boot=replicates,
        ci_quantiles=list(ENDS),
        random_state=seed,
    )
    low, high = (part.to_numpy(float) for part in frame.difference_ci())
    return {
        "by_group": frame.by_group.to_numpy(float).tolist(),
        "difference": frame.difference().to_numpy(float).tolist(),
        "interval": np.column_stack([low, high]).tolist(),
        "interval_by_group": [part.to_numpy(float).tolist() for part in frame.by_group_ci],
    }


TOOLS = {"veridical": by_veridical, "fairlearn": by_fairlearn}


def timed(name: str, rows: gm.Rows, replicates: int, seed: int, *, repeats: int) -> dict[str, Any]:
    """The median over repeats of processor seconds a replicate, after one small call that pays for imports."""
    TOOLS[name](rows, 2, seed)
    cpu = []
    for _ in range(repeats):
        began = time.process_time()
        found = TOOLS[name](rows, replicates, seed)
        cpu.append((time.process_time() - began) / replicates)
    return {"replicates": replicates, "cpu_seconds_per_replicate": float(np.median(cpu)), "all": cpu, **found}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=10_000)
    options.add_argument("--groups", type=int, default=4)
    options.add_argument("--replicates", type=int, default=2_000)
    options.add_argument("--theirs", type=int, default=50, help="replicates of fairlearn")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    rows = table(asked.rows, n_groups=asked.groups, seed=asked.seed)
    results = {
        "veridical": timed("veridical", rows, asked.replicates, asked.seed, repeats=asked.repeats),
        "fairlearn": timed("fairlearn", rows, asked.theirs, asked.seed, repeats=asked.repeats),
    }
    apart = [
        float(np.abs(np.array(results["veridical"][part]) - np.array(results["fairlearn"][part])).max())
        for part in ("by_group", "difference")
    ]
    if max(apart) > EQUAL:
        raise SystemExit(f"Points differ by {max(apart):.3g}, more than {EQUAL:g}: the two do not compute the same.")
    per_replicate = {name: got["cpu_seconds_per_replicate"] for name, got in results.items()}
    record = {
        "rows": asked.rows,
        "groups": asked.groups,
        "seed": asked.seed,
        "largest_difference_of_points": max(apart),
        "times_faster_per_replicate": round(per_replicate["fairlearn"] / per_replicate["veridical"]),
        "results": results,
        "machine": machine(*TOOLS, "numpy", "pandas", "scikit-learn"),
        "load_average": round(os.getloadavg()[0], 2),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in record.items() if name != "results"}, indent=1))


if __name__ == "__main__":
    main()
