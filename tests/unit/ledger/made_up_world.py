"""A small world of made-up texts whose truth is known: words carry the label, some rows are hard, faults can be planted."""

from dataclasses import dataclass

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.dataset.rows import Dataset
from veridical.ledger.accounting import account_tables, tables_of
from veridical.ledger.contract import Contract
from veridical.ledger.review import Review
from veridical.ledger.tables import Tables
from veridical.models.linear import LinearModel, train_linear
from veridical.train.trained import Trained

LABELS = ("neg", "pos")


@dataclass(frozen=True, eq=False)
class Made:
    data: Dataset
    model: LinearModel
    trained: Trained
    right: dict[str, str]
    truth: float

    def tables(self, contract: Contract | None = None) -> Tables:
        return tables_of(self.trained, evidence=Evidence(self.data, seed=0), contract=contract, seed=0)


def texts(n, rng):
    """(texts, codes): each text has eight words of 400, each word a lean towards one label; labels follow the sum, noisily."""
    lean = np.random.default_rng(99).normal(size=400)
    chosen = rng.integers(400, size=(n, 8))
    score = lean[chosen].sum(axis=1) + rng.normal(scale=1.0, size=n)
    return [" ".join(f"word{w}" for w in row) for row in chosen], (score > 0).astype(np.int64)


def made(*, seed, n_train=500, n_test=300, leaked=0, flipped=0.0, cue=0.0, n_truth=6000):
    """leaked: train rows added to test. flipped: share of test labels turned. cue: how often the word zorblat goes with pos."""
    rng = np.random.default_rng(seed)
    every, codes = texts(n_train + n_test + n_truth, rng)
    if cue:
        has = rng.random(len(every)) < np.where(codes == 1, cue, 1 - cue)
        every = [f"zorblat {text}" if h else text for text, h in zip(every, has, strict=True)]
    train, test, pristine = (slice(0, n_train), slice(n_train, n_train + n_test), slice(n_train + n_test, None))
    listed = [(f"a{i}", "train", t, LABELS[c]) for i, (t, c) in enumerate(zip(every[train], codes[train], strict=True))]
    right = {row[0]: row[3] for row in listed}
    for i, (text, code) in enumerate(
        [*zip(every[test], codes[test], strict=True), *zip(every[:leaked], codes[:leaked], strict=True)]
    ):
        right[f"b{i}"] = LABELS[code]
        given = 1 - code if rng.random() < flipped else code
        listed.append((f"b{i}", "test", text, LABELS[given]))
    data = dataset(listed)
    model = train_linear(data.inputs(data.rows("train")), data.codes[data.rows("train")], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    truth = float((model.predict(every[pristine]).argmax(axis=1) == codes[pristine]).mean())
    return Made(data, model, trained, right, truth)


def account(world, *, tables=None, contract=None, answers=None, metric=None):
    return account_tables(
        tables or world.tables(contract), task="classification", labels=world.data.labels, contract=contract,
        review=Review(answers) if answers else None, metric=metric, floors={}, candidates=[], seed=0,
    )  # fmt: skip


def points(ledger):
    return {c.name: c.points for c in ledger.components if c.points is not None}
