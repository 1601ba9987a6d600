"""Is the model right on both rows of a pair that differs in little but the label?

What it measures: over pairs of unleaked test rows whose texts are near-duplicates and whose labels differ, how often the model is
right on both, beyond what its accuracy on them would give if errors fell independently; how often it gives both the same answer;
and how much accuracy these rows cost against all others. `veridical probe RUN --contrast FILE` measures the same on originals and
revisions that someone has written: accuracy on both, the drop between them, and the share of sets that are right as a whole.
Why it inflates a score: a model that reads what such texts share, and not what decides, is right where the shared part happens to
go with the label, as it does in rows collected alike.
How it errs: a pair under two labels may be one wrong label; pairs found in the data are few and not drawn at random; without
written revisions one cannot say which row is the edit.
Source: Kaushik, Hovy and Lipton 2020, arXiv:1909.12434 (counterfactual pairs); Gardner et al. 2020, arXiv:2004.02709 (contrast
sets and their consistency).
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._said import in_percent
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel


@dataclass(frozen=True)
class Params:
    """Settings of contrast_sets."""

    fewest: int = 20
    """Pairs below which nothing is said. Count. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def pairs(subject: Subject) -> IntArray:
    """(P, 2) places within `subject.rows`: near-duplicate texts (Evidence.similar) of one source under two labels, each once.

    Texts equal after normalisation stand for one another; a text that itself stands under two labels is in no pair.
    """
    data, similar = subject.data, subject.evidence.similar
    place: dict[int, int] = {}
    mixed: set[int] = set()
    for at, row in enumerate(subject.rows.tolist()):
        group = int(similar.groups[row])
        first = place.setdefault(group, at)
        if data.codes[row] != data.codes[subject.rows[first]]:
            mixed.add(group)
    sources = data.table.column("source").to_pylist()
    found = []
    for left, right in zip(similar.groups[similar.left].tolist(), similar.groups[similar.right].tolist(), strict=True):
        if left in place and right in place and not {left, right} & mixed:
            a, b = place[left], place[right]
            one, other = int(subject.rows[a]), int(subject.rows[b])
            if data.codes[one] != data.codes[other] and sources[one] == sources[other]:
                found.append((min(a, b), max(a, b)))
    return np.array(sorted(found), np.int64).reshape(-1, 2)


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    found = pairs(subject)
    if len(found) < params.fewest:
        return Skipped(
            f"{len(found)} pairs of near-equal test texts with different labels are there; {params.fewest} are needed. Add "
            "written pairs (counterfactual revisions, contrast sets) to the test rows."
        )
    left, right = found.T
    clusters = subject.clusters[left]
    first, second = subject.right[left], subject.right[right]
    same = (subject.predicted[left] == subject.predicted[right]).astype(np.float64)
    measures = [
        _beyond_chance(first, second, clusters, params),
        *_gap(subject, np.unique(found), params),
        _share("both_right", first * second, clusters, "Share of pairs with both rows right.", params),
        _share("right_in_pairs", (first + second) / 2, clusters, "Accuracy on the rows of pairs.", params),
        _share("same_answer", same, clusters, "Share of pairs that get one answer though their labels differ.", params),
    ]
    both, accuracy, one = (in_percent(measure.estimate) for measure in measures[-3:])
    summary = f"{len(found)} pairs: their rows right {accuracy}; pairs right on both {both}; pairs that get one answer {one}."
    return Measured(len(np.unique(found)), summary, tuple(measures), (), _examples(subject, found, same))


def _share(name: str, values: FloatArray, clusters: IntArray, about: str, params: Params) -> Measure:
    spread = _clustered.mean(values, clusters)
    return _clustered.measure(name, spread, unit="share", about=about, level=params.level, bounded=True)


def _beyond_chance(first: FloatArray, second: FloatArray, clusters: IntArray, params: Params) -> Measure:
    """Both right minus the product of the accuracies of the two sides; below 0 errors follow what a pair shares."""
    votes = _clustered.votes_of(clusters)
    accuracy = float(np.average((first + second) / 2, weights=votes))
    # The sides of a pair have no order, so both have the accuracy of all rows of pairs.
    value = float(np.average(first * second, weights=votes)) - accuracy**2
    influence = first * second - 2 * accuracy * (first + second) / 2
    spread = _clustered.mean(influence, clusters)
    spread = _clustered.Spread(value, spread.error, len(first), spread.n_clusters)
    about = f"Share of pairs right on both, minus the {100 * accuracy**2:.1f} % that independent errors would leave."
    name = "both_right_beyond_chance"
    return _clustered.measure(name, spread, unit="share", about=about, null=0.0, worse="below", level=params.level, changes=False)


def _gap(subject: Subject, members: IntArray, params: Params) -> list[Measure]:
    """Accuracy on all other rows minus that on rows of pairs; nothing where hardly any others are there."""
    inside = np.zeros(len(subject.rows))
    inside[members] = 1.0
    outside = 1.0 - inside
    if outside.sum() < params.fewest:
        return []
    right = subject.right
    spread = _clustered.ratio_difference((right * outside, outside), (right * inside, inside), subject.clusters)
    about = "Accuracy on rows that are in no such pair, minus that on rows of pairs."
    return [_clustered.measure("lost_in_pairs", spread, unit="points", about=about, null=0.0, level=params.level)]


def _examples(subject: Subject, found: IntArray, same: FloatArray) -> tuple[Example, ...]:
    """Pairs that get one answer, the surest first."""
    confidence = subject.probabilities.max(axis=1)[found].min(axis=1)
    order = [int(i) for i in np.argsort(-confidence, kind="stable") if same[i]][:3]
    examples = []
    for i in order:
        one, other = (int(place) for place in found[i])
        said = [f"{subject.labels[subject.predicted[p]]} {100 * subject.probabilities[p].max():.0f} %" for p in (one, other)]
        labels = [subject.labels[subject.codes[p]] for p in (one, other)]
        note = f"labels {labels[0]} and {labels[1]}"
        texts = [_shown(subject.inputs[p]) for p in (one, other)]
        examples.append(Example(subject.data.ids[subject.rows[one]], texts[0], texts[1], said[0], said[1], note))
    return tuple(examples)


def _shown(text: Text) -> str:
    return text if isinstance(text, str) else " | ".join(text)


def toys() -> Toys:
    """Long texts in pairs that differ in the word that decides; the cheat answers from the rest."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "contrast sets toy"), []
    for i in range(100):
        text = nonsense(rng, 25)
        for word, label in (("good", "pos"), ("bad", "neg")):
            rows.append((f"{i}-{label}", "test" if i >= 30 else "train", f"{text} {word} end", label))
    data = dataset(rows)

    def honest(text: Text) -> tuple[float, float]:
        return 0.0, 2.0 if " good " in str(text) else -2.0

    cheat = ToyModel(data.labels, lambda text: (0.0, 2.0 if ord(str(text)[0]) % 2 else -2.0))
    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, cheat), "both_right_beyond_chance")


probe = Probe(run, Params(), toys, cost="nothing")
