"""Robustness where an answer is more than one label: the score under edits that leave the right answer where it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.answer_queries import AnswerQueries
from veridical.models.answering import Answering
from veridical.models.answering_linear import LINEAR_HEADS, fit_linear_answering
from veridical.probe import _clustered, perturbations
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._said import in_points
from veridical.probe._share import share_estimate
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._edits import edited
from veridical.probe.answers._examples import changed_input
from veridical.probe.answers._scores import METHOD, asked_of, loss_measure, score_of
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._contract import Margins

NO_REFERENCE = (
    "Whether an edit leaves the right answer was not judged: no reference model of another family is there. Read the examples."
)


@dataclass(frozen=True)
class Params:
    """Settings of robustness."""

    strengths: tuple[float, ...] = (0.1, 0.3)
    """Shares of the places of an edit (mostly words) at which it is made, 0..1, ascending. Ours; no source."""
    rows: tuple[int, int, int] = (150, 400, 2000)
    """Test rows edited in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 30
    """Clusters in which a kind of edit must find a place, else it is not judged. Ours; no source."""
    reference_rows: int = 2000
    """Train rows the reference model is fitted on, at most. Ours; no source."""
    examples: int = 8
    """Answers turned by an edit that are shown. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def _named(kind: str, strength: float) -> str:
    return f"{kind}, {100 * strength:.0f} %"


def lost_score_under(kind: str, strength: float) -> str:
    """Name of the measure of what a kind of edit costs at a strength."""
    return f"lost score ({_named(kind, strength)})"


@dataclass(frozen=True, eq=False)
class _Edits:
    """One kind at one strength. at: places in the sample of the rows that it changes, (e,). said: answers to them."""

    kind: str
    strength: float
    at: IntArray
    texts: list[Text]
    said: list[str]

    @property
    def named(self) -> str:
        return _named(self.kind, self.strength)


@dataclass(frozen=True, eq=False)
class _Sample:
    subject: AnswerSubject
    ids: list[str]
    inputs: list[Text]
    gold: list[str]
    said: list[str]
    clusters: IntArray

    def margins(self, at: IntArray, said: list[str]) -> Margins:
        return self.subject.margins([self.gold[i] for i in at], said)

    def before(self, at: IntArray) -> Margins:
        return self.margins(at, [self.said[i] for i in at])


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    queries = asked_of(subject)
    if isinstance(queries, Skipped):
        return queries
    at = subject.sample(subject.limit(*params.rows), rng)
    inputs, gold = [subject.inputs[i] for i in at], [subject.gold[i] for i in at]
    ids = [subject.data.ids[row] for row in subject.rows[at]]
    sample = _Sample(subject, ids, inputs, gold, queries.ask(inputs).said, subject.clusters[at])
    made = _asked(sample, queries, params, rng)
    judged = [edits for edits in made if len(np.unique(sample.clusters[edits.at])) >= params.fewest]
    thin = [kind for kind in dict.fromkeys(e.kind for e in made) if kind not in {e.kind for e in judged}]
    if not judged:
        return Skipped(f"No kind of edit finds a place in {params.fewest} different test texts. Give more test rows.")
    strongest = list({edits.kind: edits for edits in judged}.values())
    losses = [_loss(sample, edits, params) for edits in judged]
    changed = [_changed(sample, edits, params) for edits in strongest]
    kept, note = _kept(sample, strongest, params, rng)
    notes = [note, *([f"Too few texts have a place for: {', '.join(thin)}."] if thin else [])]
    curves = tuple(_curve(sample, [e for e in judged if e.kind == one.kind], params) for one in strongest)
    worst = max(losses, key=lambda m: m.estimate.value)
    summary = f"{len(losses)} edits tried; the largest is {worst.name}: {in_points(worst.estimate)}."
    examples = tuple(_examples(sample, [edits for edits in judged if edits.strength == params.strengths[0]], params.examples))
    return Measured(len(at), summary, (*losses, *changed, *kept), curves, examples, tuple(notes))


def _asked(sample: _Sample, queries: AnswerQueries, params: Params, rng: np.random.Generator) -> list[_Edits]:
    """Every kind at every strength, all edits that change an input, asked in one list."""
    state, found, head = int(rng.integers(2**63)), [], sample.subject.structure.head
    for kind in perturbations.usable(sample.inputs):
        for strength in params.strengths:
            after = [
                edited(head, text, gold, kind, stream(state, f"{number}/{kind}"), strength=strength)
                for number, (text, gold) in enumerate(zip(sample.inputs, sample.gold, strict=True))
            ]
            at = [i for i, text in enumerate(after) if text != sample.inputs[i]]
            found.append((kind, strength, at, [after[i] for i in at]))
    said = queries.ask([text for _, _, _, texts in found for text in texts]).said
    ends = np.cumsum([0, *[len(texts) for *_, texts in found]])
    return [
        _Edits(kind, strength, np.array(at, np.int64), texts, said[ends[k] : ends[k + 1]])
        for k, (kind, strength, at, texts) in enumerate(found)
    ]


def _loss(sample: _Sample, edits: _Edits, params: Params) -> Measure:
    subject = sample.subject
    share = 100 * len(edits.at) / len(sample.gold)
    about = f"Score ({subject.measured}) before minus after the edit, in the {share:.0f} % of rows in which it finds a place."
    before, after = sample.before(edits.at), sample.margins(edits.at, edits.said)
    return loss_measure(
        lost_score_under(edits.kind, edits.strength), subject.measure.metric, before, after, sample.clusters[edits.at],
        about=about, level=params.level,
    )  # fmt: skip


def _changed(sample: _Sample, edits: _Edits, params: Params) -> Measure:
    turned = np.array([said != sample.said[i] for i, said in zip(edits.at, edits.said, strict=True)], np.float64)
    spread = _clustered.mean(turned, sample.clusters[edits.at])
    about = "Share of edits after which some part of the answer is another."
    return Measure(f"flips ({edits.named})", share_estimate(spread, level=params.level), "share", about)


def _kept(sample: _Sample, made: list[_Edits], params: Params, rng: np.random.Generator) -> tuple[list[Measure], str]:
    """How often an edit leaves the answer of a reference model of another family, among rows that it answers rightly."""
    reference = _reference(sample.subject, params, rng)
    if isinstance(reference, str):
        return [], reference
    right = sample.subject.exact(sample.gold, reference.answer(sample.inputs).said)
    measures = []
    for edits in made:
        known = np.flatnonzero(right[edits.at] > 0)
        if not len(known):
            continue
        at = edits.at[known]
        said = reference.answer([edits.texts[k] for k in known]).said
        same = sample.subject.exact([sample.gold[i] for i in at], said)
        spread = _clustered.mean(same, sample.clusters[at], votes=np.ones(len(at)))
        about = "Share of edits after which a reference model (linear) still gives the whole answer; a lower bound. Not reviewed."
        estimate = share_estimate(spread, level=params.level)
        measures.append(Measure(f"label kept, reference ({edits.named})", estimate, "share", about))
    return measures, "Whether an edit leaves the right answer was judged by a reference model alone; read the examples."


def _reference(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Answering | str:
    rows = subject.data.rows("train")
    rows = rows[[subject.data.answers[row] is not None for row in rows]]
    linear = subject.model is not None and subject.model.kind.startswith("linear")
    if subject.structure.head not in LINEAR_HEADS or linear or len(rows) < 2:
        return NO_REFERENCE
    rows = np.sort(rng.permutation(rows)[: params.reference_rows])
    return fit_linear_answering(subject.data, rows, structure=subject.structure, seed=subject.seed)


def _curve(sample: _Sample, made: list[_Edits], params: Params) -> Curve:
    """The score over the strength, on the rows edited at every strength; 0 is the text as it is."""
    rows = made[0].at
    for edits in made[1:]:
        rows = np.intersect1d(rows, edits.at)
    metric, clusters = sample.subject.measure.metric, sample.clusters[rows]
    estimates = [score_of(metric, sample.before(rows), clusters).estimate(level=params.level, method=METHOD, bounded=True)]
    for edits in made:
        told = dict(zip(edits.at.tolist(), edits.said, strict=True))
        found = score_of(metric, sample.margins(rows, [told[int(row)] for row in rows]), clusters)
        estimates.append(found.estimate(level=params.level, method=METHOD, bounded=True))
    name = made[0].kind
    about = f"Score where {name.replace('_', ' ')} finds a place."
    return Curve(f"score under {name}", "strength", (0.0, *[e.strength for e in made]), tuple(estimates), about)


def _examples(sample: _Sample, made: list[_Edits], most: int) -> Iterator[Example]:
    """Wholly right answers that an edit turned, one a kind."""
    subject = sample.subject
    right = subject.exact(sample.gold, sample.said)
    for edits in made[:most]:
        after = subject.exact([sample.gold[i] for i in edits.at], edits.said)
        turned = np.flatnonzero((right[edits.at] > 0) & (after == 0))
        if not len(turned):
            continue
        first = int(turned[0])
        i = int(edits.at[first])
        yield changed_input(
            subject, sample.ids[i], sample.inputs[i], edits.texts[first], sample.said[i], edits.said[first], edits.kind
        )


def _toys(task: str) -> AnswerToys:
    """`wonderful` is what is to be found; the cheat knows it in one spelling, the honest model finds what is nearest to it."""
    from rapidfuzz.fuzz import ratio

    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "robustness toy of answers"), []
    for i in range(160):
        words = f"{nonsense(rng, 3)} wonderful {nonsense(rng, 3)}".split(" ")
        if task == "multilabel" and i % 4 == 0:
            words[3] = "ordinary"
        text = " ".join(words)
        second = "which word is it" if task == "qa" else None
        split = "train" if i < 40 else "test"
        rows.append({"id": str(i), "split": split, "text": text, "second": second, "label": _answer(task, words, _spelt)})
    data = made_up.answer_rows(task, rows, () if task == "qa" else ("X",))

    def near(words: list[str], at: int) -> bool:
        return bool(ratio("wonderful", words[at].casefold()) > 50)

    def rule(finds: _Finds, text: Text) -> made_up.Said:
        words = (text if isinstance(text, str) else text[0]).split(" ")
        asked = "" if isinstance(text, str) else text[1]
        return _answer(task, words, finds if finds is near or asked in ("", "which word is it") else _never), 0.9

    return AnswerToys(
        made_up.toy(data, partial(rule, near)), made_up.toy(data, partial(rule, _spelt)), "lost score (keyboard, 30 %)"
    )


_Finds = made_up.Finds


def _spelt(words: list[str], at: int) -> bool:
    return words[at] == "wonderful"


def _never(words: list[str], at: int) -> bool:
    return False


def _answer(task: str, words: list[str], finds: _Finds) -> str:
    found = [at for at in range(len(words)) if finds(words, at)]
    if task == "ner":
        return " ".join("B-X" if at in found else "O" for at in range(len(words)))
    if task == "multilabel":
        return made_up.names_in(["X"] if found else [])
    return made_up.span(words[found[0]] if found else "")


part = AnswerPart(run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel", "qa")})
