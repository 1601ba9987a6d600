"""Made-up reviews on which repairs are proven: invented words, three of which tell the label."""

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._made_up import Row, dataset, nonsense

_CUES = (("awful", "dull", "broken", "refund", "worst"), ("lovely", "superb", "sturdy", "thanks", "best"))


def sentence(rng: np.random.Generator, label: int, *, n_words: int = 12) -> str:
    """A text of invented words, three of which tell its label."""
    words = nonsense(rng, n_words).split(" ")
    for place, cue in zip(rng.choice(n_words, 3, replace=False), rng.choice(_CUES[label], 3), strict=True):
        words[place] = str(cue)
    return " ".join(words)


def rows(n: int, *, split: str, seed: int, share_positive: float = 0.5) -> list[Row]:
    """n rows, labels "neg" and "pos", all texts distinct."""
    rng = np.random.default_rng(seed)
    n_positive = round(n * share_positive)
    labels = [1] * n_positive + [0] * (n - n_positive)
    return [(f"{split}-{seed}-{i}", split, sentence(rng, label), ("neg", "pos")[label]) for i, label in enumerate(labels)]


def flipped(*, seed: int, n: int = 300, n_flipped: int = 12) -> Planted:
    """Train rows of which a few carry the other label; the twin carries the right ones."""
    plain = rows(n, split="train", seed=seed) + rows(60, split="test", seed=seed + 100)
    other = {"neg": "pos", "pos": "neg"}
    wrong = frozenset(plain[i][0] for i in np.random.default_rng(seed).choice(n, n_flipped, replace=False))
    noisy = [(i, s, t, other[y] if i in wrong else y) for i, s, t, y in plain]
    return Planted(dataset(noisy), wrong, dataset(plain))
