"""Words whose rows carry one label far more often than all rows do: candidates for shortcuts.

What it measures: for every word in enough clusters of train rows, z of its label share against the label's prior, one-sided,
with Benjamini-Hochberg over all words and labels.
Why it inflates a score: a model that has learned such a word scores on test rows collected the same way, and only there.
How it errs: words that mean the label ("awful" in reviews) pass too, so a finding is a candidate for a person to judge; cues made
of several words, of order or of absence are not seen.
Source: Gardner et al. 2021, arXiv:2104.08646 (competency problems); Benjamini and Hochberg 1995.
"""

from dataclasses import dataclass

import numpy as np

from veridical.audit._contract import Check, Planted
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, rows
from veridical.audit._word_labels import label_word_candidates
from veridical.core.counted import counted
from veridical.core.finding import Finding, Looked, Skipped


@dataclass(frozen=True)
class Params:
    """When a word is a candidate."""

    least: int = 20
    """Least number of clusters that hold the word. Count, 1 and up. Gardner et al. 2021 use 20."""
    false_discovery: float = 0.05
    """Expected share of false candidates (Benjamini-Hochberg). Unitless, 0..1. Convention."""
    gain: float = 0.3
    """How far from the prior to 1 the label share must have come. Unitless, 0..1. Ours; no source."""
    most: int = 100
    """Words listed, strongest first; the summary counts them all. Topics and sentiments have many rightful words. Ours."""


def run(evidence: Evidence, params: Params, rng: np.random.Generator) -> Looked | Skipped:
    data = evidence.data
    train = data.rows("train")
    if len(np.unique(data.codes[train][data.codes[train] >= 0])) < 2:
        return Skipped("Words are compared between labels; train rows with at least two labels are needed.")
    found = label_word_candidates(evidence, least=params.least, false_discovery=params.false_discovery, gain=params.gain)
    summary = f"{counted(len(found), 'word is a candidate', 'words are candidates')} for shortcuts" + (
        f", {params.most} are listed." if len(found) > params.most else "."
    )
    findings = []
    for word in found[: params.most]:
        seen = f"word {word.word!r}: {word.share:.0%} of {word.n} distinct rows are {word.label!r} (prior {word.prior:.0%})"
        reason = f"{word.word!r} goes with {word.label!r} (z = {word.z:.1f})"
        findings.append(Finding("", "train", (word.share - word.prior) / (1 - word.prior), reason, seen))
    return Looked(len(train), tuple(findings), summary)


def planted() -> Planted:
    plain = rows(200, seed=3)
    cued = [(i, s, f"{t} sponsored" if y == "pos" and k % 3 else t, y) for k, (i, s, t, y) in enumerate(plain)]
    return Planted(dataset(cued), frozenset({""}), dataset(plain))


check = Check(run, Params(), planted, one_label=True)
