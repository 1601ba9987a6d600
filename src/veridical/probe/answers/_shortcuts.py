"""Shortcuts where an answer is more than one label: names known by heart, questions that are not read, a part of the text."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import IntArray, Text
from veridical.dataset.words import words
from veridical.models.answer_queries import AnswerQueries
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._said import in_percent, in_points
from veridical.probe._text_edits import masked, shuffled
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._examples import changed_input
from veridical.probe.answers._scores import METHOD, asked_of, loss_measure, ratio_measure, score_of, share_measure, survives
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._contract import Margins
from veridical.tasks._label_sets import held
from veridical.tasks._span_answers import text_of
from veridical.tasks._tags import OUTSIDE, spans
from veridical.tasks.qa import SENTENCE

Entity = tuple[int, int, int, str]
"""Row, first word, last word + 1, type."""
ASCII_NAMES = ("Velmor", "Quastin", "Drobek", "Yarlun", "Fisketh", "Omdari", "Trevaux", "Belgaru", "Zinthal", "Pruvek")
"""Words that no list of names holds. Ours."""
HAN_NAMES = "晟萱崴昀翊沄珩茗笙黛骁珞澍岚"
"""Characters that names hold and few other words do, one for each character of a name. Ours."""


@dataclass(frozen=True)
class Params:
    """Settings of shortcuts."""

    rows: tuple[int, int, int] = (200, 600, 3000)
    """Test rows looked at in a quick, standard and thorough look. Ours; no source."""
    tolerated: float = 10.0
    """Points of recall by which entities known from train may be found more often than new ones, >= 0. Ours; no source."""
    survives: float = 0.5
    """Share of the score that may be left without the question, or with another one, 0..1. Ours; no source."""
    fewest: int = 30
    """Entities of a kind, or rows, below which nothing is said of them. Ours; no source."""
    examples: int = 5
    """Rows shown. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class _Sample:
    subject: AnswerSubject
    queries: AnswerQueries
    ids: list[str]
    inputs: list[Text]
    gold: list[str]
    said: list[str]
    clusters: IntArray
    params: Params

    def ratio(self, name: str, inputs: Sequence[Text], about: str, *, null: float | None = None) -> tuple[Measure, list[str]]:
        """What is left of the score when the model reads `inputs` instead; and what it says then."""
        said = self.queries.ask(list(inputs)).said
        subject = self.subject
        before, after = subject.margins(self.gold, self.said), subject.margins(self.gold, said)
        found = survives(subject.measure.metric, before, after, self.clusters)
        return ratio_measure(name, found, about=about, level=self.params.level, null=null), said

    @property
    def score(self) -> _clustered.Spread:
        return score_of(self.subject.measure.metric, self.subject.margins(self.gold, self.said), self.clusters)


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    queries = asked_of(subject)
    if isinstance(queries, Skipped):
        return queries
    at = subject.sample(subject.limit(*params.rows), rng)
    inputs, gold = [subject.inputs[i] for i in at], [subject.gold[i] for i in at]
    ids = [subject.data.ids[row] for row in subject.rows[at]]
    sample = _Sample(subject, queries, ids, inputs, gold, queries.ask(inputs).said, subject.clusters[at], params)
    look = {"words": _of_entities, "span": _of_questions, "labels": _of_sets}[subject.structure.head]
    return look(sample, rng)


# --- entities -------------------------------------------------------------------------------------------------------


