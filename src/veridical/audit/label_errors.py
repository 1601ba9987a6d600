"""Rows whose label is probably wrong: two unlike models that never saw the row agree on another one.

What it measures: confident learning on out-of-fold probabilities of a linear model and of word naive Bayes, scaled and averaged;
a row is found when both prefer the same other label and it reaches its threshold, least probable given label first, up to the
estimated joint of given and true labels.
Why it inflates a score: wrong test labels reward models that share the annotators' mistakes and hide differences between models.
How it errs: hard, ironic or rare rows look wrong to bag-of-words models; errors that follow a rule are learned and not seen.
Source: Northcutt et al. 2021, JAIR 70, arXiv:1911.00068; Guo et al. 2017, arXiv:1706.04599 (temperature).
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._confident_learning import joint_counts, label_thresholds, likely_labels, temperature_scaled
from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.core.finding import Finding, Looked, Skipped
from veridical.core.proportion import wilson
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray


@dataclass(frozen=True)
class Params:
    """When a label is called probably wrong."""

    reach: float = 0.9
    """Share of a label's threshold t_j (its mean probability where it is given) that the other label must reach. Unitless, 0..1;
    Northcutt et al. use 1. Thresholds fall with the noise itself, which a fixed margin does not. Ours; no source."""
    least_rows: int = 20
    """Least labelled train rows per class that occurs; with fewer the check is skipped. Count. Ours; no source."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    train_codes = data.codes[data.rows("train")]
    counts = np.bincount(train_codes[train_codes >= 0], minlength=len(data.labels))
    if (counts > 0).sum() < 2 or counts[counts > 0].min() < params.least_rows:
        return Skipped(f"Fold models need two classes with {params.least_rows} labelled train rows each; add rows.")
    known = np.flatnonzero(data.codes >= 0)
    codes = data.codes[known]
    families = [temperature_scaled(p[known], codes) for p in (evidence.folds.probabilities, evidence.folds.word_probabilities)]
    mean = (families[0] + families[1]) / 2
    if why := _learned_nothing(mean, codes, evidence.clusters[known]):
        return Skipped(why)
    likely, best = likely_labels(mean, codes), mean.argmax(axis=1)
    at = np.arange(len(known))
    reached = mean[at, best] >= params.reach * label_thresholds(mean, codes)[best]
    agreed = (families[0].argmax(axis=1) == best) & (families[1].argmax(axis=1) == best)
    suspect = agreed & (best != codes) & reached
    room = np.ceil(joint_counts(codes, likely, len(data.labels)))
    findings = []
    doubt = 1 - mean[at, codes]
    for row in np.lexsort((np.asarray(data.ids, dtype=object)[known].astype(str), -doubt)).tolist():
        if not suspect[row] or room[codes[row], best[row]] < 1:
            continue
        room[codes[row], best[row]] -= 1
        other = data.labels[best[row]]
        position = known[row]
        reason = f"labelled {data.labels[codes[row]]!r}, both models say {other!r}"
        seen = f"p({other}) = {mean[row, best[row]]:.2f}, p({data.labels[codes[row]]}) = {mean[row, codes[row]]:.2f}"
        found = Finding(data.ids[position], str(data.splits[position]), float(min(doubt[row], 1.0)), reason, seen)
        findings.append(_answered(found))
    return Looked(len(known), tuple(findings), f"{len(findings)} of {len(known)} labels are probably wrong.")


def _learned_nothing(probabilities: FloatArray, codes: IntArray, clusters: IntArray) -> str:
    """Why models that never saw the rows cannot judge their labels; empty where they do better than the largest class.

    Clusters, not rows, count: copies that agree are one success.
    """
    n = len(np.unique(clusters))
    right = round(float((probabilities.argmax(axis=1) == codes).mean()) * n)
    majority = float(np.bincount(codes).max() / len(codes))
    low, _ = wilson(right, n)
    if low > majority:
        return ""
    return (
        f"Models that saw other rows are right on {right / n:.0%} of {n} distinct texts, not clearly above the largest class "
        f"({majority:.0%}); they cannot judge labels. Add rows."
    )


def _answered(found: Finding) -> Finding:
    return Finding(found.row, found.split, found.score, found.reason, found.evidence, repair="set_aside_label_errors")


def planted() -> Planted:
    cues = {"neg": "awful dull broken refund", "pos": "lovely superb sturdy thanks"}
    plain = [(i, s, f"{t} {cues[y]}", y) for i, s, t, y in rows(300, seed=4)]
    other = {"neg": "pos", "pos": "neg"}
    bad = frozenset(plain[k][0] for k in range(7, 300, 31))
    flipped = [(i, s, t, other[y] if i in bad else y) for i, s, t, y in plain]
    return Planted(dataset(flipped), bad, dataset(plain))


check = Check(run, Params(), planted, one_label=True)
