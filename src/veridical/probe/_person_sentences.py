"""Sentences that differ in the person alone, as the Equity Evaluation Corpus writes them: does the answer lean on who is named?

A file has the columns text (or sentence), template and person. Columns that a person fixes (gender, race) are what may not
decide; the template with what is left (an emotion word) is the frame that sentences share. Within a frame, persons of one group
are held against those of the others who are alike in every other such column. Templates and persons are both drawn from many, so
both are units of the interval: a model that reacts to single names does not lean on their group. Few persons tell little of how
much persons differ, however many the templates, so the degrees of freedom of Student's t are those of both.
Source: Kiritchenko and Mohammad 2018, arXiv:1805.04508 (the corpus); Cameron, Gelbach and Miller 2011, JBES 29:238 (two kinds of
clusters; ours adds their variances and takes nothing off, so it is never too small); Satterthwaite 1946, Biometrics Bulletin
2:110 (degrees of freedom of a sum of variances).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from veridical.core.errors import InputError
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Example, Measure
from veridical.core.proportion import ALIKE
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured
from veridical.probe._said import in_points

NEEDED = ("text", "template", "person")
METHOD = "Student's t over templates and persons, simultaneous"

FEW = 5
"""Persons of a group from which on the interval of flips holds, as drawn in tests/unit/probe/test_person_sentences.py."""


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
    place, sentence: number of each, (m,). own: whether it is of the group, (m,). cell: persons of one side who are alike in all
    other axes share it, (m,). template: of each place, (U,)."""

    place: IntArray
    sentence: IntArray
    own: BoolArray
    cell: IntArray
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
        measures += _flips(name, given, probabilities, level)
        if _fewest(given, name) < FEW:
            notes.append(f"A group of {name} has fewer than {FEW} persons: the interval of its flips is too short.")
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
    known, place, kin = _places(given, axis)
    own = given.group[axis][known] == group
    kept = (_persons_of(given, known, place, own.astype(np.int64), 2).min(axis=1) >= 2)[place]
    if len(np.unique(given.template[known[kept]])) < 2:
        return None
    place, first = np.unique(place[kept], return_inverse=True)[1].astype(np.int64), np.flatnonzero(kept)
    return Contrast(place, known[first], own[first], 2 * kin[first] + own[first], _of_places(given.template[known[first]], place))


