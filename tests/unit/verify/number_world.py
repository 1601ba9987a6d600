"""A world of numbers behind made-up texts: labels are the side of a plane, arms are fitted in a millisecond."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from veridical.audit._evidence import Evidence
from veridical.core.finding import AuditRecord, CheckRecord, Finding
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.dataset.similarity import SimilarPairs
from veridical.models.out_of_fold import OutOfFold


@dataclass(frozen=True, eq=False)
class World:
    data: Dataset
    x: np.ndarray
    truth: np.ndarray

    @property
    def wrong(self) -> set[str]:
        return {row for row, given, right in zip(self.data.ids, self.data.codes, self.truth, strict=True) if given != right}


def world(n: int, *, d: int, flipped: float, seed: int, n_test: int = 0, noisy_test: bool = True) -> World:
    """n train rows in d dimensions, a share of all labels flipped."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + n_test, d))
    truth = (x @ rng.normal(size=d) > 0).astype(np.int64)
    flip = (rng.random(n + n_test) < flipped) & (noisy_test | (np.arange(n + n_test) < n))
    codes = np.where(flip, 1 - truth, truth)
    names = ("neg", "pos")
    rows = [
        {"id": f"r{i}", "split": "train" if i < n else "test", "text": f"world {seed} row {i}", "label": names[c]}
        for i, c in enumerate(codes)
    ]
    none = SCHEMA.append(pa.field("reason", pa.string())).empty_table()
    return World(Dataset("classification", pa.Table.from_pylist(rows, schema=SCHEMA), names, none), x, truth)


class KnownEvidence(Evidence):
    """Evidence with clusters given; the models behind it are replaced by ridge regression."""

    def __init__(self, data: Dataset, *, clusters: np.ndarray | None = None) -> None:
        super().__init__(data, seed=0)
        groups = np.arange(len(data)) if clusters is None else clusters
        none = np.zeros(0, np.int64)
        self.__dict__["similar"] = SimilarPairs(groups=groups, left=none, right=none, jaccard=np.zeros(0))
        self.__dict__["clusters"] = groups


def ridge_fit(x: np.ndarray):
    """Arms by weighted ridge regression on the numbers of each row."""

    def fit(rows, codes, weights, seed):
        w = np.ones(len(rows)) if weights is None else weights
        design = np.column_stack([x[rows], np.ones(len(rows))])
        left = design.T @ (design * w[:, None]) + np.eye(design.shape[1])
        plane = np.linalg.solve(left, design.T @ (w * (2.0 * codes - 1)))
        return lambda chosen: _probabilities(np.column_stack([x[chosen], np.ones(len(chosen))]) @ plane)

    return fit


def _probabilities(score: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-4 * np.clip(score, -5, 5)))
    return np.column_stack([1 - p, p])


def ridge_folds(world: World):
    """Stands in for `out_of_fold`: two folds of the rows it is given, ridge regression on each other's half."""
    place = {row: i for i, row in enumerate(world.data.ids)}

    def folds(data, clusters, *, seed, progress):
        x = world.x[[place[row] for row in data.ids]]
        half = np.arange(len(data)) % 2
        said = np.zeros((len(data), 2))
        for k in (0, 1):
            train = np.flatnonzero((half != k) & (data.splits == "train"))
            said[half == k] = ridge_fit(x)(train, data.codes[train], None, 0)(np.flatnonzero(half == k))
        return OutOfFold(said, said, half, None)

    return folds


def record(check: str, findings: tuple[Finding, ...], n_rows: int) -> AuditRecord:
    status = "found" if findings else "clean"
    return AuditRecord((CheckRecord(check, status, n_rows, len(findings), "", "", {}, {}, 0.0, findings),), 0)


def disagreeing(evidence: Evidence, names) -> AuditRecord:
    """Stands in for the check of label errors: train rows whose label an out-of-fold model gives under 0.3."""
    data = evidence.data
    train = data.rows("train")
    given = evidence.folds.probabilities[train, data.codes[train]]
    found = [Finding(data.ids[r], "train", float(1 - p), "disagrees") for r, p in zip(train, given, strict=True) if p < 0.3]
    return record("label_errors", tuple(found), len(train))


def knowing(wrong: set[str]):
    """Stands in for a check that finds every wrong train label."""

    def look(evidence: Evidence, names) -> AuditRecord:
        data = evidence.data
        found = [Finding(data.ids[r], "train", 1.0, "wrong") for r in data.rows("train") if data.ids[r] in wrong]
        return record("label_errors", tuple(found), len(data))

    return look
