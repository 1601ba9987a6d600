"""Most tokens of a text are deleted, and a small decoder writes the whole text from the one vector of what is left (TSDAE).

What is asked: every token of the text, from those before it and the mean of the encoder's last states; the decoder sees nothing
else, so that what it needs must be in that mean, which is also what fine-tuning reads here.
What it is good for: an encoder whose mean state stands for the text. The decoder is thrown away.
How it errs: order within a text is hard to keep in one vector, so figures stay near those of word frequencies for long; texts
should be sentences. The authors' code ties all weights of the two halves; here they share the table of words alone.
Source: Wang, Reimers and Gurevych 2021, arXiv:2104.06979; share deleted as in sentence-transformers' own data set for it.
"""

from dataclasses import dataclass

import numpy as np

from veridical.train._objectives import Asked, Objective, check
from veridical.train.packing import Shown, Special


@dataclass(frozen=True)
class Params:
    """Settings of denoise."""

    deleted: float = 0.6
    """Share of the tokens deleted, 0..1; one at least stays. sentence-transformers' DenoisingAutoEncoderDataset: 0.6."""
    decoder_layers: int = 1
    """Layers of the decoder, >= 1. Ours; no source: a weak decoder must lean on the vector."""

    def __post_init__(self) -> None:
        check("deleted", self.deleted, 0.0, 0.99)
        check("decoder_layers", self.decoder_layers, 1, 24)


def ask(shown: Shown, params: Params, special: Special, rng: np.random.Generator) -> tuple[Shown, Asked]:
    """Delete tokens of every row; ask for all tokens of the text as it was."""
    real = shown.words >= 0
    chance = np.where(real, rng.random(shown.ids.shape), -1.0)
    kept = real & (chance >= params.deleted)
    kept |= real & ~kept.any(1, keepdims=True) & (chance == chance.max(1, keepdims=True))
    kept |= (shown.segment > 0) & ~real  # special tokens
    left = kept.sum(1)
    order = np.argsort(~kept, axis=1, kind="stable")[:, : int(left.max())]  # what stays moves to the left
    at = np.arange(order.shape[1])[None, :]
    there = at < left[:, None]

    def moved(
        array: np.ndarray[tuple[int, ...], np.dtype[np.int64]], filled: int
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.where(there, np.take_along_axis(array, order, 1), filled)

    thinned = Shown(
        ids=moved(shown.ids, special.pad),
        segment=moved(shown.segment, 0),
        positions=np.where(there, at, 0),
        types=moved(shown.types, 0),
        words=moved(shown.words, -1),
        owner=moved(shown.owner, -1),
        follows=shown.follows,
    )
    row, column = np.nonzero((shown.segment[:, :-1] > 0) & (shown.segment[:, 1:] > 0))
    return thinned, Asked(row, column, shown.ids[row, column + 1], shown.owner[row, column], written=shown.ids)


objective = Objective(Params(), "single", "both", "decoder", ask, draws=3)
