"""Labels that can be told from a part of the input that should not tell them.

What it measures: out-of-fold accuracy of naive Bayes on the length alone, the first words alone, the marks and capitals alone
(punctuation, other signs, white space, how much is in capitals: no word) and, in pair tasks, the second text alone, against the
same probe on permuted labels and against the largest class.
Why it inflates a score: a model can answer without reading what it is asked about, on test rows written by the same people.
How it errs: length, first words or a question mark may be honest evidence of a label; what a probe cannot use, a stronger model
may; a model that does not see capitals gains nothing from them.
Source: Gururangan et al. 2018, arXiv:1803.02324; Poliak et al. 2018, arXiv:1805.01042; a caution in Feng et al. 2019.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, nonsense, rows
from veridical.core.bootstrap import cluster_bootstrap_means, percentile_interval
from veridical.core.estimate import Estimate
from veridical.core.finding import Finding, Looked, Skipped
from veridical.core.multiplicity import benjamini_hochberg
from veridical.core.proportion import opened_share
from veridical.dataset.rows import Dataset, IntArray
from veridical.dataset.words import words
from veridical.models.floors import FIRST_WORDS, OPENING, presence
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import deal_clusters
from veridical.models.word_bayes import fit_per_class, per_class, present


@dataclass(frozen=True)
class Params:
    """When a part of the input tells too much."""

    permutations: int = 99
    """Permutations of the labels for the null. Count, 19 and up. Ours; no source."""
    level: float = 0.05
    """False discovery rate over the probes (Benjamini-Hochberg). Unitless, 0..1. Convention."""
    gain: float = 0.2
    """How much of the way from the null to 1 the accuracy must have come. Unitless, 0..1. Ours; no source."""
    most_rows: int = 20000
    """Rows looked at; a random sample of more. Count. Ours; no source."""


CAPITALS = (0.001, 0.03, 0.1, 0.3, 0.8)
"""Shares of capitals among letters that part texts into kinds, from none to all. Ours; no source."""
USUAL = 0.01
"""Share of texts from which it also counts that a sign is not there. Ours; no source."""
N_FOLDS = 5
"""Parts of the rows, of which each is told by a model of the others. Convention."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    known = np.flatnonzero(data.codes >= 0)
    if len(known) > params.most_rows:
        known = np.sort(rng.choice(known, params.most_rows, replace=False))
    codes, clusters, n_classes = data.codes[known], evidence.clusters[known], len(data.labels)
    if len(np.unique(codes)) < 2 or len(np.unique(clusters)) < 50:
        return Skipped("Probes need two labels and 50 distinct rows; add labelled rows.")
    fold = deal_clusters(clusters, n_folds=N_FOLDS, rng=rng)
    names, excess, p_values, measures = [], [], [], {}
    for name, features in _parts(data, known).items():
        folds = _Folds.of(features, fold)
        right = folds.right(codes, n_classes)
        shuffled = [folds.right(rng.permutation(codes), n_classes).mean() for _ in range(params.permutations)]
        value = float(right.mean())
        prior = max(float(np.mean(shuffled)), float(np.bincount(codes).max() / len(codes)))
        replicates = cluster_bootstrap_means(right[:, None], clusters, 1000, rng)[:, 0]
        n_clusters = len(np.unique(clusters))
        low, high = opened_share(percentile_interval(replicates, value), value, n=n_clusters)
        measures[name] = Estimate(value, low, high, 0.95, len(known), n_clusters, "cluster bootstrap")
        names.append(name)
        excess.append((value - prior) / max(1 - prior, 1e-9))
        p_values.append((1 + sum(s >= value for s in shuffled)) / (1 + params.permutations))
    adjusted = benjamini_hochberg(p_values)
    findings = []
    for name, gain, p in zip(names, excess, adjusted.tolist(), strict=True):
        if p <= params.level and gain >= params.gain:
            seen = f"accuracy {measures[name].value:.3f} from {name} alone; adjusted p = {p:.3f}"
            findings.append(Finding("", "", min(gain, 1.0), f"the label can be told from {name} alone", seen))
    return Looked(len(known), tuple(findings), f"{len(findings)} of {len(names)} parts tell the label.", measures)


