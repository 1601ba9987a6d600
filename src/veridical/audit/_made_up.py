"""Made-up rows on which checks are proven: words without meaning, labels drawn independently of them."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from veridical.dataset.rows import SCHEMA, Dataset

_SYLLABLES = ("ba", "ke", "mi", "to", "ru", "sha", "lin", "por", "gat", "wey", "zun", "dri")
Row = tuple[str, str, str, str]
"""id, split, text, label."""


def nonsense(rng: np.random.Generator, n_words: int) -> str:
    """A text of invented words, hardly ever one twice."""
    return " ".join("".join(rng.choice(_SYLLABLES, 3)) for _ in range(n_words))


def rows(n: int, *, seed: int, n_words: int = 12) -> list[Row]:
    """n rows, labels neg and pos in turn, every fifth pair of rows in the test split."""
    rng = np.random.default_rng(seed)
    splits = ["test" if i // 2 % 5 == 4 else "train" for i in range(n)]
    return [(f"row-{i}", splits[i], nonsense(rng, n_words), ("neg", "pos")[i % 2]) for i in range(n)]


def dataset(found: Iterable[Row]) -> Dataset:
    found = list(found)
    table = pa.Table.from_pylist([{"id": i, "split": s, "text": t, "label": y} for i, s, t, y in found], schema=SCHEMA)
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset("classification", table, tuple(sorted({row[3] for row in found})), none)
