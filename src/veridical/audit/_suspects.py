"""Parts of answers that are probably wrong: what the three ways to look for them share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.proportion import wilson
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray

HALF = 0.5
"""More than this share of what models name must be given so, with 95 % confidence, before they may judge. Ours."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part of a row's answer that is doubted. place: what orders parts of one row. doubt: 0..1, 1 is worst. what: a sentence
    for a person. seen: the figures it rests on."""

    row: int
    place: int
    doubt: float
    what: str
    seen: str


@dataclass(frozen=True, slots=True)
class Judged:
    """suspects: of the rows that could be judged. n_rows: how many these are. n_drawn: rows that the models learned from where
    they could not learn from all, else 0. power: what would be found, in sentences; none where that is not known."""

    suspects: Sequence[Suspect]
    n_rows: int
    n_drawn: int
    power: tuple[str, ...] = ()


def unsure(given: FloatArray, named: BoolArray, clusters: IntArray) -> str:
    """Why models cannot judge; empty where clearly more than half of what they name is given so. given: 0 or 1 at each place."""
    n = len(np.unique(clusters[named])) if named.any() else 0
    share = float(given[named].mean()) if named.any() else 0.0
    if n and wilson(round(share * n), n)[0] > HALF:
        return ""
    return (
        f"Of what models that saw other rows name, {share:.0%} is given so in {n} distinct texts, not clearly more than half; "
        "they cannot judge answers. Add rows."
    )