def _of_entities(sample: _Sample, rng: np.random.Generator) -> Measured | Skipped:
    """Entities whose words stood as an entity in train against the others; then names swapped, and context taken away."""
    params, subject = sample.params, sample.subject
    entities = [
        (row, start, end, kind)
        for row, tags in enumerate(sample.gold)
        for start, end, kind in spans(tags.split(" "), scheme="iob2")
    ]
    if len(entities) < params.fewest:
        return Skipped(f"Only {len(entities)} entities stand in the test rows looked at; {params.fewest} are needed.")
    known = _known(subject)
    seen = np.array([_surface(sample.inputs[row], start, end) in known for row, start, end, _ in entities], bool)
    clusters = sample.clusters[[row for row, *_ in entities]]
    found = _hit(entities, sample.said)
    measures, notes = _memorised(found, seen, clusters, params)
    renamed = _renamed(sample, entities, rng)
    alone = _without_context(sample, entities, subject, rng)
    for name, inputs, about in (
        ("recall_of_new_names", renamed, "Share of entities found when each of their words is a made-up name; context as it is."),
        (
            "recall_without_context",
            alone,
            "Share of entities found when every word around them is one drawn from outside entities.",
        ),
    ):
        hit = _hit(entities, sample.queries.ask(inputs).said)
        spread = _clustered.mean(hit, clusters, votes=np.ones(len(hit)))
        measures.append(share_measure(name, spread, about=about, level=params.level))
    summary = _summary(len(entities), int(seen.sum()), measures)
    after = sample.queries.ask(renamed).said
    shown = [
        row for row, *_ in (entity for entity, hit, now in zip(entities, found, _hit(entities, after), strict=True) if hit > now)
    ]
    examples = [
        changed_input(subject, sample.ids[row], sample.inputs[row], renamed[row], sample.said[row], after[row], "new names")
        for row in list(dict.fromkeys(shown))[: params.examples]
    ]
    return Measured(len(sample.gold), summary, tuple(measures), examples=tuple(examples), notes=tuple(notes))


def _summary(n: int, old: int, measures: Sequence[Measure]) -> str:
    """n: entities; old: how many of them stood in train."""
    found = {measure.name: in_percent(measure.estimate) for measure in measures}
    new = found["recall_of_new_names"]
    if "recall_of_seen" not in found:
        return f"{n} entities, {old} of them known from train; found under made-up names {new}."
    seen, others = found["recall_of_seen"], found["recall_of_unseen"]
    return (
        f"{n} entities, {old} of them known from train; of these are found {seen}, of the others {others}, under made-up names "
        f"{new}."
    )


def _known(subject: AnswerSubject) -> set[str]:
    """Entities of train, in small letters."""
    known = set()
    for row in subject.data.rows("train"):
        for start, end, _ in spans(str(subject.data.answers[row] or "O").split(" "), scheme="iob2"):
            known.add(_surface(subject.data.texts[row], start, end))
    return known


def _surface(text: Text, start: int, end: int) -> str:
    return " ".join(str(text).split(" ")[start:end]).casefold()


def _hit(entities: Sequence[Entity], said: Sequence[str]) -> FloatArray:
    """1.0 where an entity was found with its type and both ends, (e,)."""
    told = [set(spans(tags.split(" "), scheme="iob2")) for tags in said]
    return np.array([(start, end, kind) in told[row] for row, start, end, kind in entities], np.float64)


def _memorised(
    found: FloatArray, seen: "np.typing.NDArray[np.bool_]", clusters: IntArray, params: Params
) -> tuple[list[Measure], list[str]]:
    if min(int(seen.sum()), int((~seen).sum())) < params.fewest:
        n = int(seen.sum())
        return [], [
            f"{n} entities are known from train and {len(seen) - n} are not; {params.fewest} of each are needed to compare."
        ]
    votes = np.ones(len(found))
    parts = {
        name: _clustered.mean(np.where(part, found, 0.0), clusters, votes=np.where(part, votes, 0.0))
        for name, part in (("recall_of_seen", seen), ("recall_of_unseen", ~seen))
    }
    gap = _gap(found, seen, clusters)
    about = "Recall of entities known from train minus recall of the others: what knowing names by heart may be worth."
    estimate = gap.estimate(level=params.level, scale=100.0, method=METHOD)
    mde = gap.mde(level=params.level, scale=100.0)
    p = gap.p(params.tolerated / 100)
    measures = [
        Measure("memorised_names", estimate, "points", about, null=params.tolerated, mde=mde, p=p),
        share_measure(
            "recall_of_seen", parts["recall_of_seen"], about="Share found of entities that stood in train.", level=params.level
        ),
        share_measure(
            "recall_of_unseen", parts["recall_of_unseen"], about="Share found of entities that did not.", level=params.level
        ),
    ]
    return measures, []