def _parts(data: Dataset, known: IntArray) -> dict[str, sp.csr_matrix]:
    """What each probe sees, 0 or 1, (N, F)."""
    tokens = [words(data.texts[row][:OPENING])[:FIRST_WORDS] for row in known]
    lengths = np.array([len(data.texts[row]) + (len(data.seconds[row]) if data.seconds else 0) for row in known])
    bounds = np.unique(np.quantile(lengths, np.linspace(0.1, 0.9, 9)))
    parts = {
        "length": presence([f"bin{b}" for b in np.searchsorted(bounds, lengths).tolist()]),
        "first words": presence([" ".join(first) for first in tokens]),
        "marks and capitals": _surfaces([data.texts[row] + (data.seconds[row] if data.seconds else "") for row in known]),
    }
    if data.seconds:
        parts["second text"] = presence([data.seconds[row] for row in known])
    return parts


def _surfaces(texts: list[str]) -> sp.csr_matrix:
    """Which signs that are no letter, digit or single space each text holds, which of the usual ones it lacks, and the kind of
    its capitals, 0 or 1, (N, F)."""
    places: dict[str, int] = {}
    rows, columns = [], []
    for row, text in enumerate(texts):
        for sign in _signs(text):
            rows.append(row)
            columns.append(places.setdefault(sign, len(places)))
    held = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), max(len(places), 1)))
    usual = np.flatnonzero(np.asarray(held.sum(axis=0)).ravel() >= USUAL * len(texts))
    return sp.hstack([held, sp.csr_matrix(1.0 - held[:, usual].toarray())], format="csr")


def _signs(text: str) -> set[str]:
    held = {character for character in text if not character.isalnum() and character != " "}
    if "  " in text:
        held.add("spaces in a row")
    if text != text.strip():
        held.add("space at an end")
    capitals, letters = sum(map(str.isupper, text)), sum(map(str.isalpha, text))
    held.add(f"capitals {int(np.searchsorted(CAPITALS, capitals / max(letters, 1)))}")
    return held


@dataclass(frozen=True, eq=False)
class _Folds:
    """What a probe sees of each fold, sliced once for all permutations of the labels. rows: those of each fold. held: their
    features, 0 or 1."""

    n_rows: int
    rows: list[IntArray]
    held: list[sp.csr_matrix]

    @classmethod
    def of(cls, features: sp.csr_matrix, fold: IntArray) -> "_Folds":
        rows = [np.flatnonzero(fold == k) for k in range(N_FOLDS)]
        return cls(len(fold), rows, [present(features[inside]) for inside in rows])

    def right(self, codes: IntArray, n_classes: int) -> FloatArray:
        """1.0 where naive Bayes learned on the other folds is right, (N,)."""
        parts = [per_class(held, codes[inside], n_classes=n_classes) for inside, held in zip(self.rows, self.held, strict=True)]
        total, right = sum(parts, np.zeros_like(parts[0])), np.zeros(self.n_rows)
        for k, (inside, held) in enumerate(zip(self.rows, self.held, strict=True)):
            others = np.concatenate([codes[rows] for at, rows in enumerate(self.rows) if at != k])
            model = fit_per_class(total - parts[k], others)  # whole numbers: the difference is exact
            right[inside] = model.predict_present(held).argmax(axis=1) == codes[inside]
        return right


def planted() -> Planted:
    plain = rows(200, seed=5)
    rng = np.random.default_rng(6)
    longer = [(i, s, f"{t} {nonsense(rng, 12)}" if y == "pos" else t, y) for i, s, t, y in plain]
    return Planted(dataset(longer), frozenset({""}), dataset(plain))


check = Check(run, Params(), planted, one_label=True)
