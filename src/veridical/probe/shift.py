"""Do the rows the model is tested on come from where it was trained, and what does the difference cost?

What it measures: whether a classifier on the texts alone tells train rows from test rows, one source from the others and
early from late rows (area under the ROC curve against sides dealt at random); how label shares moved, as given and as
estimated from predictions alone; how many points are lost to other inputs and how many to other labels for like inputs; what
a source scores when no row of it was trained on (of an encoder, with --budget thorough, a head on its frozen features in its
place, whose figures describe and find nothing). Of answers of more than one label: train against test, and each source with
and without its own train rows.
Why it inflates a score: a test set drawn from the same pot as train says nothing about the next pot.
How it errs: a classifier on words sees shifts in words; a difference that it finds need not cost anything, which is why points
stand beside it; between train and test, points are those of out-of-fold linear models, since the model has seen its train rows;
points of inputs and of labels rest on rows that both sides have, and are not given where these are fewer than 50; what words and
the model's own answers do not show of the inputs is booked to the labels; wrong labels on one side cost points there too, which
is said where the texts of the sides are not told apart, and such points are no candidate for the account where a chance of
55 % to tell them would have been seen.
Source: Lopez-Paz and Oquab 2017, arXiv:1610.06545 (classifier two-sample test); Lipton et al. 2018, arXiv:1802.03916 (label
shift from predictions); Cai, Namkoong and Yadlowsky 2023, arXiv:2303.02011 (inputs, and labels given inputs).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core.bootstrap import percentile_interval
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.group_metrics import permutation_p
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_decision import decided
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._domains import Told, parts, separation, told_apart
from veridical.probe._retraining import Again, retraining
from veridical.probe._said import in_percent, in_points
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.answers._shift import part as answers

STAND_IN = "out-of-fold linear models"


@dataclass(frozen=True)
class Params:
    """Settings of shift."""

    fewest: int = 50
    """Units needed on each side, and effective rows below which points are not split, >= 10. Weights: `ledger.md`, abstention."""
    units: tuple[int, int, int] = (600, 2000, 20000)
    """Units of each side in a quick, standard and thorough look. Ours; no source."""
    most_sources: int = 5
    """Sources looked at, the largest first. Ours; no source."""
    placebos: tuple[int, int, int] = (4, 5, 10)
    """Models without as many random rows, against which a model without a source is held, >= 4. Ours; no source."""
    replicates: int = 999
    """Permutations and resamples. Ours; no source."""
    refits: int = 300
    """Resamples in which the classifier is calibrated anew, >= 100. Ours; no source."""
    smallest_singular: float = 0.05
    """Smallest singular value of the confusion (columns sum to 1) below which predictions do not tell label shares. Ours."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Two samples to compare: positions of units in the data, (n,), and side 0 or 1, (n,)."""

    name: str
    rows: IntArray
    side: IntArray


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    sources = _column(subject, "source")
    pair, notes = _train_test(subject, params, rng), []
    measures: list[Measure] = []
    if pair is None:
        notes.append(
            f"Train and test were not compared: {params.fewest} distinct rows of each that stand in only one are needed."
        )
    else:
        told = told_apart(subject.evidence.folds.features, pair.rows, pair.side, seed=subject.seed, rng=rng)
        measures.append(_separation(subject, pair, told, params, rng))
        measures += _label_shift(subject, pair, params, rng, notes)
        measures += _points(subject, pair, told, subject.evidence.folds.probabilities, params, rng, notes, by=STAND_IN)
    measures += _sources(subject, sources, params, rng, notes)
    measures += _time(subject, params, rng, notes)
    if not measures:
        return Skipped(f"{notes[0]} There is no source or time column with enough rows either (--source, --time).")
    n, alike = len(subject.rows), _alike(measures)
    notes += [_unlike_labels(subject, pair, visible) for pair, visible in alike.items()]
    return Measured(n, _summary(measures, alike=alike), tuple(measures), notes=tuple(notes))


def _column(subject: Subject, role: str) -> npt.NDArray[Any]:
    return np.array(subject.data.table.column(role).to_pylist(), dtype=object)


def _units(subject: Subject, rows: IntArray, most: int, rng: np.random.Generator) -> IntArray:
    """One random row of each cluster, at most so many."""
    mixed = rng.permutation(rows)
    _, first = np.unique(subject.evidence.clusters[mixed], return_index=True)
    return np.sort(rng.permutation(mixed[first])[:most]).astype(np.int64)