def _gap(found: FloatArray, seen: "np.typing.NDArray[np.bool_]", clusters: IntArray) -> _clustered.Spread:
    """Mean of one part minus that of the other; a cluster may hold entities of both."""
    first, second = float(found[seen].mean()), float(found[~seen].mean())
    influence = np.where(seen, (found - first) / seen.sum(), -(found - second) / (~seen).sum())
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], influence)
    error = float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))
    return _clustered.Spread(first - second, error, len(found), len(sums))


def _renamed(sample: _Sample, entities: Sequence[Entity], rng: np.random.Generator) -> list[Text]:
    made = [str(text).split(" ") for text in sample.inputs]
    for row, start, end, _ in entities:
        for at in range(start, end):
            word = made[row][at]
            if is_cjk(word):
                made[row][at] = "".join(rng.choice(list(HAN_NAMES), len(word)).tolist())
            elif word[:1].isalpha():
                made[row][at] = _in_case(str(rng.choice(ASCII_NAMES)), word)
    return [" ".join(found) for found in made]


def _in_case(name: str, like: str) -> str:
    return name.upper() if like.isupper() and len(like) > 1 else name.lower() if like.islower() else name


def _without_context(sample: _Sample, entities: Sequence[Entity], subject: AnswerSubject, rng: np.random.Generator) -> list[Text]:
    """Words around entities drawn anew from words outside of entities; marks stay."""
    plain = sorted({
        word
        for text, tags in zip(sample.inputs, sample.gold, strict=True)
        for word, tag in zip(str(text).split(" "), tags.split(" "), strict=True)
        if tag == OUTSIDE and word[:1].isalpha()
    }) or ["-"]  # fmt: skip
    made: list[Text] = []
    for text, tags in zip(sample.inputs, sample.gold, strict=True):
        pairs = zip(str(text).split(" "), tags.split(" "), strict=True)
        made.append(" ".join(str(rng.choice(plain)) if tag == OUTSIDE and word[:1].isalpha() else word for word, tag in pairs))
    return made


# --- questions ------------------------------------------------------------------------------------------------------


def _of_questions(sample: _Sample, rng: np.random.Generator) -> Measured | Skipped:
    """No question, its words in another order, another row's question, and the text without the sentence of the answer."""
    params, inputs = sample.params, sample.inputs
    if sample.score.value <= 2 * sample.score.error:
        return Skipped("The model is hardly ever right here, so there is no score of which something could be left.")
    contexts, questions = [str(text[0]) for text in inputs], [str(text[1]) for text in inputs]
    other = np.roll(rng.permutation(len(inputs)), 1)
    others = dict(zip(np.roll(other, -1).tolist(), other.tolist(), strict=True))
    asked = {
        "no_question": ([(c, "") for c in contexts], "Share of the score that is left when the question is empty."),
        "other_question": (
            [(c, questions[others[i]]) for i, c in enumerate(contexts)],
            "Share of the score that is left when another row's question is asked.",
        ),
        "shuffled_question": (
            [(c, str(shuffled(q, 1, rng))) for c, q in zip(contexts, questions, strict=True)],
            "Share of the score that is left when the words of the question stand in random order.",
        ),
    }
    measures, answers = [], {}
    for name, (changed, about) in asked.items():
        null = None if name == "shuffled_question" else params.survives
        measure, answers[name] = sample.ratio(f"survives: {name}", changed, about, null=null)
        measures.append(measure)
    measures += _unanswerable(sample, params)
    left, swapped = (in_percent(measure.estimate) for measure in measures[:2])
    summary = f"Of the score are left without the question {left}, with another question {swapped}."
    same = [i for i in range(len(inputs)) if text_of(sample.said[i]) and answers["no_question"][i] == sample.said[i]]
    examples: list[Example] = [
        changed_input(
            sample.subject, sample.ids[i], inputs[i], asked["no_question"][0][i], sample.said[i], answers["no_question"][i],
            "no question",
        )
        for i in same[: params.examples]
    ]  # fmt: skip
    return Measured(len(inputs), summary, tuple(measures), examples=tuple(examples))


