"""Losses of rows written down from step to step, and the two-part mixture that tells small from large."""

from typing import Any

import numpy as np

from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray

FEWEST = 20
"""Rows with a loss below which no mixture is fitted. Ours; no source."""


def passed(rows: IntArray, losses: FloatArray, own: dict[str, Any], *, train: IntArray, n_rows: int) -> int | None:
    """Writes the losses into own["loss"] (n_rows,); the number of passes made where one has just ended, else None."""
    import torch

    if "loss" not in own:
        own |= {"loss": torch.zeros(n_rows, dtype=torch.float64), "seen": torch.zeros(1, dtype=torch.int64)}
    own["loss"][torch.from_numpy(rows)] = torch.from_numpy(losses).to(own["loss"].device)
    before = int(own["seen"])
    own["seen"] += len(rows)
    passes = int(own["seen"]) // len(train)
    return passes if passes > before // len(train) else None


def of_the_low_part(losses: FloatArray) -> FloatArray:
    """(n,) probability of the part with the smaller mean."""
    from sklearn.mixture import GaussianMixture

    spread = max(float(np.ptp(losses)), 1e-12)
    values = ((losses - losses.min()) / spread)[:, None]
    means = np.quantile(values, [0.25, 0.95])[:, None]
    mixture = GaussianMixture(2, means_init=means, reg_covar=5e-4, random_state=0).fit(values)
    return np.asarray(mixture.predict_proba(values)[:, mixture.means_.ravel().argmin()])