def _train_test(subject: Subject, params: Params, rng: np.random.Generator) -> Pair | None:
    """Clusters of one side only. Where some stand on both, the split was by rows, and a family is the likelier to touch train the
    larger it is: only texts without any relative can then be compared."""
    data, clusters = subject.data, subject.evidence.clusters
    train, test = data.rows("train"), data.rows("test")
    both = np.intersect1d(clusters[train], clusters[test])
    sizes = np.bincount(clusters)
    most = subject.limit(*params.units)
    sides = []
    for rows in (train, test):
        fit = sizes[clusters[rows]] == 1 if len(both) else np.ones(len(rows), np.bool_)
        sides.append(_units(subject, rows[fit], most, rng))
    return _pair("train to test", sides[0], sides[1], params)


def _pair(name: str, first: IntArray, second: IntArray, params: Params) -> Pair | None:
    if min(len(first), len(second)) < params.fewest:
        return None
    side = np.repeat([0, 1], [len(first), len(second)]).astype(np.int64)
    return Pair(name, np.concatenate([first, second]), side)


def _separation(subject: Subject, pair: Pair, told: Told, params: Params, rng: np.random.Generator) -> Measure:
    features = subject.evidence.folds.features
    return separation(pair.name, features, pair.rows, told, replicates=params.replicates, level=params.level, rng=rng)


def _shares(codes: IntArray, n_classes: int) -> FloatArray:
    return np.bincount(codes, minlength=n_classes) / len(codes)


def _label_shift(subject: Subject, pair: Pair, params: Params, rng: np.random.Generator, notes: list[str]) -> list[Measure]:
    """How far apart the label shares are (half the sum of |differences|), as given, and as predictions alone would have it."""
    codes, n_classes = subject.data.codes[pair.rows], len(subject.labels)
    labelled = codes >= 0
    side, known = pair.side[labelled], codes[labelled]
    measures = []
    if min(np.bincount(side, minlength=2)) >= params.fewest:
        drawn = [_distance(known, rng.permutation(side), n_classes) for _ in range(params.replicates)]
        null, seen = np.array(drawn), _distance(known, side, n_classes)
        low, high = _distance_interval(known, side, n_classes, params, rng)
        estimate = Estimate(
            seen, min(low, seen), max(high, seen), params.level, len(known), len(known), "clusters resampled, centred"
        )
        about = f"Half the sum of the differences of label shares; chance alone makes {null.mean():.3f}."
        mde = minimum_detectable_effect(float(null.std()), level=params.level)
        p = permutation_p(seen, null)
        measures.append(Measure("label_shift", estimate, "share", about, null=float(null.mean()), mde=mde, p=p))
    return [*measures, *_from_predictions(subject, pair, codes, params, rng, notes)]


def _distance(codes: IntArray, side: IntArray, n_classes: int) -> float:
    return float(np.abs(_shares(codes[side == 0], n_classes) - _shares(codes[side == 1], n_classes)).sum() / 2)


def _distance_interval(
    codes: IntArray, side: IntArray, n_classes: int, params: Params, rng: np.random.Generator
) -> tuple[float, float]:
    """Resamples lie above the value as the value lies above the truth; twice that is taken off."""
    seen = _distance(codes, side, n_classes)
    groups = [np.flatnonzero(side == which) for which in (0, 1)]
    drawn = np.empty(params.replicates)
    for r in range(params.replicates):
        chosen = np.concatenate([rng.choice(group, len(group)) for group in groups])
        drawn[r] = _distance(codes[chosen], side[chosen], n_classes)
    low, high = np.quantile(drawn, [0.5 - params.level / 2, 0.5 + params.level / 2])
    bias = float(drawn.mean()) - seen
    return float(np.clip(low - 2 * bias, 0.0, 1.0)), float(np.clip(high, 0.0, 1.0))


