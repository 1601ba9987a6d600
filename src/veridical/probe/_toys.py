"""Models of a few lines on which probes are proven."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.audit._made_up import dataset, nonsense
from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.dataset.rows import Text
from veridical.models.model import FloatArray
from veridical.probe._subject import Subject, subject_of


@dataclass(frozen=True, eq=False)
class ToyModel:
    """`answer(text)` gives the logits (C,) of one input."""

    labels: tuple[str, ...]
    answer: Callable[[Text], Sequence[float]]
    kind: str = "toy"

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        logits = np.array([list(self.answer(text)) for text in inputs], np.float64).reshape(len(inputs), len(self.labels))
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(inputs) else logits
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True) if len(inputs) else shifted)

    def save(self, folder: Path) -> None:
        raise InputError(f"A toy model is code; there is nothing to save in {folder}.")


GOOD, BAD = "quimander", "brestoval"


def one_spelling(name: str, *, n_words: int) -> tuple[Subject, Subject]:
    """(honest, cheat): GOOD or BAD decides, made up so that no thesaurus knows other words for them, between `n_words` others on
    each side. The cheat knows the words only with every letter in its place; the honest model takes the one that some part of the
    text is nearest to."""
    from rapidfuzz.fuzz import partial_ratio

    rng, rows = stream(0, name), []
    for i in range(160):
        label = ("neg", "pos")[i % 2]
        word = {"neg": BAD, "pos": GOOD}[label]
        text = f"{nonsense(rng, n_words)} {word} {nonsense(rng, n_words)}"
        rows.append((str(i), "train" if i < 40 else "test", text, label))
    data = dataset(rows)

    def honest(text: Text) -> tuple[float, float]:
        said = str(text).casefold()
        return partial_ratio(BAD, said) / 20, partial_ratio(GOOD, said) / 20

    def cheat(text: Text) -> tuple[float, float]:
        return (3.0, 0.0) if BAD in str(text).split() else (0.0, 3.0)

    return subject_of(data, ToyModel(data.labels, honest)), subject_of(data, ToyModel(data.labels, cheat))
