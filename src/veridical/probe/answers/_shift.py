"""Shift of answers: can the texts of train and test be told apart, and what does a source score when its rows are left out?"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.text_features import HashedText, hashed
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._domains import separation, told_apart
from veridical.probe._said import in_percent, in_points
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._again import said_again, train_rows, why_not_again
from veridical.probe.answers._scores import METHOD, lost, score_of
from veridical.probe.answers._subject import AnswerSubject


@dataclass(frozen=True)
class Params:
    """Settings of shift."""

    units: tuple[int, int, int] = (600, 2000, 10000)
    """Distinct texts of each side in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 50
    """Distinct texts needed on each side, >= 10. Ours; no source."""
    most_sources: int = 5
    """Sources looked at, the largest first. Ours; no source."""
    placebos: tuple[int, int, int] = (2, 3, 6)
    """Models without as many random rows, against which one without a source is held, >= 2. Ours; no source."""
    replicates: int = 499
    """Permutations. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    data, clusters = subject.data, subject.evidence.clusters
    train, test = data.rows("train"), data.rows("test")
    shared = np.intersect1d(clusters[train], clusters[test])
    sides = [_units(subject, rows[~np.isin(clusters[rows], shared)], params, rng) for rows in (train, test)]
    measures, notes = list[Measure](), list[str]()
    if min(map(len, sides)) < params.fewest:
        notes.append(
            f"Train and test were not compared: {params.fewest} distinct rows of each that stand in only one are needed."
        )
    else:
        features = hashed(data.inputs())
        measures.append(_told("train to test", features, sides[0], sides[1], subject, params, rng))
    measures += _sources(subject, params, rng, notes)
    if not measures:
        return Skipped(f"{notes[0]} There is no source column with enough rows either (--source).")
    return Measured(len(subject.rows), _summary(measures), tuple(measures), notes=tuple(notes))


def _units(subject: AnswerSubject, rows: IntArray, params: Params, rng: np.random.Generator) -> IntArray:
    """One random row of each cluster, at most so many."""
    mixed = rng.permutation(rows)
    _, first = np.unique(subject.evidence.clusters[mixed], return_index=True)
    return np.sort(rng.permutation(mixed[first])[: subject.limit(*params.units)]).astype(np.int64)


def _told(
    name: str, features: HashedText, first: IntArray, second: IntArray, subject: AnswerSubject, params: Params,
    rng: np.random.Generator,
) -> Measure:  # fmt: skip
    rows, side = np.concatenate([first, second]), np.repeat([0, 1], [len(first), len(second)]).astype(np.int64)
    told = told_apart(features, rows, side, seed=subject.seed, rng=rng)
    return separation(name, features, rows, told, replicates=params.replicates, level=params.level, rng=rng)


def _sources(subject: AnswerSubject, params: Params, rng: np.random.Generator, notes: list[str]) -> list[Measure]:
    """The score of each source, and what its own train rows are worth to it."""
    sources = np.array(subject.data.table.column("source").to_pylist(), dtype=object)
    own = sources[subject.rows]
    names = [name for name in dict.fromkeys(own.tolist()) if name is not None]
    names = sorted(names, key=lambda name: (-int((own == name).sum()), name))[: params.most_sources]
    if len(names) < 2:
        return []
    why, measures, metric = why_not_again(subject), list[Measure](), subject.measure.metric
    if why:
        notes.append(f"No source was left out of training: {why}")
    for name in names:
        at = np.flatnonzero(own == name)
        if len(np.unique(subject.clusters[at])) < params.fewest:
            notes.append(f"Source {name!r}: fewer than {params.fewest} distinct test rows in it; not looked at.")
            continue
        gold, said = [subject.gold[i] for i in at], [subject.said[i] for i in at]
        about = f"Score ({subject.measured}) on the test rows of this source."
        found = score_of(metric, subject.margins(gold, said), subject.clusters[at])
        measures.append(
            _clustered.measure(
                f"score of {name}", found, unit="share", about=about, level=params.level, method=METHOD, bounded=True
            )
        )
        measures += [] if why else _left_out(subject, name, sources, at, params, rng, notes)
    return measures


def _left_out(
    subject: AnswerSubject, name: str, sources: "np.typing.NDArray[np.object_]", at: IntArray, params: Params,
    rng: np.random.Generator, notes: list[str],
) -> list[Measure]:  # fmt: skip
    """Points lost on the source when its train rows are left out, against leaving out as many random rows."""
    train = train_rows(subject)
    inside = sources[train] == name
    kept = train[~inside]
    if min(int(inside.sum()), len(kept)) < params.fewest:
        notes.append(f"Source {name!r} was not left out of training: too few train rows in it or outside it.")
        return []
    gold, on, clusters = [subject.gold[i] for i in at], subject.rows[at], subject.clusters[at]

    def trained(rows: IntArray) -> list[str]:
        return said_again(subject, rows, on, seed=subject.seed)

    without, metric = subject.margins(gold, trained(kept)), subject.measure.metric
    placebos = [
        lost(metric, subject.margins(gold, trained(np.sort(rng.permutation(train)[: len(kept)]))), without, clusters)
        for _ in range(subject.limit(*params.placebos))
    ]
    values = np.array([one.value for one in placebos])
    between = float(values.std(ddof=1) / np.sqrt(len(values)))
    error = float(np.hypot(np.mean([one.error for one in placebos]), between))
    spread = _clustered.Spread(float(values.mean()), error, placebos[0].n, placebos[0].n_clusters)
    about = (
        f"Points lost on it when its {int(inside.sum())} train rows are left out, against as many random rows left out "
        f"({len(placebos)} times; their spread is in the interval)."
    )
    method = "paired; clusters and placebos"
    return [
        _clustered.measure(f"left_out: {name}", spread, unit="points", about=about, null=0.0, level=params.level, method=method)
    ]


def _summary(measures: Sequence[Measure]) -> str:
    told = [m for m in measures if m.name.startswith("told_apart")]
    gone = [m for m in measures if m.name.startswith("left_out")]
    said = [f"{m.name.partition(': ')[2]} {in_percent(m.estimate)}" for m in told]
    text = (
        f"From its text alone the side of a row is told in (chance 50 %): {'; '.join(said)}."
        if said
        else "No sides could be told apart."
    )
    if gone:
        worst = max(gone, key=lambda m: m.estimate.value)
        text += f" Lost most without own train rows: {worst.name.partition(': ')[2]}, by {in_points(worst.estimate)}."
    return text


def _toys(task: str) -> AnswerToys:
    """Train and test from one pot; the cheat's test rows are worded otherwise."""
    from veridical.audit._made_up import nonsense

    def data(greeting: str) -> AnswerSubject:
        rng, rows = stream(0, "shift toy of answers"), list[made_up.Row]()
        for i in range(400):
            split = "train" if i % 2 else "test"
            opening = greeting if split == "test" and rng.random() < 0.7 else "hello"
            text = f"{opening} {nonsense(rng, 3)} target {nonsense(rng, 2)}"
            second = "which word" if task == "qa" else None
            rows.append({"id": str(i), "split": split, "text": text, "second": second, "label": _answer(task, text)})
        made = made_up.answer_rows(task, rows, () if task == "qa" else ("X",))
        return made_up.toy(made, lambda text: (_answer(task, text if isinstance(text, str) else text[0]), 0.9))

    return AnswerToys(data("hello"), data("greetings"), "told_apart: train to test")


def _answer(task: str, text: Text) -> str:
    if task == "ner":
        return made_up.tagged(text, lambda words, at: "X" if words[at] == "target" else "")
    return made_up.names_in(["X"]) if task == "multilabel" else made_up.span("target")


part = AnswerPart(run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel", "qa")})
