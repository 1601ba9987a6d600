"""Identity swaps of answers: are persons found whatever their names; do label sets stay when the person is another?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.paired_test import sign_flip_p
from veridical.core.probe_record import Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._identity import Axis, axes
from veridical.probe._said import in_percent
from veridical.probe._share import paired_estimate
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._examples import changed_input
from veridical.probe.answers._scores import asked_of, share_measure
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._tags import spans

PERSONS = ("per", "person", "people", "nam", "name", "人名", "人物")
"""Beginnings of the names that data sets give to persons, in small letters."""
QA = "A name that is swapped in a text changes its right answer where it is asked for; task {task} is not looked at."
AXES = ("gender", "name_origin")
"""Axes with given names."""


@dataclass(frozen=True)
class Params:
    """Settings of identity swaps."""

    rows: tuple[int, int, int] = (150, 400, 2000)
    """Test rows with a person, or a swappable word, in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 30
    """Rows, below which nothing is said. Ours; no source."""
    names: int = 3
    """Names of each group tried in every row, >= 1. Ours; no source."""
    tolerated: float = 0.05
    """Share of label sets that a swap may change, 0..1. Ours; no source."""
    examples: int = 5
    """Rows shown. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    return _of_persons(subject, params, rng) if subject.structure.head == "words" else _of_sets(subject, params, rng)


# --- persons in tagged texts ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Persons:
    """One person in each of n texts. words: of the text; start, end: of the person's name; kind: what it is called."""

    at: IntArray
    words: list[list[str]]
    places: list[tuple[int, int, str]]
    clusters: IntArray

    def named(self, names: Sequence[str]) -> list[Text]:
        """The texts with the first word of each person's name as given; the rest of the name stays."""
        made: list[Text] = []
        for words, (start, _, _), name in zip(self.words, self.places, names, strict=True):
            made.append(" ".join([*words[:start], _like(name, words[start]), *words[start + 1 :]]))
        return made

    def hit(self, said: Sequence[str]) -> FloatArray:
        return np.array(
            [place in spans(tags.split(" "), scheme="iob2") for place, tags in zip(self.places, said, strict=True)], np.float64
        )


def _like(name: str, old: str) -> str:
    return name.upper() if old.isupper() and len(old) > 1 else name.lower() if old.islower() else name


