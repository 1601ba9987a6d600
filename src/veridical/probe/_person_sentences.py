"""Sentences that differ in the person alone, as the Equity Evaluation Corpus writes them: does the answer lean on who is named?

Columns that a person fixes (gender, race) are what may not decide; the template with what is left (an emotion word) is the frame
that sentences share. Within a frame, persons of one group are held against those of the others who are alike in every other such
column; of several sentences of a person the mean counts. Templates and persons are both drawn from many, so both are units of the
interval: a model that reacts to single names does not lean on their group. Few persons tell little of how much persons differ,
however many the templates: the reaches of both, each by Student's t with degrees of freedom of its own, add as squares. Those of
persons are Welch's, but never more than if all persons differed as much: two who happen to agree would else be taken for surely
alike.
Source: Kiritchenko and Mohammad 2018, arXiv:1805.04508 (the corpus); Cameron, Gelbach and Miller 2011, JBES 29:238 (two kinds of
clusters; ours adds their variances and takes nothing off, so it is never too small); Satterthwaite 1946, Biometrics Bulletin
2:110 (degrees of freedom of a sum of variances); Zou and Donner 2008, Statistics in Medicine 27:1693 (squares of reaches add);
Hoeffding 1963, JASA 58:13, section 5 (means over pairs); Korn and Graubard 1998, Survey Methodology 24:193 (shares).
"""

from dataclasses import dataclass

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Example, Measure
from veridical.core.proportion import ALIKE, exact
from veridical.dataset.rows import BoolArray, IntArray
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured
from veridical.probe._person_file import PersonSentences
from veridical.probe._said import in_points

METHOD = "Student's t over templates and persons, simultaneous"
OF_FLIPS = "Clopper-Pearson over pairs of persons that share none, and templates, simultaneous"

GRID = 100
"""Quantiles of each variance over which the smallest visible change is found; eight times as many move it by 0.02 %."""


@dataclass(frozen=True, slots=True)
class Leaning:
    """tolerated: mean change of a probability up to which nothing is called found, points. examples: pairs shown of an axis."""

    tolerated: float = 2.0
    examples: int = 3
    level: float = 0.95


