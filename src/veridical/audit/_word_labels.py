"""Which words go with which label: presence counted over clusters of near-duplicates, tested against the label's prior."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from veridical.audit._evidence import Evidence
from veridical.core.multiplicity import benjamini_hochberg
from veridical.dataset.cue import holds
from veridical.dataset.words import words


@dataclass(frozen=True, slots=True)
class LabelWord:
    """n: clusters of train rows that hold the word. share, prior: share 0..1 of the label among them, and among all clusters."""

    word: str
    label: str
    n: int
    share: float
    prior: float
    z: float


def label_word_candidates(
    evidence: Evidence, *, least: int = 20, false_discovery: float = 0.05, gain: float = 0.3
) -> tuple[LabelWord, ...]:
    """Words held by at least `least` train clusters whose label share passes both tests, strongest first.

    gain: how much of the way from the prior to 1 the share must have come, 0..1.
    """
    data = evidence.data
    held: Counter[tuple[str, int]] = Counter()
    prior_counts = np.zeros(len(data.labels))
    members: dict[tuple[int, int], set[str]] = {}
    for row in data.rows("train").tolist():
        if data.codes[row] < 0:
            continue
        text = data.texts[row] + (f"\n{data.seconds[row]}" if data.seconds else "")
        # A cluster votes once for each label it carries: copies under two labels are evidence for neither alone.
        members.setdefault((int(evidence.clusters[row]), int(data.codes[row])), set()).update(words(text))
    for (_, code), present in members.items():
        prior_counts[code] += 1
        held.update((word, code) for word in present)
    totals: Counter[str] = Counter()
    for (word, _), count in held.items():
        totals[word] += count
    prior = prior_counts / max(prior_counts.sum(), 1)
    tested = []
    for word in sorted(w for w, n in totals.items() if n >= least):
        for code in np.flatnonzero((prior > 0) & (prior < 1)).tolist():
            tested.append(_counted(word, data.labels[code], totals[word], held[word, code], float(prior[code])))
    if not tested:
        return ()
    adjusted = benjamini_hochberg(np.asarray(norm.sf([t.z for t in tested]), dtype=np.float64))
    passed = [
        t for t, p in zip(tested, adjusted, strict=True) if p <= false_discovery and t.share - t.prior >= gain * (1 - t.prior)
    ]
    return tuple(sorted(passed, key=lambda t: (-t.z, t.word)))


def label_phrase(evidence: Evidence, phrase: str, label: str) -> LabelWord | None:
    """A phrase, counted as words are; None where no labelled train row holds it, or all of them carry one label."""
    data = evidence.data
    rows = data.rows("train")
    rows = rows[data.codes[rows] >= 0]
    votes = np.stack([evidence.clusters[rows], data.codes[rows]], axis=1)
    of_all = np.unique(votes, axis=0)[:, 1]
    of_held = np.unique(votes[holds(data.inputs(rows), phrase)], axis=0)[:, 1]
    code = data.labels.index(label)
    prior = float(np.mean(of_all == code)) if len(of_all) else 0.0
    if not len(of_held) or not 0 < prior < 1:
        return None
    return _counted(phrase, label, len(of_held), int((of_held == code).sum()), prior)


def _counted(word: str, label: str, n: int, n_of_label: int, prior: float) -> LabelWord:
    """z of the label's share among the `n` clusters that hold the word, against its prior in (0, 1)."""
    share = n_of_label / n
    return LabelWord(word, label, n, share, prior, (share - prior) / float(np.sqrt(prior * (1 - prior) / n)))
