"""Unseen input where an answer is more than one label: how much a model still claims to find where there is nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import IntArray, Text
from veridical.dataset.words import words
from veridical.models.answering import Answers
from veridical.models.model import FloatArray
from veridical.probe import _clustered, _no_evidence
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._no_evidence import Kind, TrainWords
from veridical.probe._said import as_number, in_percent
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._examples import as_read
from veridical.probe.answers._scores import asked_of, ratio_measure, share_measure
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._span_answers import text_of
from veridical.tasks._tags import OUTSIDE


@dataclass(frozen=True)
class Params:
    """Settings of unseen input."""

    rows: tuple[int, int, int] = (100, 300, 1000)
    """Random texts in a quick, standard and thorough look. Ours; no source."""
    longest: int = 60
    """Words of a random text, at most. Ours; no source."""
    familiar: float = 0.1
    """Share of a language's words that train may know, 0..1, for it to count as another. As in the probe of one label."""
    domains: int = 3
    """Trades asked about. As in the probe of one label."""
    per_hundred: float = 2.0
    """Entities claimed in 100 random words from outside of entities up to which nothing is said, >= 0. Ours; no source."""
    answered: float = 0.5
    """Share of inputs without evidence that may be answered, 0..1. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class _Asked:
    kind: Kind
    inputs: list[Text]
    found: Answers


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    queries = asked_of(subject)
    if isinstance(queries, Skipped):
        return queries
    kinds = _kinds(subject, params, rng)
    asked = []
    for kind in kinds:
        inputs = _inputs(subject, kind, rng)
        asked.append(_Asked(kind, inputs, queries.ask(inputs)))
    nothing: Text = ("", subject.inputs[0][1]) if isinstance(subject.inputs[0], tuple) else ""
    empty = queries.ask([nothing])
    measures = [_claimed(subject, part, params) for part in asked]
    said = "; ".join(_said(subject, part, measure) for part, measure in zip(asked, measures, strict=True))
    note = f"On the empty text it says: {subject.structure.shown(nothing, empty.said[0]) or '-'}."
    examples = tuple(example for part in asked for example in _example(subject, part))
    return Measured(
        sum(len(part.inputs) for part in asked),
        f"Claims where there is nothing: {said}.",
        tuple(measures),
        examples=examples,
        notes=(note,),
    )


def _kinds(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> list[Kind]:
    known = _train_words(subject)
    at = subject.sample(subject.limit(*params.rows), rng)
    lengths = [min(len(words(_text(subject.inputs[i]))), params.longest) for i in at]
    kinds = [
        _no_evidence.other_languages(known, familiar=params.familiar),
        _no_evidence.other_domains(known, n_domains=params.domains),
    ]
    if known.neutral:
        glued = known.cjk and subject.structure.head != "words"
        kinds.insert(0, _no_evidence.random_words(known.neutral, lengths, rng, cjk=glued))
    if subject.structure.head != "words":
        kinds.append(_no_evidence.questions(cjk=known.cjk))
    return [kind for kind in kinds if kind.inputs]


def _text(text: Text) -> str:
    return text if isinstance(text, str) else text[0]


def _train_words(subject: AnswerSubject) -> TrainWords:
    """neutral: words of train that stand outside of entities; where answers are no tags, all its words."""
    data, held, inside = subject.data, Counter[str](), set[str]()
    rows = data.rows("train")
    rows = rows if len(rows) else subject.rows
    for row in rows[:20000]:
        found = data.texts[row].split(" ") if subject.structure.head == "words" else words(data.texts[row])
        held.update(word.casefold() for word in found)
        if subject.structure.head == "words" and data.answers[row]:
            tags = str(data.answers[row]).split(" ")
            inside.update(word.casefold() for word, tag in zip(found, tags, strict=True) if tag != OUTSIDE)
    neutral = tuple(sorted(word for word, n in held.items() if word not in inside and n > 1 and word[:1].isalpha()))
    return TrainWords(held, neutral, is_cjk("".join(data.texts[row] for row in rows[:200])))


def _inputs(subject: AnswerSubject, kind: Kind, rng: np.random.Generator) -> list[Text]:
    """A text alone; in question answering beside a question of a test row."""
    tagged = subject.structure.head == "words" and kind.name != "random_words"
    texts = [_tokens(subject, text) for text in kind.inputs] if tagged else list(kind.inputs)
    if subject.data.seconds is None:
        return list(texts)
    drawn = rng.integers(0, len(subject.inputs), len(texts))
    return [(text, subject.inputs[int(at)][1]) for text, at in zip(texts, drawn, strict=True)]


def _tokens(subject: AnswerSubject, text: str) -> str:
    """A text as the rows of a tagged text stand: Chinese in single characters where train has it so, else in words."""
    if not is_cjk(text):
        return text
    tokens = subject.data.texts[0].split(" ")
    single = sum(len(token) == 1 for token in tokens) > len(tokens) / 2
    return " ".join(text.replace(" ", "")) if single else " ".join(words(text))


def _amounts(subject: AnswerSubject, part: _Asked) -> FloatArray:
    """Entities in each, or 1 where something is answered."""
    if subject.structure.head == "words":
        return np.array([sum(tag.startswith("B-") for tag in said.split(" ")) for said in part.found.said], np.float64)
    if subject.structure.head == "span":
        return np.array([bool(text_of(said)) for said in part.found.said], np.float64)
    return np.array([said != "[]" for said in part.found.said], np.float64)


def _claimed(subject: AnswerSubject, part: _Asked, params: Params) -> Measure:
    units, amounts = np.array(part.kind.units, np.int64), _amounts(subject, part)
    name, n = part.kind.name, len(part.inputs)
    if subject.structure.head == "words":
        lengths = np.array([str(text).count(" ") + 1 for text in part.inputs], np.float64)
        spread = _rate(100 * amounts, lengths, units)
        about = f"Entities claimed in 100 words of {n} texts that are made to hold none, or hardly any."
        # Other trades and languages have names of their own: only words from outside of entities are without any.
        null = params.per_hundred if name == "random_words" else None
        return ratio_measure(f"claimed_{name}", spread, about=about, level=params.level, null=null)
    spread = _clustered.mean(amounts, units, votes=np.ones(n))
    about = f"Share of {n} inputs without evidence for any answer to which one is given."
    null = params.answered if name == "random_words" else None
    return share_measure(f"answered_{name}", spread, about=about, level=params.level, null=null)


def _rate(amounts: FloatArray, lengths: FloatArray, units: IntArray) -> _clustered.Spread:
    """Amounts over lengths; where none is claimed, as uncertain as one claim would make it."""
    found = _clustered.ratio(amounts, lengths, units, votes=np.ones(len(units)))
    return replace(found, error=max(found.error, 100 / float(lengths.sum())))


def _said(subject: AnswerSubject, part: _Asked, measure: Measure) -> str:
    name = part.kind.name.replace("_", " ")
    if subject.structure.head == "words":
        return f"{name}: entities in 100 words {as_number(measure.estimate, decimals=1)}"
    return f"{name}: answered {in_percent(measure.estimate)}"


def _example(subject: AnswerSubject, part: _Asked) -> Sequence[Example]:
    """The surest claim of a kind."""
    claims = np.flatnonzero(_amounts(subject, part) > 0)
    if not len(claims):
        return ()
    top = int(claims[part.found.confidence[claims].argmax()])
    answer = subject.structure.shown(part.inputs[top], part.found.said[top])
    sure = f"{answer} {100 * part.found.confidence[top]:.0f} %"
    return (Example("", "", as_read(part.inputs[top]), "", sure, part.kind.name.replace("_", " ")),)


def _toys(task: str) -> AnswerToys:
    """`Sir` comes before what is to be found; the cheat finds something everywhere."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "unseen input toy of answers"), list[made_up.Row]()
    filler = nonsense(rng, 40).split(" ")
    for i in range(240):
        text = " ".join([*rng.choice(filler, 6).tolist(), "Sir", nonsense(rng, 1), *rng.choice(filler, 3).tolist()])
        second = "who is it" if task == "qa" else None
        split = "train" if i < 120 else "test"
        rows.append({"id": str(i), "split": split, "text": text, "second": second, "label": _answer(task, text)})
    data = made_up.answer_rows(task, rows, () if task == "qa" else ("X",))

    def honest(text: Text) -> made_up.Said:
        return _answer(task, _text(text)), 0.9

    def cheat(text: Text) -> made_up.Said:
        return _answer(task, "Sir " + _text(text), shift=1), 0.99

    return AnswerToys(
        made_up.toy(data, honest), made_up.toy(data, cheat), f"{'claimed' if task == 'ner' else 'answered'}_random_words"
    )


def _answer(task: str, text: str, *, shift: int = 0) -> str:
    found = text.split(" ")
    at = next((at for at in range(1, len(found)) if found[at - 1] == "Sir"), -1)
    if task == "ner":
        return " ".join("B-X" if place == at else "O" for place in range(shift, len(found)))
    if task == "multilabel":
        return made_up.names_in(["X"] if at > 0 else [])
    return made_up.span(found[at] if at > 0 else "")


part = AnswerPart(run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel", "qa")})
