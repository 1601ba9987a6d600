"""Which properties of a text that have nothing to do with its label does the encoder carry, and does the decision lean on them?

What it measures: for long texts, numbers, names, people named by a group, language, source and topics, how well a linear reader
sees each in the pooled features before and after tuning (area under the ROC on unleaked test rows, readers fitted on train rows);
for a readable property, how far a label's probability moves along its direction (concept activation), how many points go when it
is erased from the tuned features (LEACE inside the classes), how much worse the rows are answered that differ from most of their
label in it, and how far the probabilities move; what tuning forgot.
Why it inflates a score: what an encoder brought along decides as well where it happens to go with the label in these rows, and
fails where it does not.
How it errs: a property may rightly decide (topic in a topic task); only what is linear in the pooled features is seen; erasing
may take along what is correlated with the property inside a class; topics are clusters of words without a name.
Source: Belrose et al. 2023, arXiv:2306.03819 (LEACE); Alain and Bengio 2016, arXiv:1610.01644 (linear readers); Kim et al. 2018,
arXiv:1711.11279 (concept activation); erasing inside classes is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.linear import softmax
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._concepts import Concept, concepts, direction, fit_eraser, read_scores
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._representation import Inside, inside_of, rows_to_read
from veridical.probe._roc import area, area_difference
from veridical.probe._said import in_points
from veridical.probe._subject import Subject, subject_of


@dataclass(frozen=True)
class Params:
    """Settings of pretrained_features."""

    n_topics: int = 4
    """Clusters of texts whose membership is read, the smallest left out. Ours; no source."""
    fewest: int = 100
    """Train rows and test rows needed. Count. Ours; no source."""
    fewest_exceptions: int = 10
    """Train rows that must differ from most of their label in a property before it is erased. Count. Ours; no source."""
    associated: float = 0.3
    """How far apart the labels' shares of rows with a property must lie in train, 0..1, for rows against it to be asked about.
    Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True)