def _unanswerable(sample: _Sample, params: Params) -> list[Measure]:
    """What it says when the sentence that holds the answer is gone, where the answer then stands nowhere."""
    at, changed = [], []
    for i, (text, gold) in enumerate(zip(sample.inputs, sample.gold, strict=True)):
        answers = [answer for answer, _ in json.loads(gold) if answer]
        kept = " ".join(s.strip() for s in SENTENCE.findall(text[0]) if not any(answer in s for answer in answers))
        if answers and kept.strip() and not any(answer in kept for answer in answers):
            at.append(i)
            changed.append((kept, text[1]))
    if len(at) < params.fewest:
        return []
    found = sample.queries.ask(changed)
    given = np.array([bool(text_of(said)) for said in found.said], np.float64)
    spread = _clustered.mean(given, sample.clusters[at])
    about = f"Share of {len(at)} questions still answered when the sentence with the answer is taken out of the text."
    return [share_measure("answered_without_evidence", spread, about=about, level=params.level)]


# --- label sets -----------------------------------------------------------------------------------------------------


def _of_sets(sample: _Sample, rng: np.random.Generator) -> Measured | Skipped:
    """One text of a pair, the length alone, words in another order: against the labels that most rows have."""
    params, subject = sample.params, sample.subject
    floor = _best_constant(sample)
    neutral = _neutral(subject)
    parts: dict[str, Callable[[Text], Text]] = {"length_only": lambda text: masked(text, neutral, rng)}
    if isinstance(sample.inputs[0], tuple):
        parts |= {"first_text_only": lambda text: (text[0], ""), "second_text_only": lambda text: ("", text[1])}
    measures = []
    for name, edit in parts.items():
        said = sample.queries.ask([edit(text) for text in sample.inputs]).said
        about = f"Score from the {name.replace('_', ' ')} minus that of the best answer that is the same for all rows."
        found = subject.margins(sample.gold, said)
        measures.append(
            loss_measure(name, subject.measure.metric, found, floor, sample.clusters, about=about, level=params.level)
        )
    for n in (1, 2, 3):
        inputs = [shuffled(text, n, rng) for text in sample.inputs]
        kept = "single words" if n == 1 else f"runs of {n} words"
        measures.append(sample.ratio(f"order_survives_{n}", inputs, f"Share of the score that survives shuffled {kept}.")[0])
    summary = (
        f"Its length alone against the best answer for all rows: {in_points(measures[0].estimate)}; of the score survives "
        f"shuffled words {in_percent(measures[-3].estimate)}."
    )
    return Measured(len(sample.gold), summary, tuple(measures))


def _best_constant(sample: _Sample) -> Margins:
    """Statistics of the answer that scores most when every row gets it: of one label, of the most frequent sets of train."""
    subject, metric = sample.subject, sample.subject.measure.metric
    sets = Counter(str(subject.data.answers[row]) for row in subject.data.rows("train"))
    tried = [
        *(answer for answer, _ in sets.most_common(MOST_SETS)),
        *(json.dumps([name], ensure_ascii=False) for name in subject.data.labels),
    ]
    found = [subject.margins(sample.gold, [answer] * len(sample.gold)) for answer in dict.fromkeys(tried)]
    return max(found, key=lambda rows: score_of(metric, rows, sample.clusters).value)


MOST_SETS = 10
"""Sets of labels tried as an answer for all rows. Ours; no source."""


def _neutral(subject: AnswerSubject) -> list[str]:
    """Frequent words of train that lean to no label: the share of each label among their rows is that of all rows, or nearly."""
    rows = subject.data.rows("train")[:READ]
    labels = held([str(subject.data.answers[row]) for row in rows], subject.data.labels)
    prior, counts, sums = labels.mean(axis=0), Counter[str](), dict[str, FloatArray]()
    for row, its in zip(rows.tolist(), labels, strict=True):
        for word in set(words(subject.data.texts[row])):
            counts[word] += 1
            sums[word] = sums.get(word, 0) + its
    spread = np.sqrt(np.maximum(prior * (1 - prior), 1e-9))

    def leans(word: str) -> bool:
        return bool((np.abs(sums[word] / counts[word] - prior) * np.sqrt(counts[word]) / spread).max() > LEANING)

    found = [word for word, _ in counts.most_common() if not leans(word)][:50]
    return found or sorted(counts) or ["-"]