def _from_predictions(
    subject: Subject, pair: Pair, codes: IntArray, params: Params, rng: np.random.Generator, notes: list[str]
) -> list[Measure]:
    """Label shares of the second side from predictions alone (unlabelled rows too): confusion of the first side, inverted."""
    said = subject.evidence.folds.probabilities[pair.rows].argmax(axis=1)
    n_classes = len(subject.labels)
    source, target = np.flatnonzero((pair.side == 0) & (codes >= 0)), np.flatnonzero(pair.side == 1)
    joint = np.stack([codes[source], said[source]])
    value = estimated_shares(joint, said[target], n_classes=n_classes, smallest=params.smallest_singular)
    if value is None:
        notes.append("Label shares were not estimated from predictions: these hardly tell some classes apart.")
        return []
    before = _shares(codes[source], n_classes)
    drawn = []
    for _ in range(params.replicates):
        one, two = rng.integers(0, len(source), len(source)), rng.integers(0, len(target), len(target))
        again = estimated_shares(joint[:, one], said[target][two], n_classes=n_classes, smallest=0.0)
        if again is not None:
            drawn.append(again - _shares(joint[0, one], n_classes))
    moved = value - before
    top = int(np.abs(moved).argmax())
    low, high = percentile_interval(100 * np.array(drawn)[:, top], 100 * float(moved[top]), params.level)
    points = Estimate(
        100 * float(moved[top]), low, high, params.level, len(pair.rows), len(pair.rows), "confusion inverted; resampled"
    )
    about = f"Change of the share of {subject.labels[top]!r} (the class that moves most) as predictions alone tell it."
    return [Measure("label_shift_from_predictions", points, "points", about)]


def estimated_shares(joint: IntArray, said: IntArray, *, n_classes: int, smallest: float) -> FloatArray | None:
    """Shares of labels behind predictions `said`, from (label, prediction) pairs `joint` (2, n) of another sample.

    None where the confusion cannot be inverted: a class without rows, or a singular value under `smallest`.
    """
    confusion = np.zeros((n_classes, n_classes))
    np.add.at(confusion, (joint[1], joint[0]), 1.0)
    totals = confusion.sum(axis=0)
    if (totals == 0).any():
        return None
    confusion /= totals
    if np.linalg.svd(confusion, compute_uv=False)[-1] <= max(smallest, 1e-9):
        return None
    shares = np.maximum(np.linalg.solve(confusion, _shares(said, n_classes)), 0.0)
    return np.asarray(shares / shares.sum())


def _points(
    subject: Subject, pair: Pair, told: Told, probabilities: FloatArray, params: Params, rng: np.random.Generator,
    notes: list[str], *, by: str,
) -> list[Measure]:  # fmt: skip
    """Accuracy lost from the first side to the second: in all, to other inputs, to other labels for like inputs.

    probabilities: of all rows of the data (N, C), by models that were not trained on the row.
    """
    codes, answers = subject.data.codes[pair.rows], probabilities[pair.rows]
    known = (codes >= 0) & np.isfinite(answers).all(axis=1)
    told = Told(told.logits[known], told.fold[known], told.side[known])
    if min(np.bincount(told.side, minlength=2)) < params.fewest:
        notes.append(f"{pair.name}: fewer than {params.fewest} labelled rows on one side; points were not split.")
        return []
    right = (answers.argmax(axis=1) == codes)[known].astype(np.float64)
    found = parts(right, told.with_answers(answers[known]), replicates=params.refits, rng=rng)
    least = min(found.effective)
    about = f"Accuracy of {by} on the first side less that on the second."
    level = params.level
    measures = [
        _clustered.measure(f"lost: {pair.name}", found.total, unit="points", about=about, null=0.0, level=level, changes=False)
    ]
    if least < params.fewest:
        places, share = found.heaviest
        ids = ", ".join(repr(subject.data.ids[int(row)]) for row in pair.rows[known][places])
        notes.append(
            f"{pair.name}: the two sides hardly overlap, {least:.0f} effective rows where {params.fewest} are needed; the rows "
            f"{ids} would carry {100 * share:.0f} % of the weight of their side. Points were not split into inputs and labels."
        )
        return measures
    said = f"{found.effective[0]:.0f} and {found.effective[1]:.0f} effective rows of the shared part"
    both = {
        "inputs": (found.inputs, "Points lost to inputs that are rarer on the first side"),
        "labels_given_inputs": (found.labels_given_inputs, "Points lost on like inputs, whose labels or wording differ"),
    }
    for name, (spread, about) in both.items():
        about = f"{about}; {said}; {by}."
        measures.append(
            _clustered.measure(f"{name}: {pair.name}", spread, unit="points", about=about, null=0.0, level=level, changes=False)
        )
    return measures


