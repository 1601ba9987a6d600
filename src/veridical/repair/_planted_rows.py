"""Small made-up reviews on which repairs are proven: distinct texts of two kinds, far from each other's near-duplicates."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from veridical.audit._contract import Planted
from veridical.dataset.rows import SCHEMA, Dataset

_CUES = (("awful", "dull", "broken", "refund", "worst"), ("lovely", "superb", "sturdy", "thanks", "best"))
_SYLLABLES = ("ba", "ke", "mi", "to", "ru", "sha", "lin", "por", "gat", "wey", "zun", "dri")


def sentence(rng: np.random.Generator, label: int, *, n_words: int = 12) -> str:
    """A text of invented words, three of which tell its label."""
    words = ["".join(rng.choice(_SYLLABLES, 3)) for _ in range(n_words)]
    for place, cue in zip(rng.choice(n_words, 3, replace=False), rng.choice(_CUES[label], 3), strict=True):
        words[place] = str(cue)
    return " ".join(words)


Row = tuple[str, str, str, str]
"""id, split, text, label."""


def rows(n: int, *, split: str, seed: int, share_positive: float = 0.5) -> list[Row]:
    """n rows, labels "neg" and "pos", all texts distinct."""
    rng = np.random.default_rng(seed)
    n_positive = round(n * share_positive)
    labels = [1] * n_positive + [0] * (n - n_positive)
    return [(f"{split}-{seed}-{i}", split, sentence(rng, label), ("neg", "pos")[label]) for i, label in enumerate(labels)]


def dataset(found: Iterable[Row]) -> Dataset:
    records = [{"id": i, "split": s, "text": t, "label": y} for i, s, t, y in found]
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return Dataset("classification", table, tuple(sorted({r[3] for r in found})), none)


def flipped(*, seed: int, n: int = 300, n_flipped: int = 12) -> Planted:
    """Train rows of which a few carry the other label; the twin carries the right ones."""
    plain = rows(n, split="train", seed=seed) + rows(60, split="test", seed=seed + 100)
    other = {"neg": "pos", "pos": "neg"}
    wrong = frozenset(plain[i][0] for i in np.random.default_rng(seed).choice(n, n_flipped, replace=False))
    noisy = [(i, s, t, other[y] if i in wrong else y) for i, s, t, y in plain]
    return Planted(dataset(noisy), wrong, dataset(plain))