def _places(given: PersonSentences, axis: str) -> tuple[IntArray, IntArray, IntArray]:
    """Sentences of which the axis tells (m,), the place of each, and the kin of its person: who is alike in all other axes."""
    known = np.flatnonzero(given.group[axis] >= 0).astype(np.int64)
    alike = np.stack([np.zeros_like(given.frame), *(given.group[name] for name in given.groups if name != axis)], axis=1)[known]
    kin = np.unique(alike, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    place = np.unique(given.frame[known] * (kin.max() + 1) + kin, return_inverse=True)[1]
    return known, place.astype(np.int64), kin


def _persons_of(given: PersonSentences, sentence: IntArray, place: IntArray, side: IntArray, n_sides: int) -> IntArray:
    """Number of persons in every place (U) on every side, (U, n_sides)."""
    at = place * n_sides + side
    n_persons = int(given.person.max()) + 1
    met = np.unique(at * n_persons + given.person[sentence]) // n_persons
    return np.bincount(met, minlength=(int(place.max()) + 1) * n_sides).reshape(-1, n_sides).astype(np.int64)


def _of_places(template: IntArray, place: IntArray) -> IntArray:
    """Template of each place (U,) from that of its sentences (m,)."""
    made = np.zeros(int(place.max()) + 1, np.int64)
    made[place] = template
    return made


def shift(one: Contrast, given: PersonSentences, share: FloatArray) -> _clustered.Spread:
    """Mean of a probability (n,) in sentences of the group minus that of the others in the same place; every template has one
    vote. Its error holds the scatter of templates and that of persons about the mean of their side."""
    n_places, said = len(one.template), share[one.sentence]
    side = 2 * one.place + one.own
    count = np.bincount(side, minlength=2 * n_places)
    mean = np.bincount(side, said, 2 * n_places) / count
    by_template = _clustered.mean(mean[1::2] - mean[::2], one.template)
    votes = _clustered.votes_of(one.template)
    load = (votes / votes.sum())[one.place] / count[side]
    return _with_persons(by_template, load, said, side=side, person=given.person[one.sentence], cell=one.cell)


def _with_persons(
    by_template: _clustered.Spread, load: FloatArray, said: FloatArray, *, side: IntArray, person: IntArray, cell: IntArray
) -> _clustered.Spread:
    """The error of a value over templates with that over persons added; of the sum Satterthwaite's degrees of freedom.

    load: weight of a sentence in the value, said: what is scattered about the mean of its side; all (m,). Persons of one cell
    scatter alike; of n persons who are met everywhere n - 1 are free.
    """
    count = np.bincount(side)
    n, mean = count[side], np.bincount(side, said) / np.maximum(count, 1)
    load = load * np.sqrt(n / (n - 1))
    cells = np.zeros(int(person.max()) + 1, np.int64)
    cells[person] = cell
    pull, whole, free = (np.bincount(person, load * of) for of in (said - mean[side], np.ones(len(n)), 1 - 1 / n))
    of_cell = [np.bincount(cells, values) for values in (pull**2, whole**2, whole * free, whole**4)]
    variance, squares, left, fourth = (values[of_cell[1] > 0] for values in of_cell)
    variances = np.append(variance, by_template.error**2)
    freedom = np.append(np.maximum(squares * left / fourth, 1.0), by_template.df)
    total = float(variances.sum())
    df = by_template.df if total < ALIKE**2 else total**2 / float((variances**2 / freedom).sum())
    return _clustered.Spread(by_template.value, float(np.sqrt(total)), len(said), by_template.n_clusters, df)


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
    mde = 100 * _visible(spreads[g][c], level)
    made = [Measure(f"largest_shift ({axis})", largest, "points", about, null=params.tolerated, mde=mde)]
    for name, row in zip(names, shifts, strict=True):
        c = int(np.abs([e.value for e in row]).argmax())
        about = f"Change of the probability of {labels[c]!r} where {name} is named, against the other groups."
        made.append(Measure(f"shift to {name} ({axis})", row[c], "points", about))
    return made


def _visible(spread: _clustered.Spread, level: float) -> float:
    """Smallest effect seen with 80 % power by Student's t."""
    from scipy.stats import t

    reach = float(t.ppf(0.5 + level / 2, spread.df) + t.ppf(0.8, spread.df))
    return reach * max(spread.error, 0.01 / spread.n_clusters)


def _fewest(given: PersonSentences, axis: str) -> int:
    """Persons of the smallest group."""
    code = given.group[axis]
    return min(len(np.unique(given.person[code == g])) for g in range(len(given.groups[axis])))


def _flips(axis: str, given: PersonSentences, probabilities: FloatArray, level: float) -> list[Measure]:
    found = flips(given, axis, probabilities)
    if found is None:
        return []
    about = (
        "Of all pairs of sentences, alike but for persons of two different groups, the share that is answered otherwise; of all "
        f"pairs within a group {100 * found[1]:.1f} %."
    )
    return [_clustered.measure(f"flips ({axis})", found[0], unit="share", about=about, level=level, method=METHOD, bounded=True)]


def flips(given: PersonSentences, axis: str, probabilities: FloatArray) -> tuple[_clustered.Spread, float] | None:
    """Share of pairs of sentences of one place that are answered otherwise: of all pairs of different groups, and of all within
    one. Every template has one vote. None where no place has two groups of two persons."""
    known, place, kin = _places(given, axis)
    group, n_groups, n_classes = given.group[axis][known], len(given.groups[axis]), probabilities.shape[1]
    enough = _persons_of(given, known, place, group, n_groups) >= 2
    kept = enough[place, group] & (enough.sum(axis=1) >= 2)[place]
    if len(np.unique(given.template[known[kept]])) < 2:
        return None
    known, kin, group = known[kept], kin[kept], group[kept]
    place = np.unique(place[kept], return_inverse=True)[1].astype(np.int64)
    said, side = probabilities[known].argmax(axis=1), place * n_groups + group
    n_places = int(place.max()) + 1
    count = np.bincount(side * n_classes + said, minlength=n_places * n_groups * n_classes)
    count = count.reshape(n_places, n_groups, n_classes)
    whole, size = count.sum(axis=1), count.sum(axis=2)
    pairs = (size.sum(axis=1) ** 2 - (size**2).sum(axis=1)) / 2
    across = 1 - ((whole**2).sum(axis=1) - (count**2).sum(axis=(1, 2))) / 2 / pairs
    within = 1 - (count * (count - 1)).sum(axis=(1, 2)) / (size * (size - 1)).sum(axis=1)
    template = _of_places(given.template[known], place)
    votes = _clustered.votes_of(template)
    others = size.sum(axis=1)[place] - size[place, group]
    apart = 1 - (whole[place, said] - count[place, group, said]) / others  # share of the others answered otherwise
    load = (votes / votes.sum() / pairs)[place] * others
    person = given.person[known]
    spread = _with_persons(_clustered.mean(across, template), load, apart, side=side, person=person, cell=kin * n_groups + group)
    few = min(spread.n_clusters, len(np.unique(person)))  # units where nothing differs
    return replace(spread, n_clusters=few), float(votes @ within / votes.sum())


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
