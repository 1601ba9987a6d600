"""Near-duplicates from raw text to verified pairs: veridical, datasketch and rensa on one corpus, judged by exact Jaccard.

Run: python -m benchmarks.speed.near_duplicates [--rows 20000] [--seed 0] [--out FILE.json]
Texts have about 100 words with Zipf frequencies; one in ten is an edited copy of another. A pair counts when the Jaccard
similarity of its word pairs is at least 0.5; truth is every such pair, found by multiplying the shingle matrix with itself. All
three run in this process one after the other, and all three verify what they propose by exact Jaccard.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from benchmarks.machine import machine

Pairs = set[tuple[int, int]]
THRESHOLD, BANDS, WIDTH = 0.5, 42, 3
"""Band shape given to the two others: at Jaccard 0.5 a pair is proposed with 99.6 %."""
OUT = Path(__file__).parents[1] / "results" / "near_duplicates.json"


def corpus(n: int, seed: int) -> list[str]:
    draw = np.random.default_rng(seed)
    vocabulary = np.array([f"w{i:x}" for i in range(30_000)])
    zipf = 1 / np.arange(1, len(vocabulary) + 1)
    zipf /= zipf.sum()
    words = draw.choice(len(vocabulary), size=(n, 100), p=zipf)
    copies = n // 10
    words[n - copies :] = words[:copies]
    edited = draw.random((copies, 100)) < draw.uniform(0, 0.25, (copies, 1))
    words[n - copies :][edited] = draw.choice(len(vocabulary), size=int(edited.sum()), p=zipf)
    return [" ".join(row) for row in vocabulary[words]]


def shingle_set(text: str) -> frozenset[tuple[str, str]]:
    words = text.split()
    return frozenset(pairwise(words))


def truth(texts: list[str]) -> Pairs:
    codes: dict[tuple[str, str], int] = {}
    cells = [(row, codes.setdefault(pair, len(codes))) for row, text in enumerate(texts) for pair in shingle_set(text)]
    row, column = np.array(cells).T
    matrix = sp.csr_matrix((np.ones(len(row)), (row, column)), (len(texts), len(codes)))
    size, pairs = np.diff(matrix.indptr), set()
    for start in range(0, len(texts), 1_000):
        shared = (matrix[start : start + 1_000] @ matrix.T).tocoo()
        a, b = shared.row + start, shared.col
        kept = (a < b) & (shared.data / (size[a] + size[b] - shared.data) >= THRESHOLD)
        pairs.update(zip(a[kept].tolist(), b[kept].tolist(), strict=True))
    return pairs


def verified(proposed: Pairs, sets: list[frozenset[tuple[str, str]]]) -> Pairs:
    return {(a, b) for a, b in proposed if len(sets[a] & sets[b]) >= THRESHOLD * len(sets[a] | sets[b])}


def by_veridical(texts: list[str]) -> Pairs:
    from veridical.dataset.rows import SCHEMA, Dataset
    from veridical.dataset.similarity import SimilarityParams, similar_pairs

    n = len(texts)
    given = {"id": [str(i) for i in range(n)], "split": ["train"] * n, "text": texts}
    table = pa.table({field.name: pa.array(given.get(field.name, [None] * n), field.type) for field in SCHEMA})
    data = Dataset("classification", table, (), table.slice(0, 0))
    found = similar_pairs(data, params=SimilarityParams(word_threshold=THRESHOLD))
    first = np.unique(found.groups, return_index=True)[1]
    equal = {(int(first[code]), row) for row, code in enumerate(found.groups.tolist()) if row != first[code]}
    return equal | set(zip(found.left.tolist(), found.right.tolist(), strict=True))


def by_datasketch(texts: list[str]) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    sets = [shingle_set(text) for text in texts]
    index = MinHashLSH(num_perm=BANDS * WIDTH, params=(BANDS, WIDTH))
    proposed: Pairs = set()
    for row, own in enumerate(sets):
        signature = MinHash(num_perm=BANDS * WIDTH, seed=1)
        signature.update_batch([" ".join(pair).encode() for pair in own])
        proposed.update((other, row) for other in index.query(signature))
        index.insert(row, signature)
    return verified(proposed, sets)


def by_rensa(texts: list[str]) -> Pairs:
    from rensa import RMinHash, RMinHashLSH

    sets = [shingle_set(text) for text in texts]
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=BANDS * WIDTH, num_bands=BANDS)
    proposed: Pairs = set()
    for row, own in enumerate(sets):
        signature = RMinHash(num_perm=BANDS * WIDTH, seed=1)
        signature.update([" ".join(pair) for pair in own])
        proposed.update((other, row) for other in index.query(signature))
        index.insert(row, signature)
    return verified(proposed, sets)


def judged(find: Callable[[list[str]], Pairs], texts: list[str], true: Pairs) -> dict[str, float]:
    find(texts[:50])  # imports and warm-up are not timed
    began, began_cpu = time.perf_counter(), time.process_time()
    found = find(texts)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    return {
        "docs_per_second": round(len(texts) / seconds),
        "seconds": round(seconds, 3),
        "cpu_seconds": round(cpu, 3),
        "pairs": len(found),
        "recall": round(len(found & true) / max(len(true), 1), 5),
        "precision": round(len(found & true) / max(len(found), 1), 5),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=OUT)
    asked = options.parse_args()
    texts = corpus(asked.rows, asked.seed)
    true = truth(texts)
    results = {name: judged(find, texts, true) for name, find in TOOLS.items()}
    ours = results["veridical"]["docs_per_second"]
    record = {
        "rows": asked.rows,
        "seed": asked.seed,
        "threshold": THRESHOLD,
        "true_pairs": len(true),
        "results": results,
        "times_faster_than": {
            name: round(ours / got["docs_per_second"], 2) for name, got in results.items() if name != "veridical"
        },
        "machine": machine(*TOOLS, "daft", "numpy", "pyarrow"),
        "load_average": round(os.getloadavg()[0], 2),
    }
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(record, indent=1))


TOOLS = {"veridical": by_veridical, "datasketch": by_datasketch, "rensa": by_rensa}

if __name__ == "__main__":
    main()