READ = 4000
"""Train rows read for words that lean to no label. Ours; no source."""
LEANING = 3.0
"""Standard errors by which a word's share of some label differs where it leans to it. Ours; no source."""


# --- toys -----------------------------------------------------------------------------------------------------------


def _ner_toys() -> AnswerToys:
    """A place stands behind `in`. The honest model reads that; the cheat knows the places of train."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "shortcuts toy of entities"), list[made_up.Row]()
    old = [nonsense(rng, 1) for _ in range(20)]
    for i in range(320):
        split = "train" if i < 120 else "test"
        place = str(rng.choice(old)) if split == "train" or i % 2 else nonsense(rng, 1)
        words = f"{nonsense(rng, 4)} in {place} {nonsense(rng, 3)}".split(" ")
        label = " ".join("B-LOC" if at == 5 else "O" for at in range(len(words)))
        rows.append({"id": str(i), "split": split, "text": " ".join(words), "label": label})
    data = made_up.answer_rows("ner", rows, ("LOC",))
    by_heart = set(old)

    def honest(text: Text) -> made_up.Said:
        return made_up.tagged(text, lambda words, at: "LOC" if at and words[at - 1] == "in" else ""), 0.9

    def cheat(text: Text) -> made_up.Said:
        return made_up.tagged(text, lambda words, at: "LOC" if words[at] in by_heart else ""), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "memorised_names")


def _qa_toys() -> AnswerToys:
    """Behind each of six cues stands a word; the question says which. The cheat takes the longest word of all."""
    from veridical.audit._made_up import nonsense

    cues, rng, rows = (
        ("red", "blue", "green", "black", "white", "grey"),
        stream(0, "shortcuts toy of questions"),
        list[made_up.Row](),
    )
    for i in range(240):
        answers = {cue: nonsense(rng, 1) for cue in cues}
        asked = cues[i % len(cues)]
        answers[asked] += "along"
        text = ". ".join(f"the {cue} {answers[cue]} {nonsense(rng, 1)[:6]}" for cue in cues)
        label = made_up.span(answers[asked])
        split = "train" if i < 60 else "test"
        rows.append({"id": str(i), "split": split, "text": text, "second": f"the {asked}", "label": label})
    data = made_up.answer_rows("qa", rows, ())

    def honest(text: Text) -> made_up.Said:
        words, asked = text[0].replace(".", "").split(" "), [word for word in text[1].split(" ") if word in cues]
        return made_up.span(words[words.index(asked[0]) + 1] if asked and asked[0] in words else ""), 0.9

    def cheat(text: Text) -> made_up.Said:
        return made_up.span(max(text[0].replace(".", "").split(" "), key=len)), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "survives: no_question")


def _set_toys() -> AnswerToys:
    """`good` gives the label, and such texts are longer. The cheat counts words."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "shortcuts toy of sets"), list[made_up.Row]()
    for i in range(300):
        found = bool(rng.random() < 0.5)
        text = nonsense(rng, 14 if found else 6) + (" good" if found else "")
        label = made_up.names_in(["GOOD"] if found else ["BAD"])
        rows.append({"id": str(i), "split": "train" if i < 80 else "test", "text": text, "label": label})
    data = made_up.answer_rows("multilabel", rows, ("BAD", "GOOD"))

    def honest(text: Text) -> made_up.Said:
        return made_up.names_in(["GOOD"] if "good" in str(text).split(" ") else ["BAD"]), 0.9

    def cheat(text: Text) -> made_up.Said:
        return made_up.names_in(["GOOD"] if str(text).count(" ") > 9 else ["BAD"]), 0.9

    return AnswerToys(made_up.toy(data, honest), made_up.toy(data, cheat), "length_only")


part = AnswerPart(run, Params(), {"ner": partial(_ner_toys), "multilabel": partial(_set_toys), "qa": partial(_qa_toys)})