def _sources(
    subject: Subject, sources: npt.NDArray[Any], params: Params, rng: np.random.Generator, notes: list[str]
) -> list[Measure]:
    """Each source of the test rows against the others, with the scored model's own answers; then trained without it."""
    own = sources[subject.rows]
    names = [name for name in dict.fromkeys(own.tolist()) if name is not None]
    if len(names) < 2:
        return []
    names = sorted(names, key=lambda name: (-int((own == name).sum()), name))[: params.most_sources]
    again = retraining(subject)
    if isinstance(again, str):
        notes.append(f"No source was left out of training: {again}")
    elif again.stands_in:
        notes.append(f"Sources were left out of training of {again.what}, which stands in for the tuned one and describes only.")
    measures: list[Measure] = []
    for name in names:
        sides = [_units(subject, subject.rows[part], subject.limit(*params.units), rng) for part in (own != name, own == name)]
        pair = _pair(f"other sources to {name}", sides[0], sides[1], params)
        if pair is None:
            notes.append(f"Source {name!r}: fewer than {params.fewest} distinct test rows in it or outside it; not compared.")
            continue
        told = told_apart(subject.evidence.folds.features, pair.rows, pair.side, seed=subject.seed, rng=rng)
        measures.append(_separation(subject, pair, told, params, rng))
        measures += _points(subject, pair, told, subject.trained.probabilities, params, rng, notes, by="the model")
        if not isinstance(again, str):
            measures += _left_out(subject, again, name, sources, params, rng, notes)
    return measures


def _left_out(
    subject: Subject,
    again: Again,
    name: str,
    sources: npt.NDArray[Any],
    params: Params,
    rng: np.random.Generator,
    notes: list[str],
) -> list[Measure]:
    """Points lost on the source when it is left out of training, against leaving out as many random rows. They describe only
    where a model stands in for the scored one."""
    codes = subject.data.codes
    train = subject.data.rows("train")
    train = train[codes[train] >= 0]
    inside = sources[train] == name
    kept = train[~inside]
    if inside.sum() < params.fewest or len(np.unique(codes[kept])) < 2 or len(kept) < params.fewest:
        notes.append(f"Source {name!r} was not left out of training: too few train rows in it or outside it.")
        return []
    places = np.flatnonzero(sources[subject.rows] == name)
    on, clusters = subject.rows[places], subject.clusters[places]
    without = (again.predict(kept, on, seed=subject.seed).argmax(axis=1) == codes[on]).astype(np.float64)
    placebos = []
    for _ in range(subject.limit(*params.placebos)):
        some = np.sort(rng.permutation(train)[: len(kept)])
        placebos.append(again.predict(some, on, seed=subject.seed).argmax(axis=1) == codes[on])
    lost = np.mean(placebos, axis=0) - without
    votes = _clustered.votes_of(clusters)
    between = seed_error(np.array(placebos, np.float64) @ votes / votes.sum())
    spread = _clustered.mean(lost, clusters)
    spread = replace(spread, error=float(np.hypot(spread.error, between)))
    about = (
        f"Accuracy of {again.what} on it lost when its {int(inside.sum())} train rows are left out, against as many random rows "
        f"left out ({len(placebos)} times; their spread is in the interval)."
    )
    method = "paired; clusters and placebos"
    name, null = f"left_out: {name}", None if again.stands_in else 0.0
    return [
        _clustered.measure(name, spread, unit="points", about=about, null=null, level=params.level, method=method, changes=False)
    ]


def seed_error(scores: FloatArray) -> float:
    """Standard error of the mean of few models' scores (S,), S >= 4, with the variance of Student's t."""
    n = len(scores)
    return float(scores.std(ddof=1) / np.sqrt(n) * np.sqrt((n - 1) / (n - 3)))


def ordered_times(values: Sequence[str | None]) -> FloatArray | None:
    """Times as numbers that keep their order, NaN where there is none; None where they cannot be read as numbers or ISO dates."""
    for read in (float, _seconds):
        try:
            return np.array([np.nan if value is None else read(value) for value in values], np.float64)
        except ValueError:
            continue
    return None