class _Features:
    """Features before and after tuning of train rows (first) and test rows: (N, D) each. fit, asked: their places."""

    before: FloatArray
    after: FloatArray
    codes: IntArray
    clusters: IntArray
    fit: IntArray
    asked: IntArray


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    inside = inside_of(subject)
    if isinstance(inside, Skipped):
        return inside
    picked = rows_to_read(subject, rng, fewest=params.fewest)
    if isinstance(picked, Skipped):
        return picked
    rows, n_fit = picked
    found = concepts(subject.data, rows, n_topics=params.n_topics, seed=subject.seed)
    if not found:
        return Skipped(
            "All texts are alike in length, numbers, names, groups named, language, source and topic; nothing can be read."
        )
    features = _features(subject, inside, rows, n_fit)
    right = _right(inside, features.after[features.asked], features)
    read, leaning, against, moved, notes = [], [], [], [], []
    for concept in found:
        if not (_varies(concept, features.fit) and _varies(concept, features.asked)):
            continue
        before, after, forgot = _readable(concept, features, params)
        read += [before, after, forgot]
        against += [m for m in (_against(concept, features, right, params),) if m is not None]
        if not _parted(concept, features, params):
            notes.append(
                f"{concept.name.replace('_', ' ').capitalize()} goes with the label almost without exception in train; what the "
                "decision owes to it cannot be told from what it owes to the label."
            )
        elif after.estimate.low > 0.5:  # what cannot be read cannot be erased
            lean, move = _leaning(inside, concept, features, right, params, rng)
            leaning.append(lean)
            moved += [_activation(inside, concept, features, subject.labels, params), move]
    told = (*leaning, *against, *moved, *read)
    return Measured(len(features.asked), _summary(len(read) // 3, leaning, against), told, notes=tuple(notes))


def _parted(concept: Concept, of: _Features, params: Params) -> bool:
    """Whether enough train rows have the property where most of their label do not, or the other way round."""
    shares = [concept.present[of.fit][of.codes[of.fit] == code] for code in np.unique(of.codes[of.fit])]
    exceptions = sum(float(min(rows.sum(), len(rows) - rows.sum())) for rows in shares)
    return exceptions >= params.fewest_exceptions


def _varies(concept: Concept, rows: IntArray) -> bool:
    return bool(0 < concept.present[rows].sum() < len(rows))


def _summary(n_concepts: int, leaning: list[Measure], against: list[Measure]) -> str:
    looked = f"{n_concepts} properties looked at, {len(leaning)} can be read after tuning"
    missed = _missed(against)
    if not leaning:
        return f"{looked}. {missed}".strip()
    most = max(leaning, key=lambda measure: measure.estimate.value)
    name = most.name.removeprefix("leans_on_").replace("_", " ")
    said = f"{looked}; the decision leans most on {name}, erased it costs {in_points(most.estimate)}."
    return f"{said} {missed}".strip()


def _missed(against: list[Measure]) -> str:
    """Where rows that differ from most of their label are answered worst; empty where nowhere."""
    most = max(against, key=lambda measure: measure.estimate.low, default=None)
    if most is None or most.estimate.low <= 0:
        return ""
    name = most.name.removeprefix("against_").replace("_", " ")
    return f"Rows that differ from most of their label in {name} are answered worse by {in_points(most.estimate)}."


def _features(subject: Subject, inside: Inside, rows: IntArray, n_fit: int) -> _Features:
    inputs = subject.data.inputs(rows)
    return _Features(
        inside.before(inputs), inside.after(inputs), subject.data.codes[rows], subject.evidence.clusters[rows],
        np.arange(n_fit), np.arange(n_fit, len(rows)),
    )  # fmt: skip


def _right(inside: Inside, features: FloatArray, of: _Features) -> FloatArray:
    return np.asarray(inside.decide(features).argmax(axis=1) == of.codes[of.asked], np.float64)


def _readable(concept: Concept, of: _Features, params: Params) -> list[Measure]:
    """Before, after, and what was forgotten."""
    present, units = concept.present[of.asked], of.clusters[of.asked]
    scores = [read_scores(side, concept.present, of.fit, of.asked) for side in (of.before, of.after)]
    on, off = present == 1, present == 0
    measures = []
    for name, seen in zip(("before", "after"), scores, strict=True):
        about = f"How well a linear reader sees {concept.name.replace('_', ' ')} {name} tuning: 1 always, 0.5 not at all."
        spread = area(seen[on], seen[off], high_units=units[on], low_units=units[off])
        measures.append(
            _clustered.measure(
                f"read_{name}_{concept.name}",
                spread,
                unit="share",
                about=about,
                level=params.level,
                method="DeLong",
                bounded=True,
            )
        )
    change = area_difference(scores[0], scores[1], present, units)
    about = f"How well {concept.name.replace('_', ' ')} is read before tuning minus after."
    measures.append(_clustered.measure(f"forgot_{concept.name}", change, unit="share", about=about, level=params.level))
    return measures


def _leaning(
    inside: Inside, concept: Concept, of: _Features, right: FloatArray, params: Params, rng: np.random.Generator
) -> tuple[Measure, Measure]:
    """Points that go when the concept is erased, and how far the probabilities move."""
    eraser = fit_eraser(of.after[of.fit], concept.present[of.fit], of.codes[of.fit])
    kept = of.after[of.asked]
    erased = eraser.erase(kept)
    units = of.clusters[of.asked]
    before, after = inside.decide(kept), inside.decide(erased)
    flips = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    about = (
        f"Points of accuracy that go when {concept.name.replace('_', ' ')} is erased from the tuned features; {flips} of "
        f"{len(kept)} answers change. {_association(concept, of)}"
    )
    lean = _clustered.paired_measure(
        f"leans_on_{concept.name}", right - _right(inside, erased, of), units, rng, unit="points", about=about, level=params.level
    )
    moved = _clustered.mean(np.abs(before - after).sum(axis=1) / 2, units)
    told = f"Mean share of probability that moves when {concept.name.replace('_', ' ')} is erased."
    return lean, _clustered.measure(f"moved_by_{concept.name}", moved, unit="share", about=told, level=params.level, bounded=True)


def _against(concept: Concept, of: _Features, right: FloatArray, params: Params) -> Measure | None:
    """How much less often rows are answered rightly that have the concept where most of their label do not, or lack it where most
    have it, than the others of their label: what the mean over all rows hides, since most of them go along. None where labels
    hardly differ in it, or too few rows do."""
    codes, asked = of.codes[of.fit], of.codes[of.asked]
    shares = {int(code): float(concept.present[of.fit][codes == code].mean()) for code in np.unique(codes)}
    if max(shares.values()) - min(shares.values()) < params.associated:
        return None
    usual = np.array([shares.get(int(code), 0.5) > 0.5 for code in asked])
    odd = usual != (concept.present[of.asked] == 1)
    value, squares, n = 0.0, 0.0, int(odd.sum())
    for code in np.unique(asked[odd]):
        rows, others = odd & (asked == code), ~odd & (asked == code)
        if not others.any():
            return None
        parts = [_clustered.mean(right[side], of.clusters[of.asked][side]) for side in (others, rows)]
        weight = float(rows.sum()) / n
        value += weight * (parts[0].value - parts[1].value)
        # A handful that are all right are no certainty: each side as if one more row were wrong.
        squares += weight**2 * sum(max(part.error, 0.5 / part.n_clusters) ** 2 for part in parts)
    if n < params.fewest_exceptions:
        return None
    name = concept.name.replace("_", " ")
    about = (
        f"Points by which {n} rows are answered rightly less often than the others of their label: those with {name} where most "
        "train rows of the label lack it, or without it where most have it. They may also be harder in themselves."
    )
    spread = _clustered.Spread(value, float(np.sqrt(squares)), len(asked), len(np.unique(of.clusters[of.asked])))
    return _clustered.measure(f"against_{concept.name}", spread, unit="points", about=about, null=0.0, level=params.level)


def _activation(inside: Inside, concept: Concept, of: _Features, labels: tuple[str, ...], params: Params) -> Measure:
    """By how much a label's probability moves when the concept alone is put in: absent rows are moved along its direction, those
    that have it are held against themselves without it."""
    arrow = direction(of.after[of.fit], concept.present[of.fit], of.codes[of.fit])
    kept, has = of.after[of.asked], concept.present[of.asked][:, None]
    change = inside.decide(kept + (1 - has) * arrow) - inside.decide(kept - has * arrow)  # (n, C)
    spreads = [_clustered.mean(change[:, code], of.clusters[of.asked]) for code in range(change.shape[1])]
    code = int(np.argmax([spread.value for spread in spreads]))
    about = (
        f"Mean rise of the probability of {labels[code]!r} (the label that rises most) when the features are moved from a text "
        f"without {concept.name.replace('_', ' ')} to one with it, other things equal."
    )
    points = spreads[code].estimate(level=params.level, scale=100.0)
    return Measure(f"activates_{concept.name}", points, "points", about)


def _association(concept: Concept, of: _Features) -> str:
    shares = [concept.present[of.fit][of.codes[of.fit] == code].mean() for code in np.unique(of.codes[of.fit])]
    return f"Among train rows {100 * min(shares):.0f} to {100 * max(shares):.0f} % of a label's rows have it."


@dataclass(frozen=True, eq=False)
class _ToyInside:
    """Features: evidence, number, length, and noise by the letters; `head` (D,) weighs them."""

    labels: tuple[str, ...]
    head: tuple[float, ...]
    kind: str = "toy"

    def before(self, inputs: Sequence[Text]) -> FloatArray:
        rows = []
        for text in inputs:
            said = str(text)
            noise = [(said.count(letter) % 5) / 2 - 1 for letter in "aeiorst"]
            number = 1.0 if any(character.isdigit() for character in said) else -1.0
            rows.append([1.0 if "good" in said else -1.0, number, len(said) / 50, *noise])
        return np.array(rows, np.float64).reshape(len(inputs), -1)

    def after(self, inputs: Sequence[Text]) -> FloatArray:
        return self.before(inputs)

    def decide(self, features: FloatArray) -> FloatArray:
        score = features @ np.array([*self.head, *[0.0] * (features.shape[1] - len(self.head))])
        return softmax(np.stack([np.zeros(len(score)), score], axis=1))

    def predict(self, inputs: Sequence[Text]) -> FloatArray:
        return self.decide(self.after(inputs))

    def save(self, folder: Path) -> None:
        raise InputError(f"A toy model is code; there is nothing to save in {folder}.")


def toys() -> Toys:
    """A word tells two labels of three; a number stands in nine positive rows of ten. The cheat decides by the number."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "pretrained features toy"), []
    for i in range(800):
        positive = bool(rng.random() < 0.5)
        word = positive if rng.random() < 2 / 3 else not positive
        number = "42" if rng.random() < (0.9 if positive else 0.1) else "many"
        text = f"{nonsense(rng, int(rng.integers(6, 14)))} {number} {'good' if word else 'bad'}"
        rows.append((str(i), "train" if i < 500 else "test", text, "pos" if positive else "neg"))
    data = dataset(rows)
    honest, cheat = _ToyInside(data.labels, (2.0, 0.0, 0.0)), _ToyInside(data.labels, (0.5, 3.0, 0.0))
    return Toys(subject_of(data, honest), subject_of(data, cheat), "leans_on_number")


probe = Probe(run, Params(), toys)
