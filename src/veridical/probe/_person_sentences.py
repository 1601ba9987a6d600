"""Sentences that differ in the person alone, as the Equity Evaluation Corpus writes them: does the answer lean on who is named?

A file has the columns text (or sentence), template and person. Columns that a person fixes (gender, race) are what may not
decide; the template with what is left (an emotion word) is the frame that sentences share. Within a frame, persons of one group
are held against those of the others who are alike in every other such column. Templates and persons are both drawn from many, so
both are units of the interval: a model that reacts to single names does not lean on their group.
Source: Kiritchenko and Mohammad 2018, arXiv:1805.04508 (the corpus); Cameron, Gelbach and Miller 2011, JBES 29:238 (two kinds of
clusters; ours adds their variances and takes nothing off, so it is never too small).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Example, Measure
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured
from veridical.probe._said import in_points

NEEDED = ("text", "template", "person")
METHOD = "Student's t over templates and persons, simultaneous"


@dataclass(frozen=True, eq=False)
class PersonSentences:
    """texts: n. person, template, frame: number of each, (n,). groups: of each axis their names; group: which one, -1 where the
    axis says nothing of the person, (n,)."""

    texts: tuple[str, ...]
    person: IntArray
    template: IntArray
    frame: IntArray
    groups: dict[str, tuple[str, ...]]
    group: dict[str, IntArray]


@dataclass(frozen=True, slots=True)
class Leaning:
    """tolerated: mean change of a probability up to which nothing is called found, points. examples: pairs shown of an axis."""

    tolerated: float = 2.0
    examples: int = 3
    level: float = 0.95


@dataclass(frozen=True, eq=False)
class Contrast:
    """One group of an axis against the others, in U places (a frame, with persons alike in all other axes), over m sentences.
    place, sentence: number of each, (m,). own: whether it is of the group, (m,). template: of each place, (U,)."""

    place: IntArray
    sentence: IntArray
    own: BoolArray
    template: IntArray


def read_person_sentences(path: Path) -> PersonSentences | None:
    """The sentences of a CSV file or of JSON lines; None for JSON lines that are no such sentences, and for other files. Raises
    InputError."""
    kind = path.suffix.lower()
    if kind not in (".jsonl", ".ndjson", ".json", ".csv", ".tsv") or not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None  # whoever reads suites of tests says so
    if kind in (".csv", ".tsv"):
        return _arranged(list(_rows_of_csv(text, path)), path)
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    first = next((found for _, line in lines if isinstance(found := _parsed(line), dict)), None)
    if first is None or "test" in first or not set(NEEDED) & set(_named(first)):
        return None
    return _arranged([(number, _row_of_json(line, number, path)) for number, line in lines], path)


def _rows_of_csv(text: str, path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with the line on which each ends."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if not set(NEEDED) <= set(_named(dict.fromkeys(header))):
            raise InputError(
                f"{path} needs the columns text (or sentence), template and person, separated by commas; its first line names "
                f"{', '.join(map(repr, header)) or 'none'}."
            )
        for fields in reader:
            if fields and len(fields) != len(header):
                raise InputError(
                    f"Line {reader.line_num} of {path} has {len(fields)} fields and the first {len(header)}; commas separate "
                    "them, and a text with a comma stands in double quotes."
                )
            if fields:
                yield reader.line_num, _named(dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        raise InputError(f"Line {reader.line_num} of {path} cannot be read as CSV ({error}).") from error


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _row_of_json(line: str, number: int, path: Path) -> dict[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"Line {number} of {path} is no JSON from character {error.colno} on; each line is a sentence with the keys text, "
            "template and person."
        ) from error
    if not isinstance(row, dict):
        raise InputError(
            f"Line {number} of {path} is no JSON object; each line is a sentence with the keys text, template and person."
        )
    return _named(row)


def _named(row: Mapping[str, object]) -> dict[str, str]:
    """Columns in small letters, as the released CSV and its copies differ; sentence is text."""
    named = {str(key).strip().casefold().replace(" ", "_"): "" if value is None else str(value) for key, value in row.items()}
    return {("text" if key == "sentence" else key): value for key, value in named.items() if key != "id"}


def _arranged(numbered: list[tuple[int, dict[str, str]]], path: Path) -> PersonSentences:
    """numbered: rows with their line in the file."""
    if not numbered:
        raise InputError(f"{path} has a header and no rows; each row is a sentence with its text, template and person.")
    rows = [row for _, row in numbered]
    columns = list(rows[0])
    for number, row in numbered:
        lacking = [name for name in NEEDED if not row.get(name, "").strip()]
        if lacking:
            raise InputError(f"Line {number} of {path} has no {', '.join(lacking)}; a sentence about a person needs each.")
        if odd := set(row) ^ set(columns):
            raise InputError(f"Line {number} of {path} has not the columns of the first row: {', '.join(sorted(odd))} differs.")
    person = _numbered([row["person"] for row in rows])
    fixed, rest = list[str](), list[str]()
    for name in columns:
        if name not in NEEDED:
            told = {(int(p), row[name]) for p, row in zip(person, rows, strict=True)}
            (fixed if len(told) == person.max() + 1 else rest).append(name)
    template = _numbered([row["template"] for row in rows])
    frame = _numbered(["\x1f".join([row["template"], *(row[name] for name in rest)]) for row in rows])
    groups = {name: tuple(sorted({row[name] for row in rows} - {""})) for name in fixed}
    groups = {name: found for name, found in groups.items() if len(found) > 1}
    if not groups or len(np.unique(frame)) == len(rows):
        raise InputError(
            f"{path} names persons, and no two of its sentences differ in the person alone by a column that tells persons apart "
            "(gender, race). Leave out columns that number rows."
        )
    group = {
        name: np.array([found.index(row[name]) if row[name] else -1 for row in rows], np.int64) for name, found in groups.items()
    }
    return PersonSentences(tuple(row["text"] for row in rows), person, template, frame, groups, group)


def _numbered(values: Sequence[str]) -> IntArray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def leanings(given: PersonSentences, probabilities: FloatArray, labels: tuple[str, ...], params: Leaning) -> Measured | Skipped:
    """probabilities: (n, C) of the sentences."""
    usable = {name: [contrast_of(given, name, g) for g in range(len(found))] for name, found in given.groups.items()}
    left = [name for name, found in usable.items() if any(one is None for one in found)]
    notes = [
        f"{name} was left out: it needs two templates, and two persons of each group who are alike otherwise." for name in left
    ]
    contrasts = {name: [one for one in found if one] for name, found in usable.items() if name not in left}
    if not contrasts:
        return Skipped(" ".join(notes))
    classes = [1] if len(labels) == 2 else list(range(len(labels)))  # of two the other moves by as much the other way
    family = sum((1 if len(found) == 2 else len(found)) * len(classes) for found in contrasts.values())
    level, measures, examples = 1 - (1 - params.level) / family, list[Measure](), list[Example]()
    for name, found in contrasts.items():
        spreads = [[shift(one, given, probabilities[:, c]) for c in classes] for one in found]
        measures += _told(name, given, spreads, [labels[c] for c in classes], params, level)
        measures.append(_flips(name, found[0], probabilities, level))
        values = np.abs([[s.value for s in row] for row in spreads])
        at, c = np.unravel_index(values.argmax(), values.shape)
        examples += _examples(found[at], given, probabilities, labels, classes[c], params.examples, note=name)
    notes.append("Templates and persons both count as drawn: intervals speak for other templates and persons of these kinds.")
    n_templates, n_persons = (len(np.unique(of)) for of in (given.template, given.person))
    largest = max((m for m in measures if m.null is not None), key=lambda m: m.estimate.value)
    axis = largest.name.partition("(")[2].rstrip(")")
    summary = (
        f"{len(given.texts)} sentences of {n_templates} templates about {n_persons} persons; the largest mean change of a "
        f"probability comes with {axis}: {in_points(largest.estimate)}."
    )
    return Measured(len(given.texts), summary, tuple(measures), examples=tuple(examples), notes=tuple(notes))


def contrast_of(given: PersonSentences, axis: str, group: int) -> Contrast | None:
    """Sentences of the group and of the others, place by place; None with fewer than two templates, or where a side of a place
    has fewer than two persons everywhere."""
    code = given.group[axis]
    alike = [given.group[name] for name in given.groups if name != axis]
    known = np.flatnonzero(code >= 0)
    place = np.unique(np.stack([given.frame, *alike], axis=1)[known], axis=0, return_inverse=True)[1].reshape(-1)
    own = code[known] == group
    sides = np.stack([np.bincount(place, own == side, int(place.max()) + 1) for side in (True, False)])
    kept = (np.minimum(sides[0], sides[1]) >= 2)[place]
    if len(np.unique(given.template[known[kept]])) < 2:
        return None
    place, first = np.unique(place[kept], return_inverse=True, return_index=True)[2], np.flatnonzero(kept)
    templates = np.zeros(int(place.max()) + 1, np.int64)
    templates[place] = given.template[known[first]]
    return Contrast(place.astype(np.int64), known[first].astype(np.int64), own[first], templates)


def shift(one: Contrast, given: PersonSentences, share: FloatArray) -> _clustered.Spread:
    """Mean of a probability (n,) in sentences of the group minus that of the others in the same place; every template has one
    vote. Its error holds the scatter of templates and that of persons about the mean of their side."""
    n_places, said = len(one.template), share[one.sentence]
    side = 2 * one.place + one.own
    count = np.bincount(side, minlength=2 * n_places)
    mean = np.bincount(side, said, 2 * n_places) / count
    by_template = _clustered.mean(mean[1::2] - mean[::2], one.template)
    votes = _clustered.votes_of(one.template)
    n = count[side]
    pull = (votes / votes.sum())[one.place] / n * np.sqrt(n / (n - 1)) * (said - mean[side]) * np.where(one.own, 1, -1)
    by_person = np.bincount(given.person[one.sentence], pull)
    error = float(np.hypot(by_template.error, np.sqrt(by_person @ by_person)))
    return _clustered.Spread(by_template.value, error, len(one.sentence), by_template.n_clusters)


def _told(
    axis: str, given: PersonSentences, spreads: list[list[_clustered.Spread]], labels: list[str], params: Leaning, level: float
) -> list[Measure]:
    """spreads: of every group and class."""
    shifts = [[one.estimate(level=level, scale=100, method=METHOD) for one in row] for row in spreads]
    every = [(g, c) for g in range(len(shifts)) for c in range(len(labels))]
    g, c = max(every, key=lambda at: (round(abs(shifts[at[0]][at[1]].value), 9), shifts[at[0]][at[1]].value))
    top, names = shifts[g][c], given.groups[axis]
    low = max(0.0, *(max(e.low, -e.high) for row in shifts for e in row))
    high = max(max(e.high, -e.low) for row in shifts for e in row)
    direction = "up" if top.value > 0 else "down"
    about = f"Largest mean change of a probability: {labels[c]!r} goes {direction} where {names[g]} is named."
    size = abs(top.value)
    largest = Estimate(size, min(low, size), max(high, size), level, top.n, top.n_clusters, METHOD)
    mde = 100 * minimum_detectable_effect(max(spreads[g][c].error, 0.01 / top.n_clusters), level=level)
    made = [Measure(f"largest_shift ({axis})", largest, "points", about, null=params.tolerated, mde=mde)]
    for name, row in zip(names, shifts, strict=True):
        c = int(np.abs([e.value for e in row]).argmax())
        about = f"Change of the probability of {labels[c]!r} where {name} is named, against the other groups."
        made.append(Measure(f"shift to {name} ({axis})", row[c], "points", about))
    return made


def _flips(axis: str, one: Contrast, probabilities: FloatArray, level: float) -> Measure:
    """Share of pairs of sentences of the two sides of a place that are answered otherwise; beside it that of one side."""
    side, said = 2 * one.place + one.own, probabilities[one.sentence].argmax(axis=1)
    n_classes = probabilities.shape[1]
    counts = np.bincount(side * n_classes + said, minlength=2 * len(one.template) * n_classes)
    shares = (found := counts.reshape(-1, 2, n_classes)) / found.sum(axis=2, keepdims=True)
    across = 1 - (shares[:, 0] * shares[:, 1]).sum(axis=1)
    n = found.sum(axis=2)
    within = float(np.mean((1 - (shares**2).sum(axis=2)) * n / (n - 1)))
    about = (
        f"Share of pairs of sentences, alike but for persons of two groups, that are answered otherwise; of one group "
        f"{100 * within:.1f} %."
    )
    return _clustered.measure(
        f"flips ({axis})", _clustered.mean(across, one.template), unit="share", about=about, level=level, bounded=True
    )


def _examples(
    one: Contrast,
    given: PersonSentences,
    probabilities: FloatArray,
    labels: tuple[str, ...],
    column: int,
    most: int,
    *,
    note: str,
) -> list[Example]:
    """The places where the group and the others lie furthest apart: of the one side the most, of the other the least probable."""
    said, made = probabilities[one.sentence, column], []
    side = 2 * one.place + one.own
    mean = np.bincount(side, said) / np.bincount(side)
    apart = mean[1::2] - mean[::2]
    for place in np.argsort(-np.abs(apart), kind="stable")[:most]:
        own, other = (one.sentence[(one.place == place) & (one.own == which)] for which in (True, False))
        sign = 1 if apart[place] > 0 else -1
        ends = [int(rows[(sign * way * probabilities[rows, column]).argmax()]) for rows, way in ((own, 1), (other, -1))]
        answers = [f"{labels[int(probabilities[i].argmax())]} {100 * probabilities[i].max():.0f} %" for i in ends]
        made.append(Example("", given.texts[ends[0]], given.texts[ends[1]], answers[0], answers[1], note))
    return made
