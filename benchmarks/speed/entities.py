"""Entity precision, recall and F1 of tagged sentences: ours against seqeval (default and strict) and nervaluate (strict).

Run: python -m benchmarks.speed.entities [--rows 3500] [--words 15] [--repeats 5] [--out FILE.json]
Tags are drawn with six types and a model that is mostly right; one tag in fifty breaks the scheme, so that the default and the
strict reading differ. All begin with the same lists of tags. Points (micro average, and F1 of every type) must be equal to 1e-12,
else the run fails. nervaluate reads tags as seqeval's default does and always counts in four ways; beside it stands its strict
count alone, which nobody gets without reaching into it. Sides take turns; seconds are of the processor and of the clock.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from benchmarks.machine import machine

from veridical.tasks._entity_scores import EntityCounts, entity_counts

OUT = Path(__file__).parents[1] / "results" / "entities.json"
TYPES = ("LOC", "MISC", "ORG", "PER", "PROD", "TIME")
EQUAL = 1e-12
WANTED = 10.0
Tags = list[list[str]]


def tagged(n_rows: int, n_words: int, *, broken: float, seed: int) -> tuple[Tags, Tags]:
    """Right and given IOB2 tags: about one word in four stands in an entity of one to three words, a tenth of them are missed,
    a tenth take another type or end. `broken`: share of given tags that are any tag at all."""
    rng = np.random.default_rng(seed)
    gold, said = [], []
    every = ["O", *(f"{letter}-{kind}" for letter in "BI" for kind in TYPES)]
    for _ in range(n_rows):
        right, given = ["O"] * n_words, ["O"] * n_words
        at = 0
        while at < n_words:
            length = int(rng.integers(1, 4))
            if rng.random() < 0.15 and at + length <= n_words:
                kind, luck = TYPES[rng.integers(len(TYPES))], rng.random()
                right[at : at + length] = [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
                other = TYPES[rng.integers(len(TYPES))] if luck < 0.05 else kind
                shown = max(1, length - 1) if 0.05 <= luck < 0.1 else length
                if luck < 0.9:
                    given[at : at + shown] = [f"B-{other}", *[f"I-{other}"] * (shown - 1)]
                at += length
            at += 1
        for place in np.flatnonzero(rng.random(n_words) < broken):
            given[place] = every[rng.integers(len(every))]
        gold.append(right)
        said.append(given)
    return gold, said


def points_of(counts: EntityCounts) -> list[float]:
    right, true, said = (table.sum(axis=0) for table in (counts.right, counts.true, counts.predicted))
    both = true + said
    by_type = np.divide(2 * right, both, out=np.zeros(len(both)), where=both > 0)
    return [right.sum() / said.sum(), right.sum() / true.sum(), 2 * right.sum() / both.sum(), *by_type]


def ours(gold: Tags, said: Tags, *, strict: bool) -> list[float]:
    return points_of(entity_counts(gold, said, scheme="iob2", strict=strict))


def by_seqeval(gold: Tags, said: Tags, *, strict: bool) -> list[float]:
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    how = {"mode": "strict", "scheme": IOB2} if strict else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = classification_report(gold, said, output_dict=True, zero_division=0, **how)
    micro = report["micro avg"]
    return [micro["precision"], micro["recall"], micro["f1-score"], *(report[kind]["f1-score"] for kind in TYPES)]


def by_nervaluate(gold: Tags, said: Tags, *, alone: bool) -> list[float]:
    from nervaluate import Evaluator

    evaluator = Evaluator(gold, said, tags=list(TYPES), loader="list")
    if alone:
        evaluator.strategies = {"strict": evaluator.strategies["strict"]}
    found = evaluator.evaluate()
    whole, each = found["overall"]["strict"], [found["entities"][kind]["strict"] for kind in TYPES]
    return [float(value) for value in (whole.precision, whole.recall, whole.f1, *(one.f1 for one in each))]


def timed(work: Callable[[], list[float]]) -> tuple[list[float], float, float]:
    began, spent = time.perf_counter(), time.process_time()
    points = work()
    return points, time.perf_counter() - began, time.process_time() - spent


def side_by_side(our_side: Callable[[], list[float]], their_side: Callable[[], list[float]], *, repeats: int) -> dict[str, Any]:
    our_side(), their_side()
    pairs = [(timed(our_side), timed(their_side)) for _ in range(repeats)]
    apart = float(np.abs(np.array(pairs[0][0][0]) - np.array(pairs[0][1][0])).max())
    if not apart <= EQUAL:
        raise SystemExit(f"points lie {apart:g} apart; the two do not count the same.")
    return {
        "points_apart": apart,
        "f1": pairs[0][0][0][2],
        "seconds": {"ours": median(a[1] for a, _ in pairs), "theirs": median(b[1] for _, b in pairs)},
        "cpu_seconds": {"ours": median(a[2] for a, _ in pairs), "theirs": median(b[2] for _, b in pairs)},
        "times_faster": round(median(b[1] / a[1] for a, b in pairs), 1),
        "times_faster_cpu": round(median(b[2] / a[2] for a, b in pairs), 1),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=3500)
    options.add_argument("--words", type=int, default=15)
    options.add_argument("--repeats", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    gold, said = tagged(asked.rows, asked.words, broken=0.02, seed=asked.seed)
    opponents: dict[str, tuple[bool, Callable[[], list[float]]]] = {
        "seqeval": (False, lambda: by_seqeval(gold, said, strict=False)),
        "seqeval_strict": (True, lambda: by_seqeval(gold, said, strict=True)),
        "nervaluate": (False, lambda: by_nervaluate(gold, said, alone=False)),
        "nervaluate_strict_alone": (False, lambda: by_nervaluate(gold, said, alone=True)),
    }
    results = {
        name: side_by_side(partial(ours, gold, said, strict=strict), theirs, repeats=asked.repeats)
        for name, (strict, theirs) in opponents.items()
    }
    record = {
        "rows": asked.rows,
        "words": asked.words,
        "seed": asked.seed,
        "wanted_times_faster": WANTED,
        "results": results,
        "machine": machine("numpy", "seqeval", "nervaluate"),
        "load_average": round(os.getloadavg()[0], 2),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
