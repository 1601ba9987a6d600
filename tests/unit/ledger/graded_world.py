"""The small world with five grades in place of two labels: what a row earns is more than right or wrong."""

from dataclasses import dataclass, replace

import numpy as np

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.plugins import get
from veridical.ledger.accounting import account_tables, tables_of
from veridical.ledger.review import Review
from veridical.models.linear import train_linear
from veridical.tasks._class_metrics import scored
from veridical.train.trained import Trained

GRADES = ("1", "2", "3", "4", "5")


@dataclass(frozen=True, eq=False)
class Made:
    data: object
    trained: Trained
    right: dict[str, str]
    pristine: tuple[np.ndarray, np.ndarray]

    def truth(self, metric):
        """The metric of the model on many rows that nothing is wrong with."""
        return scored(
            *self.pristine, n_classes=len(GRADES), metric=get("veridical.tasks", "task", "ordinal").metric(metric, GRADES)
        )


def made(*, seed, n_train=600, n_test=400, leaked=0, off=0.0, n_truth=6000):
    """leaked: train rows added to test. off: share of test labels moved to another grade."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test + n_truth
    lean = np.random.default_rng(99).normal(size=300)
    chosen = rng.integers(300, size=(n, 8))
    score = lean[chosen].sum(axis=1) + rng.normal(scale=1.0, size=n)
    codes = np.digitize(score, [-3.0, -1.0, 1.0, 3.0])
    every = [" ".join(f"word{w}" for w in row) for row in chosen]
    train, test, pristine = slice(0, n_train), slice(n_train, n_train + n_test), slice(n_train + n_test, None)
    listed = [(f"a{i}", "train", t, GRADES[c]) for i, (t, c) in enumerate(zip(every[train], codes[train], strict=True))]
    right = {row[0]: row[3] for row in listed}
    asked = [*zip(every[test], codes[test], strict=True), *zip(every[:leaked], codes[:leaked], strict=True)]
    for i, (text, code) in enumerate(asked):
        right[f"b{i}"] = GRADES[code]
        given = (code + rng.integers(1, 5)) % 5 if rng.random() < off else code
        listed.append((f"b{i}", "test", text, GRADES[given]))
    data = replace(dataset(listed), task="ordinal")
    model = train_linear(data.inputs(data.rows("train")), data.codes[data.rows("train")], labels=data.labels)
    trained = Trained(model, "linear", tuple(data.ids), model.predict(data.inputs()), data.labels, None, 0.0, external=False)
    said = model.predict(every[pristine]).argmax(axis=1)
    return Made(data, trained, right, (codes[pristine], said))


def account(world, *, metric, answers=None):
    tables = tables_of(world.trained, evidence=Evidence(world.data, seed=0), contract=None, seed=0)
    return account_tables(
        tables, task="ordinal", labels=world.data.labels, contract=None, review=Review(answers) if answers else None,
        metric=metric, floors={}, candidates=[], seed=0,
    )  # fmt: skip
