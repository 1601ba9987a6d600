"""Properties of a text that have nothing to do with its label, how well they are read from features, and how to erase them.

Letters: N rows, D features, k columns of a concept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import BoolArray, Dataset, IntArray, Text
from veridical.models.frozen_features import fit_head
from veridical.models.linear import weighted
from veridical.models.model import FloatArray
from veridical.models.text_features import hashed
from veridical.probe._identity import axes

_NUMBER = re.compile(r"\d")
_NAME = re.compile(r"(?<=[a-z,;]\s)[A-Z][a-z]+")
CONTROL = "control"
"""The axis of words that name no one."""
RARE, COMMON = 0.05, 0.95
"""Shares between which a concept varies enough to be read, 0..1. Ours; no source."""
SOURCES = 4
"""Sources at most that are looked at one by one. Ours; no source."""
RIDGE = 1e-3
"""Added to the covariance, as a share of its mean variance, so that it can be inverted. Ours; no source."""


@dataclass(frozen=True)
class Concept:
    """present: 1.0 where a row has it, (N,)."""

    name: str
    present: FloatArray


def concepts(data: Dataset, rows: IntArray, *, n_topics: int, seed: int) -> list[Concept]:
    """Those that vary among `rows`: long texts, numbers, names, people named by a group (`_identity`), Chinese, the largest
    sources, topics."""
    inputs = data.inputs(rows)
    texts = [text if isinstance(text, str) else " ".join(text) for text in inputs]
    lengths = np.array([len(text) for text in texts], np.float64)
    found = {
        "length": lengths > np.median(lengths),
        "number": np.array([bool(_NUMBER.search(text)) for text in texts]),
        "name": np.array([bool(_NAME.search(text)) for text in texts]),
        "identity": np.array([_names_a_group(text) for text in texts]),
        "language": np.array([is_cjk(text) for text in texts]),
        **_topics(inputs, n_topics=n_topics, seed=seed),
    }
    told = [*found.items(), *_sources(data, rows)]
    return [Concept(name, on * 1.0) for name, on in told if RARE <= on.mean() <= COMMON]


def _names_a_group(text: str) -> bool:
    """Whether a word says a person's gender, nation, religion or another group of the identity lists."""
    return any(axis.pattern.search(text) for axis in axes() if axis.name != CONTROL)


def _sources(data: Dataset, rows: IntArray) -> list[tuple[str, BoolArray]]:
    """Each of the largest sources by its name; of two, one says all."""
    names = np.array([value or "" for value in data.table.column("source").to_pylist()], dtype=object)[rows].astype(str)
    values, counts = np.unique(names, return_counts=True)
    largest = values[np.argsort(-counts, kind="stable")]
    if len(values) < 3:
        return [("source", np.asarray(names == largest[0]))]
    return [(f"source_{value}", np.asarray(names == value)) for value in largest[:SOURCES] if value]


def _topics(inputs: Sequence[Text], *, n_topics: int, seed: int) -> dict[str, BoolArray]:
    """Membership of clusters of TF-IDF n-grams in a few dimensions, which no encoder had a hand in."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD

    counts = hashed(inputs).matrix
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero((frequency >= 5) & (frequency <= 0.3 * len(inputs)))
    if len(kept) < 50 or len(inputs) < 100:
        return {}
    idf = (np.log((1 + len(inputs)) / (1 + frequency[kept])) + 1).astype(np.float32)
    reduced = TruncatedSVD(min(20, len(kept) - 1), random_state=seed).fit_transform(weighted(counts[:, kept].tocsr(), idf))
    member = KMeans(n_topics, n_init=3, random_state=seed).fit_predict(reduced)
    order = np.argsort(-np.bincount(member, minlength=n_topics), kind="stable")
    return {f"topic_{number + 1}": member == topic for number, topic in enumerate(order[: n_topics - 1])}


def read_scores(features: FloatArray, present: FloatArray, fit: IntArray, asked: IntArray) -> FloatArray:
    """How strongly a linear reader, fitted on the rows `fit`, sees the concept in the rows `asked`: log odds, (len(asked),)."""
    head = fit_head(features[fit].astype(np.float32), present[fit].astype(np.int64), n_classes=2)
    said = head.predict(features[asked].astype(np.float32))
    return np.asarray(np.log(np.maximum(said[:, 1], 1e-12)) - np.log(np.maximum(said[:, 0], 1e-12)))


@dataclass(frozen=True)
class Eraser:
    """x -> x - left (right (x - mean)): the least change after which nothing linear reads the concept (LEACE, Belrose et al.
    2023, arXiv:2306.03819). mean: (D,). left: (D, k). right: (k, D)."""

    mean: FloatArray
    left: FloatArray
    right: FloatArray

    def erase(self, features: FloatArray) -> FloatArray:
        return np.asarray(features - (features - self.mean) @ self.right.T @ self.left.T)


def direction(features: FloatArray, present: FloatArray, codes: IntArray) -> FloatArray:
    """What rows that have the concept have more of than others of their class, (D,): its activation vector by means, fitted
    inside the classes so that it does not hold the label."""
    apart, weight = np.zeros(features.shape[1]), 0.0
    for code in np.unique(codes):
        on, off = features[(codes == code) & (present == 1)], features[(codes == code) & (present == 0)]
        if len(on) and len(off):
            own = len(on) * len(off) / (len(on) + len(off))
            apart, weight = apart + own * (on.mean(axis=0) - off.mean(axis=0)), weight + own
    return np.asarray(apart / max(weight, 1e-12))


def fit_eraser(features: FloatArray, present: FloatArray, codes: IntArray) -> Eraser:
    """Fitted inside the classes `codes` (N,), ours: what the concept shares with the label only through the class mix stays, so
    that erasing it does not take the label along."""
    inner, z = features.astype(np.float64), present.astype(np.float64)[:, None]
    for code in np.unique(codes):
        rows = codes == code
        inner = np.where(rows[:, None], inner - inner[rows].mean(axis=0), inner)
        z = np.where(rows[:, None], z - z[rows].mean(axis=0), z)
    covariance = inner.T @ inner / len(inner)
    covariance += RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12) * np.eye(len(covariance))
    left = inner.T @ z / len(inner)  # (D, k)
    solved = np.linalg.solve(covariance, left)
    strength = left.T @ solved
    if float(np.trace(strength)) < 1e-10:
        return Eraser(features.mean(axis=0), np.zeros_like(left), np.zeros_like(left.T))
    return Eraser(features.mean(axis=0), left, np.linalg.solve(strength, solved.T))
