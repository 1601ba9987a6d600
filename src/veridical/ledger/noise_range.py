"""Which wrong test labels the data allow while none was reviewed: label distributions between whose scores the honest one lies.

Each is an end of what `ledger.label_noise` does not reject: the least of the fitted noise, the most of it, as much even noise as
the easiest rows contradict, more of it on rows of which the models are less sure. Labels that are as wrong as is considered tell
nothing: of such classes the model may be right on all rows, and what the texts say may be all there is to go by.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.label_noise import FEWEST_READ, LEAST_TOLD, LabelNoise
from veridical.ledger.noise_shapes import NoiseParams, evenly_undone
from veridical.models.model import FloatArray

TOUCH = 1e-9


def held_possible(noise: LabelNoise, codes: IntArray, predicted: IntArray) -> Iterator[FloatArray]:
    """Label distributions, (n, C) each. codes: labels as given, predicted: what the model says, (n,)."""
    said = np.eye(noise.expected.shape[1])[predicted]
    yield from noise.extremes(codes)
    yield from _open_ends(noise, codes, said)
    yield from _corners(noise, codes)


def _open_ends(noise: LabelNoise, codes: IntArray, said: FloatArray) -> Iterator[FloatArray]:
    """Of the rows of classes whose labels may tell nothing: the model right on all of them, in place of what their labels say or
    beside it, of which little is known, and these rows of the class that their texts speak of. None where there are none."""
    chance = noise.beyond
    if not chance.any():
        return
    inverted, others = noise.inverted(codes), noise.expected * (1 - said) + 1e-12 * (1 - said)
    rest = (1 - chance)[:, None] * inverted
    yield rest + chance[:, None] * said
    yield rest + noise.expected * noise.open_classes
    if not noise.apart:
        yield inverted + chance[:, None] * (said - others / others.sum(axis=1, keepdims=True))


def _corners(noise: LabelNoise, codes: IntArray) -> Iterator[FloatArray]:
    """Each third of the rows by the models' sureness with as few wrong labels as is allowed or as many as its own rows do, each
    on its own; in a group no fewer than are fitted there. A rate at the limit of what is considered is not undone, which would
    multiply what says nothing: what the texts say stands in its place, if they say anything. Empty of older tables."""
    if not len(noise.third):
        return
    c = noise.expected.shape[1]
    limit, least = NoiseParams().largest(c), noise.with_least(codes)
    rates = np.maximum(noise.hard, noise.fitted_rates) if noise.apart else noise.hard
    most = evenly_undone(np.minimum(rates, limit), codes, n_classes=c)
    thirds: list[BoolArray] = [noise.third == k for k in np.unique(noise.third)]
    ends: list[tuple[FloatArray, ...]] = []
    for here in thirds:
        told = noise.expected[here].max(axis=1).mean() - 1 / c > LEAST_TOLD
        at_limit = noise.hard[here].max() >= limit - TOUCH
        ends.append((least, most) if not at_limit else (least, noise.expected) if told else (least,))
    for chosen in product(*ends):
        yield np.select([here[:, None] for here in thirds], chosen)


RENAMED = 0.1
"""By how much more often rows of one class must carry the name of another than that other's own rows. Ours; no source."""


def renamed_classes(noise: LabelNoise, codes: IntArray) -> list[tuple[int, int, float]]:
    """(class that texts speak of, label that most of these rows carry instead, their share), where labels are as wrong as is
    considered: a swap, or numbers that are off by one."""
    c, weight = noise.expected.shape[1], np.maximum(noise.expected.sum(axis=0), 1e-12)
    named = np.stack([np.bincount(codes, noise.expected[:, k], minlength=c) / weight[k] for k in range(c)])
    found = []
    for read in np.flatnonzero(noise.open_classes.any(axis=0)):
        given = int(named[read].argmax())
        most, own = float(named[read, given]), float(named[given, given])
        if given != read and most > max(0.5, own + RENAMED) and weight[read] >= FEWEST_READ:
            found.append((int(read), given, most))
    return found