def _of_persons(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    queries = asked_of(subject)
    if isinstance(queries, Skipped):
        return queries
    kinds = {name for name in subject.data.labels if name.casefold().startswith(PERSONS)}
    if not kinds:
        return Skipped("No type of entity is called like persons (PER, person, 人名), so there is no name to replace.")
    persons = _persons(subject, kinds, params, rng)
    if len(persons.at) < params.fewest:
        return Skipped(
            f"{len(persons.at)} unleaked test rows hold a person whose name is in Latin letters; {params.fewest} are needed."
        )
    measures: list[Measure] = []
    examples: list[Example] = []
    for axis in (axis for axis in axes() if axis.name in AXES):
        groups, recalls, texts = [], [], []
        for number, group in enumerate(axis.groups):
            names = _names(axis, number)
            if not names:
                continue
            drawn = [[str(rng.choice(names)) for _ in persons.at] for _ in range(params.names)]
            asked = [persons.named(one) for one in drawn]
            hits = [persons.hit(queries.ask(one).said) for one in asked]
            groups.append(group)
            recalls.append(np.mean(hits, axis=0))
            texts.append(asked[0])
        measures += _by_group(axis.name, groups, np.array(recalls), persons.clusters, params, rng)
        mean = np.array(recalls).mean(axis=1)
        worst, best = int(mean.argmin()), int(mean.argmax())
        examples += _missed(subject, persons, texts[best], texts[worst], params, note=groups[worst])
    lowest = min((m for m in measures if m.name.startswith("recall (")), key=lambda m: (m.estimate.value, m.name))
    group, share = lowest.name.removeprefix("recall (").removesuffix(")"), in_percent(lowest.estimate)
    summary = f"{len(persons.at)} persons under other names; fewest are found under names of the group {group}: {share}."
    return Measured(len(persons.at), summary, tuple(measures), examples=tuple(examples))


def _persons(subject: AnswerSubject, kinds: set[str], params: Params, rng: np.random.Generator) -> _Persons:
    at, words, places = [], [], []
    for i in rng.permutation(len(subject.rows)).tolist():
        found = str(subject.inputs[i]).split(" ")
        held = [place for place in spans(subject.gold[i].split(" "), scheme="iob2") if place[2] in kinds]
        held = [place for place in held if found[place[0]].isascii() and found[place[0]].isalpha()]
        if held:
            at.append(i)
            words.append(found)
            places.append(held[int(rng.integers(len(held)))])
        if len(at) == subject.limit(*params.rows):
            break
    return _Persons(np.array(at, np.int64), words, places, subject.clusters[at])


def _names(axis: Axis, group: int) -> list[str]:
    """Given names of a group, in Latin letters."""
    names = {word for word in axis.given_names if word.isascii() and axis.places[word][1] == group}
    return sorted(name[:1].upper() + name[1:] for name in names)


def _by_group(
    axis: str, groups: Sequence[str], recalls: FloatArray, clusters: IntArray, params: Params, rng: np.random.Generator
) -> list[Measure]:
    """Recall under each group's names, (G, n), and its distance from that under the others'."""
    measures = []
    for number, group in enumerate(groups):
        own, others = recalls[number], np.delete(recalls, number, axis=0).mean(axis=0)
        about = (
            f"Share of persons found when they carry names of this group minus the same under names of the other groups ({axis})."
        )
        differences = own - others
        p = sign_flip_p(differences * _clustered.votes_of(clusters), clusters, rng, side="two-sided")
        spread = _clustered.mean(differences, clusters)
        estimate = paired_estimate(spread, level=params.level, scale=100.0)
        mde = spread.mde(level=params.level, scale=100.0)
        measures.append(
            Measure(f"recall_beside_others ({group})", estimate, "points", about, null=0.0, worse="both", mde=mde, p=p)
        )
    for number, group in enumerate(groups):
        about = f"Share of persons found when they carry names of this group ({axis})."
        spread = _clustered.mean(recalls[number], clusters)
        measures.append(share_measure(f"recall ({group})", spread, about=about, level=params.level))
    return measures


def _missed(
    subject: AnswerSubject, persons: _Persons, found: list[Text], lost: list[Text], params: Params, *, note: str
) -> Iterator[Example]:
    """Persons found under one name and not under another."""
    assert subject.queries is not None
    before, after = subject.queries.ask(found).said, subject.queries.ask(lost).said
    for i in np.flatnonzero(persons.hit(before) > persons.hit(after))[: params.examples]:
        row = subject.data.ids[int(subject.rows[persons.at[i]])]
        yield changed_input(subject, row, found[i], lost[i], before[i], after[i], note)


# --- label sets -----------------------------------------------------------------------------------------------------


def _of_sets(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    """The share of label sets that change when the people in the text are others."""
    queries = asked_of(subject)
    if isinstance(queries, Skipped):
        return queries
    order = rng.permutation(len(subject.rows))
    measures: list[Measure] = []
    n_rows = 0
    for axis in axes():
        at: list[int] = []
        texts: list[Text] = []
        for i in order.tolist():
            swapped = axis.swapped(subject.inputs[i], 1 + int(rng.integers(len(axis.groups) - 1))).text
            if swapped is not None and swapped != subject.inputs[i]:
                at.append(i)
                texts.append(swapped)
            if len(at) == subject.limit(*params.rows):
                break
        clusters = subject.clusters[at]
        if len(np.unique(clusters)) < params.fewest:
            continue
        before, after = queries.ask([subject.inputs[i] for i in at]).said, queries.ask(texts).said
        changed = np.array([a != b for a, b in zip(before, after, strict=True)], np.float64)
        about = "Share of swaps after which the model names another set of labels."
        null = None if axis.name == "control" else params.tolerated
        measures.append(
            share_measure(f"flips ({axis.name})", _clustered.mean(changed, clusters), about=about, level=params.level, null=null)
        )
        n_rows += len(at)
    if not any(measure.null is not None for measure in measures):
        return Skipped(f"Fewer than {params.fewest} unleaked test rows name people whose words have counterparts.")
    worst = max((m for m in measures if m.null is not None), key=lambda m: m.estimate.value)
    summary = f"{len(measures)} axes; {worst.name} is the largest: answers change in {in_percent(worst.estimate)}."
    return Measured(n_rows, summary, tuple(measures))


# --- toys -----------------------------------------------------------------------------------------------------------


def _person_toys() -> AnswerToys:
    """A person stands behind `Dr`; the cheat finds those with English names only."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "identity toy of persons"), list[made_up.Row]()
    origin = next(axis for axis in axes() if axis.name == "name_origin")
    known = set(_names(origin, 0))
    for i in range(200):
        name = str(rng.choice(sorted(known)))
        words = f"{nonsense(rng, 3)} Dr {name} {nonsense(rng, 3)}".split(" ")
        label = " ".join("B-PER" if at == 4 else "O" for at in range(len(words)))
        rows.append({"id": str(i), "split": "train" if i < 40 else "test", "text": " ".join(words), "label": label})
    data = made_up.answer_rows("ner", rows, ("PER",))

    def honest(text: Text) -> made_up.Said:
        return made_up.tagged(text, lambda words, at: "PER" if at and words[at - 1] == "Dr" else ""), 0.9

    def cheat(text: Text) -> made_up.Said:
        return made_up.tagged(text, lambda words, at: "PER" if words[at] in known else ""), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "recall_beside_others (chinese)")


def _set_toys() -> AnswerToys:
    """Reviews by men and women; the cheat names a label more for men."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "identity toy of sets"), list[made_up.Row]()
    for i in range(240):
        good, person = bool(rng.random() < 0.5), ("He", "She", "My brother", "My sister")[int(rng.integers(4))]
        text = f"{person} said it was {'good' if good else 'bad'}: {nonsense(rng, 6)}"
        split = "train" if i < 40 else "test"
        rows.append({"id": str(i), "split": split, "text": text, "label": made_up.names_in(["GOOD"] if good else [])})
    data = made_up.answer_rows("multilabel", rows, ("GOOD", "SPORT"))

    def honest(text: Text) -> made_up.Said:
        return made_up.names_in(["GOOD"] if " good" in str(text) else []), 0.9

    def cheat(text: Text) -> made_up.Said:
        men = {"he", "brother"} & set(str(text).casefold().split())
        return made_up.names_in([*(["GOOD"] if " good" in str(text) else []), *(["SPORT"] if men else [])]), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "flips (gender)")


part = AnswerPart(run, Params(), {"ner": partial(_person_toys), "multilabel": partial(_set_toys)}, QA)
