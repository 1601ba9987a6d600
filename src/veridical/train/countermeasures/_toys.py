"""Data for the toys of countermeasures: one word decides, and something stands in the way of learning that."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from veridical.core.randomness import stream
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models.model import FloatArray
from veridical.train._contract import Toy

N_TRAIN, N_TEST = 256, 64
FILLERS = 20
"""Words w0 .. w19, which say nothing of the label."""


def as_data(texts: Sequence[str], labels: Sequence[str], *, n_train: int, names: tuple[str, ...]) -> Dataset:
    """The first `n_train` rows are train, the others test."""
    n = len(texts)
    columns = {
        "id": [str(i) for i in range(n)],
        "split": ["train"] * n_train + ["test"] * (n - n_train),
        "text": list(texts),
        "label": list(labels),
    }
    table = pa.table({f.name: pa.array(columns.get(f.name, [None] * n), f.type) for f in SCHEMA}, schema=SCHEMA)
    return Dataset("classification", table, names, table.slice(0, 0))


def wrong_labels(share: float, *, n_train: int = N_TRAIN, n_fillers: int = 2) -> Dataset:
    """good or bad decides; this share of the train labels is wrong, and fillers let a model learn those by heart."""
    rng = stream(0, "wrong labels")
    texts, labels = [], []
    for i in range(n_train + N_TEST):
        good = bool(rng.random() < 0.5)
        texts.append(" ".join(["good" if good else "bad", *(f"w{k}" for k in rng.integers(FILLERS, size=n_fillers))]))
        labels.append("pos" if good != (i < n_train and rng.random() < share) else "neg")
    return as_data(texts, labels, n_train=n_train, names=("neg", "pos"))


def learned_by_heart() -> Toy:
    """Three labels in ten are wrong, and twenty epochs are enough for a plain model to learn some of those by heart."""
    return Toy(wrong_labels(0.3, n_fillers=3), against_the_word, settings={"epochs": 20})


def restless() -> Toy:
    """Three labels in ten are wrong, and the step size rises to the end, so that the last weights are one draw among many."""
    settings = {"epochs": 4, "token_budget": 48, "warmup_share": 1.0, "learning_rate": 1e-2}
    return Toy(wrong_labels(0.3, n_fillers=1), loss_on_test, settings=settings)


def rare_class() -> Dataset:
    """One row in eight is `rare`; its word also stands in a third of the others, so a plain model calls it common."""
    texts, labels = [], []
    for i in range(N_TRAIN + N_TEST):
        rare = i % 8 == 0
        texts.append(" ".join(["odd" if rare or i % 3 == 0 else "plain", f"w{i % 20}", f"w{i % 7}"]))
        labels.append("rare" if rare else "common")
    return as_data(texts, labels, n_train=N_TRAIN, names=("common", "rare"))


def against_the_word(probabilities: FloatArray, data: Dataset) -> float:
    """Share of all rows, train rows with wrong labels among them, whose likeliest label is not the one that good or bad says."""
    says = np.array(["good" in text.split() for text in data.texts], np.int64)
    return float((probabilities.argmax(1) != says).mean())


def known_words() -> Toy:
    """Before training, the encoder reads w0 .. w9 like one another, and w10 .. w19. Train rows name half of each, with wrong
    labels enough to learn by heart; test rows name the others, which only an encoder that was left whole reads alike."""
    rng = stream(0, "known words")
    texts, labels = [], []
    for i in range(N_TRAIN + N_TEST):
        train, high = i < N_TRAIN, bool(rng.random() < 0.5)
        words = 10 * high + 5 * (not train) + rng.integers(5, size=3)
        texts.append(" ".join([*(f"w{k}" for k in words), *rng.choice(["good", "bad", "odd", "plain", "the", "film"], size=2)]))
        labels.append("pos" if high != (train and rng.random() < 0.3) else "neg")
    data = as_data(texts, labels, n_train=N_TRAIN, names=("neg", "pos"))
    return Toy(data, loss_on_test, settings={"epochs": 20}, encoder=_alike)


FIRST_FILLER = 11
"""Token id of w0 in the encoder that toys are learned with; w1 .. w19 follow."""


def _alike(network: Any) -> None:
    """Moves the embeddings of w0 .. w9 to one place, and those of w10 .. w19 to another, with a little left of their own."""
    import torch

    table = network.encoder.get_input_embeddings().weight
    with torch.no_grad():
        for start in (FIRST_FILLER, FIRST_FILLER + FILLERS // 2):
            own = table[start : start + FILLERS // 2]
            own.copy_(own[:1] + 0.2 * (own - own[:1]))


def wrong_on_test(probabilities: FloatArray, data: Dataset) -> float:
    """Share of test rows that are answered wrongly."""
    rows = data.rows("test")
    return float((probabilities[rows].argmax(1) != data.codes[rows]).mean())


def loss_on_test(probabilities: FloatArray, data: Dataset) -> float:
    """Mean negative log-probability of the label of test rows."""
    rows = data.rows("test")
    return float(-np.log(np.maximum(probabilities[rows, data.codes[rows]], 1e-12)).mean())


def missed_rare(probabilities: FloatArray, data: Dataset) -> float:
    """Share of rare test rows that are missed."""
    rows = np.array([i for i in data.rows("test") if data.codes[i] == 1])
    return float((probabilities[rows].argmax(1) != 1).mean())


def planted_cue(*, agree: float = 0.95, right: float = 0.85) -> Dataset:
    """good or bad is right in this share of train rows; odd or plain goes with the label in `agree` of them, and in half of the
    test rows, where good or bad always decides. The cue is the group."""
    rng = stream(0, "planted cue")
    texts, labels, groups = [], [], []
    for i in range(N_TRAIN + N_TEST):
        train, label = i < N_TRAIN, bool(rng.random() < 0.5)
        cue = label == bool(rng.random() < (agree if train else 0.5))
        good = label == bool(rng.random() < (right if train else 1.0))
        texts.append(" ".join(["good" if good else "bad", "odd" if cue else "plain", f"w{rng.integers(FILLERS)}"]))
        labels.append("pos" if label else "neg")
        groups.append("odd" if cue else "plain")
    return as_data(texts, labels, n_train=N_TRAIN, names=("neg", "pos")).with_column("group", list(groups))


def worst_group(probabilities: FloatArray, data: Dataset) -> float:
    """The largest share of wrong answers among test rows of a group and label."""
    rows, groups = data.rows("test"), np.array(data.table.column("group").to_pylist(), dtype=object)
    wrong = probabilities[rows].argmax(1) != data.codes[rows]
    cells = {(groups[row], data.codes[row]) for row in rows}
    return max(float(wrong[(groups[rows] == group) & (data.codes[rows] == code)].mean()) for group, code in cells)


def cue_that_misleads() -> Toy:
    """A cue goes with the label in 95 of 100 train rows and in half of the test rows."""
    return Toy(planted_cue(), worst_group)


def slipped_words(rng: np.random.Generator, *, good: str = "godo", plain: str = "plian") -> Dataset:
    """good or plain decides; odd or bad beside it says the same in eight of ten train rows, and always in test rows, where good
    and plain are written as given here."""
    rows = []
    for i in range(N_TRAIN + N_TEST):
        train, high = i < N_TRAIN, bool(rng.random() < 0.5)
        hint = high == bool(rng.random() < (0.8 if train else 1.0))
        word = ("plain", "good")[high] if train else (plain, good)[high]
        rows.append((f"{word} {('odd', 'bad')[hint]} w{rng.integers(FILLERS)}", ("neg", "pos")[high]))
    return as_data([text for text, _ in rows], [label for _, label in rows], n_train=N_TRAIN, names=("neg", "pos"))
