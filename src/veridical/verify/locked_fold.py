"""Rows kept away from everything that chooses a repair: 15 % of the clusters of train and of unleaked test; of a model that
cannot be trained again, half of the clusters of unleaked test.

Drawn from hashes of the content, not from a seed: the same rows are locked whatever else is done, in whatever order the rows
come, so that nobody can draw until the fold is kind. Whole clusters are locked, and labels keep their shares.
"""

import hashlib
from dataclasses import dataclass
from math import ceil

import numpy as np

from veridical.core.power import paired_mde
from veridical.dataset.rows import Dataset, IntArray

SHARE = 0.15
"""Share of the clusters that is locked, 0..1. Source: the project's ledger definition."""
SHARE_FIXED = 0.5
"""Share of the clusters of unleaked test that is locked for a model that is not trained here. Source: the same."""
MIN_ROWS = 300
"""Locked rows below which no repair is tested. Source: the project's ledger definition."""
ASSUMED_DISCORDANCE = 0.10
"""Share of rows that one of two models gets right, assumed where nothing was measured. Ours: 4 to 12 % was usual."""


@dataclass(frozen=True, eq=False)
class LockedFold:
    """rows: positions of the locked rows, ascending. n_clusters: how many clusters they form.

    skipped: why nothing can be tested on it, or "". mde: smallest difference in points that it would show with 80 % power at
    10 % discordance.
    """

    rows: IntArray
    n_clusters: int
    skipped: str
    mde: float | None


def locked_fold(data: Dataset, clusters: IntArray, *, fixed: bool = False, min_rows: int = MIN_ROWS) -> LockedFold:
    """The locked rows of `data`, given the cluster of each row (N,). To be drawn before any check looks.

    fixed: the model was not trained here, so that its train rows can never be fresh.
    """
    strata: dict[tuple[str, int], list[tuple[str, IntArray]]] = {}
    for member in _by_cluster(clusters):
        splits = set(data.splits[member])
        if "train" not in splits and splits != {"test"}:
            continue  # validation rows steer training, so they are neither train nor fresh
        origin = "train" if "train" in splits else "test"
        if fixed and origin == "train":
            continue
        strata.setdefault((origin, _majority(data, member)), []).append((_content_key(data, member), member))
    drawn: list[IntArray] = []
    share, owed = SHARE_FIXED if fixed else SHARE, 0.0
    for name in sorted(strata):
        hashed = sorted(strata[name], key=lambda entry: entry[0])
        owed += share * len(hashed)  # what is rounded off one label is owed to the next: rare labels together get their share
        taken = min(round(owed), len(hashed))
        owed -= taken
        drawn += [member for _, member in hashed[:taken]]
    rows = np.sort(np.concatenate(drawn)) if drawn else np.zeros(0, np.int64)
    mde = 100 * paired_mde(len(drawn), ASSUMED_DISCORDANCE) if drawn else None
    return LockedFold(rows, len(drawn), _too_small(len(rows), mde, min_rows, n_data=len(data)), mde)


def _too_small(n_rows: int, mde: float | None, min_rows: int, *, n_data: int) -> str:
    if n_rows >= min_rows:
        return ""
    seen = f"it would show no difference under {mde:.1f} points" if mde is not None else "it would show nothing"
    said = f"The locked fold would hold {n_rows} rows, under {min_rows}: {seen} (80 % power, 10 % discordance)."
    if not n_rows:
        return said
    enough = f"About {100 * ceil(n_data * min_rows / n_rows / 100):,} rows like these {n_data:,} would be enough."
    return f"{said} {enough}"


def _by_cluster(clusters: IntArray) -> list[IntArray]:
    order = np.argsort(clusters, kind="stable")
    return [part.astype(np.int64) for part in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1) if len(part)]


def _majority(data: Dataset, member: IntArray) -> int:
    """Commonest label of a cluster; the lowest code when several are equally common."""
    return int(np.bincount(data.codes[member] + 1).argmax()) - 1


def _content_key(data: Dataset, member: IntArray) -> str:
    """The hash of the cluster's first text in the order of the alphabet: a function of content, not of ids, order or seed. The
    smallest of the hashes would lock large families of unlike texts nearly always."""
    seconds = data.seconds
    first = min((data.texts[r], seconds[r] if seconds else "") for r in member)
    return hashlib.sha256("\x00".join(first).encode("utf-8", "surrogatepass")).hexdigest()
