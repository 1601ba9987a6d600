"""How fast rows load, and in how much memory: 10k, 100k and 1M short rows as CSV and JSON lines, each in a process of its own.

Run: python -m benchmarks.speed.loading [--rows 10000 100000 1000000] [--out FILE.json]
Splitting is left out (`folds`): it is measured with near-duplicates.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine

WORDS = ["the", "room", "was", "small", "but", "staff", "were", "friendly", "breakfast", "came", "late", "房间", "很好", "服务"]


def write(path: Path, n_rows: int, seed: int) -> None:
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("id,text,label\n")
        for row in range(n_rows):
            text, label = " ".join(draw.choices(WORDS, k=12)), draw.choice(("neg", "pos"))
            file.write(
                f'{row},"{text}",{label}\n'
                if path.suffix == ".csv"
                else json.dumps({"id": row, "text": text, "label": label}) + "\n"
            )


def measure(path: Path) -> None:
    """In the child: load, print what it took. Peak memory before the load (imports) is printed beside it."""
    from veridical.core.surroundings import peak_rss_mb
    from veridical.dataset.loading import load

    before, began = peak_rss_mb(), time.perf_counter()
    data = load(path, split="folds")
    seconds = time.perf_counter() - began
    figures = {"rows": len(data), "seconds": round(seconds, 3), "rows_per_second": round(len(data) / seconds)}
    print(
        json.dumps(figures | {"peak_rss_mb": peak_rss_mb(), "peak_rss_mb_before": before, "file_mb": path.stat().st_size >> 20})
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path)
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure)
        return
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in chosen.rows:
            for suffix in (".csv", ".jsonl"):
                path = Path(folder) / f"rows{suffix}"
                write(path, n_rows, chosen.seed)
                child = [sys.executable, "-m", "benchmarks.speed.loading", "--measure", str(path)]
                printed = subprocess.run(child, check=True, capture_output=True, text=True).stdout
                results.append({"format": suffix, **json.loads(printed)})
                path.unlink()
    record = {"benchmark": "loading", "seed": chosen.seed, "machine": machine("pyarrow", "veridical"), "results": results}
    text = json.dumps(record, indent=1)
    if chosen.out:
        chosen.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