def _seconds(text: str) -> float:
    """Seconds since 1970; a time without a zone is taken for UTC."""
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _time(subject: Subject, params: Params, rng: np.random.Generator, notes: list[str]) -> list[Measure]:
    """The earlier half of the test rows against the later one."""
    column = _column(subject, "time")
    if all(value is None for value in column):
        return []
    times = ordered_times(column[subject.rows].tolist())
    if times is None:
        notes.append("Times could not be put in order: they are neither numbers nor ISO dates (2026-11-23).")
        return []
    known = np.isfinite(times)
    if not known.any():
        return []
    middle = float(np.median(times[known]))
    most = subject.limit(*params.units)
    sides = [_units(subject, subject.rows[part], most, rng) for part in (known & (times <= middle), known & (times > middle))]
    pair = _pair("earlier to later", sides[0], np.setdiff1d(sides[1], sides[0]), params)
    if pair is None:
        notes.append(f"Time: fewer than {params.fewest} distinct test rows in the earlier or the later half; not compared.")
        return []
    told = told_apart(subject.evidence.folds.features, pair.rows, pair.side, seed=subject.seed, rng=rng)
    return [
        _separation(subject, pair, told, params, rng),
        *_points(subject, pair, told, subject.trained.probabilities, params, rng, notes, by="the model"),
    ]


def _alike(measures: Sequence[Measure]) -> dict[str, float]:
    """Pairs that lose points although their texts are not told apart, with the smallest chance of telling these that would have
    been seen."""
    same, lost = dict[str, float](), list[str]()
    for m in decided(measures):
        kind, _, pair = m.name.partition(": ")
        if kind == "told_apart" and m.status != "found" and m.mde is not None:
            same[pair] = 0.5 + m.mde
        if kind == "lost" and m.status == "found" and m.estimate.value > 0:
            lost.append(pair)
    return {pair: same[pair] for pair in lost if pair in same}


def _unlike_labels(subject: Subject, pair: str, visible: float) -> str:
    """visible: the smallest chance of telling the sides apart that would have been seen."""
    said = (
        f"{pair}: points are lost although the texts of the two sides were not told apart (visible from {100 * visible:.1f} % "
        "up); wrong labels, labels given otherwise, or harder texts on one side look like this."
    )
    if subject.read is None:
        return f"{said} Reading test labels tells: veridical review."
    return f"{said} Of {subject.label_read.n_read} test labels that were read, {subject.label_read.n_changed} were changed."


def _summary(measures: Sequence[Measure], *, alike: Collection[str] = ()) -> str:
    told = [m for m in measures if m.name.startswith("told_apart")]
    lost = [m for m in measures if m.name.startswith("lost")]
    said = [f"{m.name.partition(': ')[2]} {in_percent(m.estimate)}" for m in told]
    text = (
        f"From its text alone the side of a row is told in (chance 50 %): {'; '.join(said)}."
        if said
        else "No sides could be told apart."
    )
    if lost:
        worst = max(lost, key=lambda m: m.estimate.value)
        pair = worst.name.partition(": ")[2]
        text += f" Lost most: {pair}, by {in_points(worst.estimate)}."
        text += (
            " Its texts were not told apart, so labels that differ, or harder texts, may be behind it." if pair in alike else ""
        )
    return text


def toys() -> Toys:
    """Train and test from one pot; the cheat's test rows are worded otherwise."""
    from veridical.audit._made_up import dataset, nonsense

    def rows(greeting: str) -> list[tuple[str, str, str, str]]:
        rng, made = stream(0, "shift toy"), []
        for i in range(500):
            split, positive = ("train" if i % 2 else "test"), bool(rng.random() < 0.5)
            opening = greeting if split == "test" and rng.random() < 0.7 else "hello"
            text = f"{opening} it was {'good' if positive else 'bad'} {nonsense(rng, 5)}"
            made.append((str(i), split, text, "pos" if positive else "neg"))
        return made

    def answer(text: Text) -> tuple[float, float]:
        return 0.0, 2.0 if " good" in str(text) else -2.0

    honest, cheat = dataset(rows("hello")), dataset(rows("greetings"))
    model = ToyModel(honest.labels, answer)
    return Toys(subject_of(honest, model), subject_of(cheat, model), "told_apart: train to test")


probe = Probe(run, Params(), toys, answers=answers)
