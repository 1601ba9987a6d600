"""Rows that training resists are left out: their margin is no better than that of rows given a label that cannot be right (AUM).

What it measures: the mean margin of every train row over a first training, against rows set to a class that does not exist.
Why it inflates a score: wrong labels are learned by heart; their rows look learned, and rows like them are then answered wrongly.
How it errs: rare and hard rows with right labels have low margins too and are lost; with few rows the bound is rough.
Source: Pleiss et al. 2020, arXiv:2001.10528. Two first trainings with different rows of the made-up class, as there.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray, Dataset, IntArray
from veridical.models.model import FloatArray
from veridical.train._contract import Countermeasure, Study
from veridical.train._knobs import between
from veridical.train.countermeasures._toys import learned_by_heart

MADE_UP = "\x00 no class"
"""Name of the class that does not exist, the last of all; no label is called that."""


@dataclass(frozen=True)
class Params:
    """Settings of aum_removal."""

    percentile: float = field(default=99.0, metadata=between(0, 100))
    """Percentile of the made-up rows' margins below which a row is left out, 0..100; 0 is off. Pleiss et al. 2020 use 99."""
    epochs: int = field(default=6, metadata=between(1))
    """Epochs of a first training, >= 1, at most those of the training. Ours: later epochs learn wrong labels by heart."""
    removed: BoolArray | None = field(default=None, repr=False, compare=False)
    """Which training rows are left out; None: from two first trainings."""


def study(seen: Study, params: Params) -> Params:
    """Train twice, with two sets of made-up rows, unless nothing would come of it."""
    if not params.percentile or params.removed is not None:
        return params
    n, n_classes = len(seen.train), len(seen.data.labels)
    # As many rows as a class has on average once the made-up class is one more; no row is in both sets.
    share = min(n // (n_classes + 1), n // 2)
    order = stream(seen.seed, "aum_removal").permutation(n)
    removed = np.zeros(n, np.bool_)
    for number in range(2):
        made_up = order[number * share : (number + 1) * share]
        margins = _margins(seen, made_up, epochs=params.epochs, part=number)
        below = margins < np.percentile(margins[made_up], params.percentile)
        judged = np.ones(n, np.bool_)
        # The first training judges every row it left alone, the second those that were made up in the first.
        judged[made_up] = False
        if number:
            judged = np.isin(np.arange(n), order[:share])
        removed[judged] = below[judged]
    kept = seen.data.codes[seen.train][~removed]
    if len(np.unique(kept)) < len(np.unique(seen.data.codes[seen.train])):
        raise InputError(
            "aum_removal would leave out all rows of a class: the first training did not learn it. "
            f"Give more epochs than {params.epochs}, or leave aum_removal out."
        )
    return replace(params, removed=removed)


def _margins(seen: Study, made_up: IntArray, *, epochs: int, part: int) -> FloatArray:
    """Mean margin (n,) of the training rows over the epochs of a training in which `made_up` have a class that does not exist."""
    labels = seen.data.table.column("label").to_pylist()
    for row in seen.train[made_up]:
        labels[row] = MADE_UP
    position = seen.data.table.schema.get_field_index("label")
    table = seen.data.table.set_column(position, "label", pa.array(labels, pa.string()))
    changed: Dataset = replace(seen.data, table=table, labels=(*seen.data.labels, MADE_UP))
    dynamics = seen.first(epochs, changed=changed, part=part).dynamics
    assert dynamics is not None
    found = dynamics.filter(pc.equal(dynamics["part"], "train")).group_by("row").aggregate([("margin", "mean")])
    means = dict(zip(found["row"].to_pylist(), found["margin_mean"].to_pylist(), strict=True))
    return np.array([means[seen.data.ids[row]] for row in seen.train])


def row_weights(codes: IntArray, _n_classes: int, params: Params) -> FloatArray:
    """Weights (N,), mean 1; 0 for a row left out."""
    weights = np.ones(len(codes)) if params.removed is None else (~params.removed).astype(np.float64)
    return np.asarray(weights * (len(codes) / weights.sum()))


countermeasure = Countermeasure(
    params=Params(),
    answers=("noise",),
    off=Params(percentile=0.0),
    toy=learned_by_heart,
    needs_epochs=True,
    study=study,
    row_weights=row_weights,
)