@dataclass(frozen=True, eq=False)
class Contrast:
    """One group of an axis against the others, in U places (a frame, with persons alike in all other axes), over m sentences
    and M meetings of a person with a place. sentence, meeting: number of each, (m,). place, person: of each meeting; own: whether
    it is of the group; cell: persons of one side alike in all other axes share it, (M,). template: of each place, (U,)."""

    sentence: IntArray
    meeting: IntArray
    place: IntArray
    person: IntArray
    own: BoolArray
    cell: IntArray
    template: IntArray


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean change, with its standard error and degrees of freedom over templates and over persons, 0..1."""

    value: float
    templates: tuple[float, float]
    persons: tuple[float, float]
    n: int
    n_templates: int

    def reach(self, level: float) -> float:
        """Half of the interval."""
        from scipy.stats import t

        return float(np.hypot(*(error * t.ppf(0.5 + level / 2, df) for error, df in (self.templates, self.persons))))

    def estimate(self, level: float) -> Estimate:
        """In points."""
        low, value, high = (100 * (self.value + way * self.reach(level)) for way in (-1, 0, 1))
        return Estimate(value, low, high, level, self.n, self.n_templates, METHOD)

    def mde(self, level: float) -> float:
        """Smallest change seen with 80 % power, points: the chance that what is drawn lies beyond a reach that is drawn too."""
        from scipy.optimize import brentq
        from scipy.stats import chi2, norm, t

        at, reach = (np.arange(GRID) + 0.5) / GRID, np.zeros((1, 1))
        for axis, (error, df) in enumerate((self.templates, self.persons)):
            squares = (error * t.ppf(0.5 + level / 2, df)) ** 2 * chi2.ppf(at, df) / df
            reach = reach + np.expand_dims(squares, axis)
        error = float(np.hypot(self.templates[0], self.persons[0]))
        if error < ALIKE:  # at least what one template that differs a little would make
            return 1 / self.n_templates
        reach = np.sqrt(reach) / error
        return 100 * error * float(brentq(lambda effect: norm.cdf(effect - reach).mean() - 0.8, 0.0, 3 + reach.max()))


@dataclass(frozen=True, slots=True)
class Flips:
    """Share of pairs of persons who are answered otherwise, 0..1, of all pairs of two groups (value) and of all within one.
    error: of the value over templates. pairs: as many can be made that share no person. n: sentences."""

    value: float
    within: float
    error: float
    pairs: float
    n: int
    n_templates: int

    def estimate(self, level: float) -> Estimate:
        """A mean over pairs varies at most as one over pairs that share no person; how much templates vary is what they show."""
        from scipy.stats import norm, t

        value = min(max(self.value, 0.0), 1.0)  # a mean of shares may round beyond
        own = value * (1 - value)
        n = min(self.pairs, float(self.n_templates))
        if own > ALIKE:
            wider = t.ppf(0.5 + level / 2, self.n_templates - 1) / norm.ppf(0.5 + level / 2)
            n = own / (own / self.pairs + (wider * self.error) ** 2)
        return Estimate(value, *exact(value * n, n, level), level, self.n, self.n_templates, OF_FLIPS)


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
        spreads = [[shift(one, probabilities[:, c]) for c in classes] for one in found]
        measures += _told(name, given, spreads, [labels[c] for c in classes], params, level)
        measures += _flips(name, given, probabilities, level)
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
    sentence, place = known[kept], np.unique(place[kept], return_inverse=True)[1].astype(np.int64)
    if len(np.unique(given.template[sentence])) < 2:
        return None
    first, meeting = _meetings(place, given.person[sentence])
    person, cell = given.person[sentence][first], (2 * kin + own)[kept][first]
    template = _of_places(given.template[sentence], place)
    return Contrast(sentence, meeting, place[first], person, own[kept][first], cell, template)


def _meetings(place: IntArray, person: IntArray) -> tuple[IntArray, IntArray]:
    """First sentence of each person in each place (M,), and the number of that meeting for every sentence (m,)."""
    _, first, meeting = np.unique(place * (int(person.max()) + 1) + person, return_index=True, return_inverse=True)
    return first.astype(np.int64), meeting.astype(np.int64)


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


def shift(one: Contrast, share: FloatArray) -> Spread:
    """Mean of a probability (n,) about the group minus that about the others in the same place: persons have one vote in a place,
    and templates one over all."""
    n_places = len(one.template)
    said = np.bincount(one.meeting, share[one.sentence]) / np.bincount(one.meeting)
    side = 2 * one.place + one.own
    count = np.bincount(side, minlength=2 * n_places)
    mean = np.bincount(side, said, 2 * n_places) / count
    by_template = _clustered.mean(mean[1::2] - mean[::2], one.template)
    votes = _clustered.votes_of(one.template)
    load = (votes / votes.sum())[one.place] / count[side]
    persons = _over_persons(load, said - mean[side], count[side], person=one.person, cell=one.cell)
    templates = (by_template.error, float(by_template.df))
    return Spread(by_template.value, templates, persons, len(one.sentence), by_template.n_clusters)


def _over_persons(load: FloatArray, apart: FloatArray, n: IntArray, *, person: IntArray, cell: IntArray) -> tuple[float, float]:
    """Standard error of a value over persons, and its degrees of freedom: Welch's, at most those if all persons varied alike.

    load: weight of a meeting in the value; apart: what is said in it minus the mean of its side; n: persons of that side; (M,).
    Persons of one cell scatter alike; of n persons who are met everywhere n - 1 are free.
    """
    cells = np.zeros(int(person.max()) + 1, np.int64)
    cells[person] = cell
    corrected = load * np.sqrt(n / (n - 1))  # Bessel
    pull, whole, free = (np.bincount(person, corrected * of) for of in (apart, np.ones(len(n)), 1 - 1 / n))
    of_cell = [
        np.bincount(cells, values) for values in (pull**2, np.bincount(person, load) ** 2, whole**2, whole * free, whole**4)
    ]
    variance, alike, squares, left, fourth = (values[of_cell[1] > 0].astype(np.float64) for values in of_cell)
    freedom = np.maximum(squares * left / fourth, 1.0)
    total, df = float(variance.sum()), _satterthwaite(alike, freedom)
    return float(np.sqrt(total)), df if total < ALIKE**2 else min(df, _satterthwaite(variance, freedom))


def _satterthwaite(variances: FloatArray, freedom: FloatArray) -> float:
    """Degrees of freedom of a sum of variances."""
    return float(variances.sum() ** 2 / (variances**2 / freedom).sum())


def _told(
    axis: str, given: PersonSentences, spreads: list[list[Spread]], labels: list[str], params: Leaning, level: float
) -> list[Measure]:
    """spreads: of every group and class."""
    shifts = [[one.estimate(level) for one in row] for row in spreads]
    every = [(g, c) for g in range(len(shifts)) for c in range(len(labels))]
    g, c = max(every, key=lambda at: (round(abs(shifts[at[0]][at[1]].value), 9), shifts[at[0]][at[1]].value))
    top, names = shifts[g][c], given.groups[axis]
    low = max(0.0, *(max(e.low, -e.high) for row in shifts for e in row))
    high = max(max(e.high, -e.low) for row in shifts for e in row)
    direction = "up" if top.value > 0 else "down"
    about = f"Largest mean change of a probability: {labels[c]!r} goes {direction} where {names[g]} is named."
    size = abs(top.value)
    largest = Estimate(size, min(low, size), max(high, size), level, top.n, top.n_clusters, METHOD)
    made = [Measure(f"largest_shift ({axis})", largest, "points", about, null=params.tolerated, mde=spreads[g][c].mde(level))]
    for name, row in zip(names, shifts, strict=True):
        c = int(np.abs([e.value for e in row]).argmax())
        about = f"Change of the probability of {labels[c]!r} where {name} is named, against the other groups."
        made.append(Measure(f"shift to {name} ({axis})", row[c], "points", about))
    return made


def _flips(axis: str, given: PersonSentences, probabilities: FloatArray, level: float) -> list[Measure]:
    found = flips(given, axis, probabilities)
    if found is None:
        return []
    about = (
        "Of all pairs of sentences, alike but for persons of two different groups, the share that is answered otherwise; of all "
        f"pairs within a group {100 * found.within:.1f} %."
    )
    return [Measure(f"flips ({axis})", found.estimate(level), "share", about)]


def flips(given: PersonSentences, axis: str, probabilities: FloatArray) -> Flips | None:
    """Persons have one vote in a place and templates one over all. None with fewer than two templates in which two groups meet
    with two persons each."""
    known, place, _ = _places(given, axis)
    group, n_groups, n_classes = given.group[axis][known], len(given.groups[axis]), probabilities.shape[1]
    enough = _persons_of(given, known, place, group, n_groups) >= 2
    kept = enough[place, group] & (enough.sum(axis=1) >= 2)[place]
    known, place, group = known[kept], np.unique(place[kept], return_inverse=True)[1].astype(np.int64), group[kept]
    if len(np.unique(given.template[known])) < 2:
        return None
    template = _of_places(given.template[known], place)
    first, meeting = _meetings(place, given.person[known])
    said = np.zeros((len(first), n_classes))  # how often each class was answered about a person in a place
    np.add.at(said, (meeting, probabilities[known].argmax(axis=1)), 1.0)
    said /= said.sum(axis=1, keepdims=True)
    of = np.zeros((len(template), n_groups, n_classes))
    np.add.at(of, (place[first], group[first]), said)
    whole, size = of.sum(axis=1), of.sum(axis=2)
    pairs = (size.sum(axis=1) ** 2 - (size**2).sum(axis=1)) / 2
    across = 1 - ((whole**2).sum(axis=1) - (of**2).sum(axis=(1, 2))) / 2 / pairs
    itself = np.bincount(place[first], (said**2).sum(axis=1))
    within = 1 - ((of**2).sum(axis=(1, 2)) - itself) / (size * (size - 1)).sum(axis=1)
    votes = _clustered.votes_of(template)
    votes /= votes.sum()
    others = size.sum(axis=1)[place[first]] - size[place[first], group[first]]
    most = np.bincount(given.person[known][first], (votes / pairs)[place[first]] * others).max()
    by_template = _clustered.mean(across, template)
    return Flips(by_template.value, float(votes @ within), by_template.error, 1 / most, len(known), by_template.n_clusters)


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
    place, own = one.place[one.meeting], one.own[one.meeting]
    side = 2 * place + own
    mean = np.bincount(side, said) / np.bincount(side)
    apart = mean[1::2] - mean[::2]
    for at in np.argsort(-np.abs(apart), kind="stable")[:most]:
        sides = (one.sentence[(place == at) & (own == which)] for which in (True, False))
        sign = 1 if apart[at] > 0 else -1
        ends = [int(rows[(sign * way * probabilities[rows, column]).argmax()]) for rows, way in zip(sides, (1, -1), strict=True)]
        answers = [f"{labels[int(probabilities[i].argmax())]} {100 * probabilities[i].max():.0f} %" for i in ends]
        made.append(Example("", given.texts[ends[0]], given.texts[ends[1]], answers[0], answers[1], note))
    return made
