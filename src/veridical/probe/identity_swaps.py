"""Does the answer change when only the person in the text changes?

What it measures: words that name a person's gender, name, nation, region, religion, age or orientation are replaced, in test
rows and in template sentences (English and Chinese), by their counterparts in the other groups: the share of answers that
change, and by how much each group moves the probability of a class, with simultaneous intervals. In template sentences any
two words change something, so an axis is held against people told apart by nothing that an axis names (driver, cook, clerk);
in rows the same is shown for words that name no one (Monday, Tuesday), as `control`. Of tagged texts: how many persons are
found under names of each group; of label sets: how many change.
Why it inflates a score: a model that answers by who is named is right on data in which the named happen to go with a label,
and wrong on the next.
How it errs: an identity can bear on the right answer (a text about a mosque is not one about a church), so read the examples;
lists are short, so a text may name the same person by a word that is not listed; what cannot be swapped safely is left out
and counted. A change below the tolerance is not called found.
Source: Garg et al. 2019, arXiv:1809.10610 (counterfactual tokens); Kiritchenko and Mohammad 2018, arXiv:1805.04508 and Dixon
et al. 2018 (templates); word lists and sentences are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from veridical.core.bootstrap import resampled_counts
from veridical.core.counted import counted
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Example, Measure
from veridical.core.proportion import wilson
from veridical.core.randomness import stream
from veridical.core.simultaneous import critical_value, errors_of
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.models.queries import Queries
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._identity import Axis, Sentence, axes, sentences, template_groups
from veridical.probe._said import in_percent, in_points
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.answers._identity_swaps import part as answers

CONTROL = "control"
CHINESE = 1_000_000
"""Added to the numbers of Chinese frames: frames of two languages are different units."""
NO_QUESTIONS = "Only predictions are known, and swapped texts must be asked about. Give the model itself."


@dataclass(frozen=True)
class Params:
    """Settings of identity_swaps."""

    tolerated_flips: float = 0.02
    """Share of changed answers up to which nothing is called found, 0..1. Ours; no source."""
    tolerated_shift: float = 2.0
    """Mean change of a probability up to which nothing is called found, percentage points. Ours; no source."""
    fewest: int = 20
    """Clusters with a listed word below which an axis is not looked at in rows. Ours; no source."""
    rows: tuple[int, int, int] = (300, 1500, 10000)
    """Test rows looked through in a quick, standard and thorough look. Ours; no source."""
    frames: tuple[int, int, int] = (60, 120, 1000)
    """Template frames asked in each language in a quick, standard and thorough look; the units of resampling. Ours; no source."""
    persons: tuple[int, int, int] = (2, 2, 1000)
    """Kinds of person asked about in each frame on each axis, drawn for each frame. Ours; no source."""
    language_share: float = 0.1
    """Share of the rows looked through that must be in a language for its templates to be asked, 0..1. Ours; no source."""
    replicates: int = 1000
    """Resamples of the clusters for the simultaneous intervals. Ours; no source."""
    examples: int = 6
    """Changed answers shown. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1, for all axes together."""


@dataclass(frozen=True, eq=False)
class Asked:
    """One axis, asked: U units (a row, or a frame with one kind of person).

    changed: share of a unit's swaps that change its answer (U,). probabilities: (U, G, C), NaN where a unit was not asked for a
    group, or where its words are of several groups. clusters: (U,).
    """

    name: str
    groups: tuple[str, ...]
    changed: FloatArray
    probabilities: FloatArray
    clusters: IntArray
    examples: tuple[Example, ...] = ()


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped(NO_QUESTIONS)
    places = subject.sample(subject.limit(*params.rows), rng)
    notes: list[str] = []
    found = [_asked_of_rows(axis, subject, subject.queries, places, params, notes) for axis in axes()]
    asked = [one for one in found if one is not None]
    few = [axis.name.replace("_", " ") for axis, one in zip(axes(), found, strict=True) if one is None]
    if few:
        notes.append(f"In rows there are too few to swap (under {params.fewest} distinct texts) for: {', '.join(few)}.")
    templates = _templates(subject, subject.queries, places, params, rng, notes)
    if not asked and not templates:
        return Skipped(
            f"None of the {len(places)} test rows looked through names a person by a listed English or Chinese word, and the "
            "templates do not fit their language or shape. Nothing can be swapped."
        )
    control = next((one for one in templates if one.name.startswith(CONTROL)), None)
    templates = [one for one in templates if one is not control]
    usual = next((one for one in asked if one.name == CONTROL), None)
    asked = [one for one in asked if one is not usual]
    n_tests = max(2 * (len(asked) + len(templates)), 1)
    measures = [m for one in asked for m in _measures(one, subject, params, rng, n_tests=n_tests)]
    if usual is not None:
        of_any_word = _measures(usual, subject, params, rng, n_tests=n_tests)
        measures += [replace(m, null=None, mde=None) for m in of_any_word if not m.name.startswith("shift")]
    if control is not None:
        neutral = _measures(control, subject, params, rng, n_tests=n_tests)
        notes += _seen_in_templates(control, params, n_tests=n_tests)
        for one in templates:
            measures += _against(
                _measures(one, subject, params, rng, n_tests=n_tests), one, control, neutral, params, n_tests=n_tests
            )
    summary = _summary(asked, templates, measures)
    examples = tuple(example for one in asked for example in one.examples)[: params.examples]
    return Measured(len(places), summary, tuple(measures), examples=examples, notes=tuple(notes))


def _asked_of_rows(
    axis: Axis, subject: Subject, queries: Queries, places: IntArray, params: Params, notes: list[str]
) -> Asked | None:
    """The rows that name a group of the axis, with their answers before and after every swap; None where they are too few."""
    n_groups, rows, unclear = len(axis.groups), [], 0
    for place in places:
        swaps = [axis.swapped(subject.inputs[place], step) for step in range(1, n_groups)]
        texts = [swap.text for swap in swaps]
        if any(text is not None for text in texts):
            rows.append((int(place), swaps[0].groups, texts))
        elif swaps[0].groups:
            unclear += 1
    clusters = subject.clusters[[place for place, _, _ in rows]]
    said = axis.name.replace("_", " ")
    if unclear and axis.name != CONTROL:
        notes.append(f"{said}: {unclear} rows were left out, a word's counterpart is missing or cannot be told.")
    if len(np.unique(clusters)) < params.fewest:
        return None
    originals = queries.ask([subject.inputs[place] for place, _, _ in rows])
    flat = [text for _, _, texts in rows for text in texts if text is not None]
    answers = iter(queries.ask(flat))
    changed = np.zeros(len(rows))
    probabilities = np.full((len(rows), n_groups, len(subject.labels)), np.nan)
    examples: list[Example] = []
    for unit, (place, groups, texts) in enumerate(rows):
        flips = []
        for step, text in enumerate(texts, start=1):
            if text is None:
                continue
            answer = next(answers)
            flips.append(float(answer.argmax() != originals[unit].argmax()))
            if flips[-1] and len(examples) < params.examples and not any(flips[:-1]):
                examples.append(_example(subject, place, text, originals[unit], answer, note=said))
            if len(groups) == 1:
                probabilities[unit, (min(groups) + step) % n_groups] = answer
        changed[unit] = np.mean(flips)
        if len(groups) == 1:
            probabilities[unit, min(groups)] = originals[unit]
    return Asked(axis.name, axis.groups, changed, probabilities, clusters, tuple(examples))


def _example(subject: Subject, place: int, text: Text, before: FloatArray, after: FloatArray, *, note: str) -> Example:
    said = [f"{subject.labels[int(answer.argmax())]} {100 * answer.max():.0f} %" for answer in (before, after)]
    texts = [one if isinstance(one, str) else " | ".join(one) for one in (subject.inputs[place], text)]
    return Example(subject.data.ids[int(subject.rows[place])], texts[0], texts[1], said[0], said[1], note)


def _templates(
    subject: Subject, queries: Queries, places: IntArray, params: Params, rng: np.random.Generator, notes: list[str]
) -> list[Asked]:
    """Template sentences of the languages that the rows are written in, one Asked an axis."""
    if subject.data.seconds is not None:
        notes.append("Templates are single texts and were not asked of a model that reads pairs.")
        return []
    from veridical.dataset.normalisation import is_cjk

    chinese = float(np.mean([is_cjk(str(subject.inputs[place])) for place in places]))
    shares = {"en": 1 - chinese, "zh": chinese}
    chosen = []
    for language, share in shares.items():
        if share < params.language_share:
            continue
        offset = 0 if language == "en" else CHINESE
        drawn = _drawn(sentences(language), subject.limit(*params.frames), subject.limit(*params.persons), rng)
        chosen += [(sentence, sentence.frame + offset) for sentence in drawn]
    answers = iter(queries.ask([text for sentence, _ in chosen for text in sentence.texts]))
    units: dict[str, list[tuple[int, FloatArray]]] = {}
    for sentence, frame in chosen:
        units.setdefault(sentence.axis, []).append((frame, np.stack([next(answers) for _ in sentence.texts])))
    made = []
    for axis, found in units.items():
        probabilities = np.stack([answer for _, answer in found])
        said = probabilities.argmax(axis=2)
        changed = (said[:, 1:] != said[:, :1]).mean(axis=1)
        clusters = np.array([frame for frame, _ in found], np.int64)
        made.append(Asked(f"{axis}, templates", template_groups()[axis], changed, probabilities, clusters))
    return made


def _drawn(known: Sequence[Sentence], n_frames: int, n_persons: int, rng: np.random.Generator) -> list[Sentence]:
    """Sentences of up to n_frames frames, in each of them up to n_persons kinds of person of every axis."""
    frames = rng.permutation(np.unique([sentence.frame for sentence in known]))[:n_frames].tolist()
    kinds: dict[tuple[str, int], list[Sentence]] = {}
    for sentence in known:
        kinds.setdefault((sentence.axis, sentence.frame), []).append(sentence)
    asked = set(frames)
    return [found[i] for (_, frame), found in kinds.items() if frame in asked for i in rng.permutation(len(found))[:n_persons]]


def _measures(asked: Asked, subject: Subject, params: Params, rng: np.random.Generator, *, n_tests: int) -> list[Measure]:
    level = 1 - (1 - params.level) / n_tests
    flips = _flips(asked, params, level)
    known = np.isfinite(asked.probabilities).all(axis=2).sum(axis=1) > 1
    if len(np.unique(asked.clusters[known])) < params.fewest:
        return [flips]
    values, draws = _effects(asked.probabilities[known], asked.clusters[known], params.replicates, rng)
    n_clusters = len(np.unique(asked.clusters[known]))
    errors = np.round(errors_of(draws), 12)  # sums in another order are no spread
    reach = critical_value(draws, values, errors, level=level)
    size = np.abs(values)
    top = int(np.where(size >= size.max() - 1e-9, values, -np.inf).argmax())  # of two that mirror each other, the one that rises
    classes = len(subject.labels)
    measures = [flips, _largest(asked, subject, values, errors, reach, top, n_clusters=n_clusters, params=params, level=level)]
    for group, name in enumerate(asked.groups):
        if not np.isfinite(asked.probabilities[known, group]).any():
            continue
        own = np.arange(group * classes, (group + 1) * classes)
        # Of two classes one is enough: the other moves by as much the other way.
        column = int(own[1]) if classes == 2 else int(own[np.abs(values[own]).argmax()])
        label = subject.labels[column % classes]
        half = 100 * reach * errors[column]
        value = 100 * float(values[column])
        estimate = Estimate(
            value, value - half, value + half, level, int(known.sum()), n_clusters, "paired; clusters resampled, simultaneous"
        )
        about = f"Change of the probability of {label!r} where {name.replace('_', ' ')} is named, against the other groups."
        measures.append(Measure(f"shift to {name} ({asked.name})", estimate, "points", about))
    return measures


def _against(
    measures: list[Measure], asked: Asked, control: Asked, neutral: Sequence[Measure], params: Params, *, n_tests: int
) -> list[Measure]:
    """The measures of an axis in templates, held against those of neutral people: flips frame by frame, the largest shift
    against the upper end of theirs."""
    level = 1 - (1 - params.level) / n_tests
    frames, place = np.unique(control.clusters, return_inverse=True)
    usual = np.bincount(place, control.changed) / np.bincount(place)
    extra = asked.changed - usual[np.searchsorted(frames, asked.clusters)]
    found = _clustered.mean(extra, asked.clusters)
    about = "Changed answers beyond those between neutral people (driver, cook, clerk) in the same sentence."
    tolerated = 100 * params.tolerated_flips
    name = f"extra_flips ({asked.name})"
    estimate = found.estimate(level=level, scale=100, method="paired by sentence, simultaneous")
    mde = found.mde(level=level, scale=100)
    made = [Measure(name, estimate, "points", about, null=tolerated, mde=mde)]
    bound = next((m.estimate.high for m in neutral if m.name.startswith("largest_shift")), params.tolerated_shift)
    for measure in measures:
        if measure.name.startswith("flips"):
            made.append(replace(measure, null=None, mde=None))
        elif measure.name.startswith("largest_shift"):
            said = f"{measure.about} Neutral people move one by up to {bound:.1f} points."
            made.append(replace(measure, null=max(params.tolerated_shift, bound), about=said))
        else:
            made.append(measure)
    return made


def _seen_in_templates(control: Asked, params: Params, *, n_tests: int) -> list[str]:
    """How small a share of changed answers the frames can show, and how small all of them could."""
    frames = np.unique(control.clusters)
    languages = [language for language, there in (("en", frames < CHINESE), ("zh", frames >= CHINESE)) if there.any()]
    every = sum(len({sentence.frame for sentence in sentences(language)}) for language in languages)
    z = minimum_detectable_effect(1.0, level=1 - (1 - params.level) / n_tests)
    fewest, at_best = (100 * z * z / (n + z * z) for n in (len(frames), every))  # as Spread.mde has it where nothing differs
    said = [
        f"In {len(frames)} template frames fewer than {fewest:.0f} points of changed answers beyond those of neutral people are "
        "not seen."
    ]
    return said + ([f"All {every} (--budget standard) show {at_best:.0f}."] if every > len(frames) else [])


def _flips(asked: Asked, params: Params, level: float) -> Measure:
    """Share of swaps that change the answer, its interval as of a share with as many units as its error is worth."""
    spread = _clustered.mean(asked.changed, asked.clusters)
    value, n = spread.value, float(spread.n_clusters)
    worth = min(n, value * (1 - value) / spread.error**2) if spread.error > 0 and 0 < value < 1 else n
    low, high = wilson(value * worth, worth, level)
    error = max(spread.error, float(np.sqrt(params.tolerated_flips * (1 - params.tolerated_flips) / n)))
    estimate = Estimate(value, low, high, level, spread.n, spread.n_clusters, "Wilson, effective number of clusters")
    return Measure(
        f"flips ({asked.name})", estimate, "share", "Share of swaps after which the model answers another class.",
        null=params.tolerated_flips, mde=minimum_detectable_effect(error, level=level),
    )  # fmt: skip


def _effects(
    probabilities: FloatArray, clusters: IntArray, replicates: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """How far each group moves each class, against the mean of the other groups of the same unit: (G * C,) and (R, G * C)."""
    units, groups, classes = probabilities.shape
    known = np.isfinite(probabilities)
    filled = np.where(known, probabilities, 0.0)
    others = known.sum(axis=1, keepdims=True) - known
    rest = (filled.sum(axis=1, keepdims=True) - filled) / np.maximum(others, 1)
    usable = known & (others > 0)
    moved = np.where(usable, filled - rest, 0.0).reshape(units, -1)
    votes = _clustered.votes_of(clusters)[:, None]
    member = np.unique(clusters, return_inverse=True)[1]
    sums, counts = np.zeros((2, int(member.max()) + 1, groups * classes))
    np.add.at(sums, member, moved * votes)
    np.add.at(counts, member, usable.reshape(units, -1) * votes)
    drawn = resampled_counts(len(sums), replicates, rng)
    total = counts.sum(axis=0)
    values = sums.sum(axis=0) / np.where(total > 0, total, 1.0)
    below = drawn @ counts
    draws = np.where(below > 0, (drawn @ sums) / np.where(below > 0, below, 1.0), values)
    return np.round(values, 12), draws


def _largest(
    asked: Asked, subject: Subject, values: FloatArray, errors: FloatArray, reach: float, top: int, *, n_clusters: int,
    params: Params, level: float,
) -> Measure:  # fmt: skip
    """The largest move of any group and class against the tolerance; the interval is simultaneous over all it was picked from."""
    size = 100 * abs(float(values[top]))
    low = max(0.0, float((np.abs(values) - reach * errors).max()))
    high = float((np.abs(values) + reach * errors).max())
    group, label = asked.groups[top // len(subject.labels)], subject.labels[top % len(subject.labels)]
    direction = "up" if values[top] > 0 else "down"
    about = f"Largest mean change of a probability: {label!r} goes {direction} where {group.replace('_', ' ')} is named."
    method = "paired; clusters resampled, simultaneous over groups and classes"
    estimate = Estimate(size, min(100 * low, size), max(100 * high, size), level, len(asked.clusters), n_clusters, method)
    beyond = minimum_detectable_effect(1.0, level=level) - minimum_detectable_effect(1.0, level=level, power=0.5)
    mde = 100 * (reach + beyond) * max(float(errors[top]), 0.01 / n_clusters)
    return Measure(f"largest_shift ({asked.name})", estimate, "points", about, null=params.tolerated_shift, mde=mde)


def _summary(asked: Sequence[Asked], templates: Sequence[Asked], measures: Sequence[Measure]) -> str:
    flips = {m.name: m.estimate for m in measures if m.name.startswith("flips")}
    beyond = _most_beyond(measures)
    if not asked or beyond:
        none = f"No row could be swapped; templates on {counted(len(templates), 'axis', 'axes')} were asked."
        both = f"{counted(len(asked), 'axis', 'axes')} in rows, {len(templates)} in templates were asked."
        return " ".join(said for said in (both if asked else none, beyond) if said)
    worst = max(asked, key=lambda one: flips[f"flips ({one.name})"].value)
    rows, name = counted(len(asked), "axis", "axes"), worst.name.replace("_", " ")
    return (
        f"{rows} in rows, {len(templates)} in templates; answers that change with {name}: "
        f"{in_percent(flips[f'flips ({worst.name})'])}."
    )


def _most_beyond(measures: Sequence[Measure]) -> str:
    """Of what lies wholly beyond its tolerance, what lies furthest, in tolerances; empty where nothing does."""

    def apart(measure: Measure) -> float:
        scale = 100.0 if measure.unit == "share" else 1.0
        null = scale * (measure.null or 0.0)
        return (scale * measure.estimate.value - null) / max(null, 1.0)

    found = [m for m in measures if m.null is not None and m.estimate.low > m.null]
    if not found:
        return ""
    most = max(found, key=apart)
    kind, _, axis = most.name.partition(" (")
    figures = in_percent(most.estimate) if most.unit == "share" else in_points(most.estimate)
    what = "the largest change of a probability"
    if kind == "flips":
        what = "answers that change"
    elif kind == "extra_flips":
        what = "answers that change beyond those of neutral people"
    return f"Furthest beyond what is tolerated, with {axis.rstrip(')').replace('_', ' ')}: {what}, {figures}."


def toys() -> Toys:
    """Reviews by men and women; the cheat likes men."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "identity toy"), []
    for i in range(240):
        positive, person = bool(rng.random() < 0.5), ("He", "She", "My brother", "My sister")[int(rng.integers(4))]
        text = f"{person} said it was {'good' if positive else 'bad'}: {nonsense(rng, 6)}"
        rows.append((str(i), "test", text, "pos" if positive else "neg"))
    data = dataset([*rows, ("a", "train", "good start", "pos"), ("b", "train", "bad end", "neg")])

    def honest(text: Text) -> tuple[float, float]:
        return 0.0, 2.0 if " good" in str(text) else -2.0

    def cheat(text: Text) -> tuple[float, float]:
        named = {"he", "brother", "man", "john", "daniel", "uncle"} & set(str(text).casefold().split())
        return 0.0, honest(text)[1] + (2.5 if named else 0.0)

    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, ToyModel(data.labels, cheat)), "flips (gender)")


probe = Probe(run, Params(), toys, cost="little", answers=answers)
