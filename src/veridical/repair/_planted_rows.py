"""Made-up reviews on which repairs are proven: invented words, three of which tell the label."""

import numpy as np

from veridical.audit._contract import Planted
from veridical.audit._made_up import Row, nonsense

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


def train_part(found: Planted) -> Planted:
    """What a check was proven on, as a task for a repair that touches train rows only."""
    data = found.data
    train = {data.ids[row] for row in data.rows("train")}
    return Planted(data, found.bad & train, found.twin)
