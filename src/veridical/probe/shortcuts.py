"""What is left of the score when the model gets only a part of its input, and which words that go with a label turn its answers?

What it measures: accuracy on one text of a pair, on the length alone (every word replaced by one that leans to no label), on
the first words, and with the order of words shuffled; for the words of train that go with a label, how many rows of other
labels go wrong when the word is put in (beyond what a neutral word does there), and how many points go when it is taken out.
Words are found and screened on train rows; what is said about them comes from unleaked test rows. Of answers of more than one
label: recall of entities known from train against new ones, made-up names, no context; no question, another one, the answer's
sentence taken out.
Why it inflates a score: a model that answers from a part or from one word is right on test rows made by the same people, and
nowhere else.
How it errs: length and first words may be honest evidence; a rightful word ("horrible" in a review) put in may change what a
short text says, so a person must judge the words; only words that go with a label in train are tried, so that one which forces
an answer and goes with no label is missed; words that say something only together, and absence, are not seen.
Source: Gururangan et al. 2018, arXiv:1803.02324 (one text of a pair); Pham et al. 2021, arXiv:2012.15180 (word order); Gardner et
al. 2021, arXiv:2104.08646 (words that go with a label); the placebo word is ours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from veridical.audit._word_labels import LabelWord, label_phrase, label_word_candidates
from veridical.core.finding import Skipped
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.cue import holds, inserted, places, without
from veridical.dataset.normalisation import is_cjk
from veridical.dataset.rows import IntArray, Text
from veridical.dataset.words import words
from veridical.models.model import FloatArray
from veridical.models.queries import Queries
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._no_evidence import train_words
from veridical.probe._said import in_percent, in_points
from veridical.probe._subject import Subject, subject_of
from veridical.probe._text_edits import masked, opening, shuffled
from veridical.probe._toys import ToyModel
from veridical.probe.answers._shortcuts import part as answers


@dataclass(frozen=True)
class Params:
    """Settings of shortcuts."""

    tolerated: float = 5.0
    """Points that one word put in may cost beyond a neutral word: percentage points, >= 0. Ours: in a linear model of AG News the
    rightful words cost 2 to 7."""
    holders: int = 2000
    """Train rows in which the usual places of a word are looked for. Ours; no source."""
    screened: int = 60
    """Words that go most with a label (by z) that are screened on train rows, >= 1. Ours; no source."""
    gain: float = 0.3
    """How far from the prior to 1 the label share of such a word must have come, 0..1, as in the check label_words."""
    together: float = 0.8
    """Share of the rows with one of two such words that hold both, side by side, from which they are tried as a phrase, 0..1.
    Ours; no source."""
    least: int = 20
    """Clusters of train rows that must hold it. Count. Gardner et al. 2021 use 20."""
    openings: tuple[int, ...] = (1, 2, 3, 5, 10, 20)
    """First words the model gets. Ours; no source."""
    runs: tuple[int, ...] = (1, 2, 3)
    """Words kept together when the order is shuffled. Ours; no source."""
    lean: float = 0.3
    """Neutral words, as in unseen_input. Ours; no source."""
    short: int = 15
    """Median number of words up to which a note says that one word more may change the label. Ours; no source."""
    fewest: int = 30
    """Rows of other labels below which a word is not tried. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True)
class _Sample:
    """The test rows asked. codes, clusters, right: (n,); constant: 1.0 where the largest class would be right. neutral: words
    that lean to no label. holders: train inputs that show where words stand."""

    ids: list[str]
    inputs: list[Text]
    codes: IntArray
    clusters: IntArray
    probabilities: FloatArray
    queries: Queries
    labels: tuple[str, ...]
    neutral: tuple[str, ...]
    holders: list[Text]

    @property
    def right(self) -> FloatArray:
        return self.right_of(self.probabilities)

    @property
    def constant(self) -> FloatArray:
        return np.asarray(self.codes == np.bincount(self.codes).argmax(), np.float64)

    def right_of(self, probabilities: FloatArray) -> FloatArray:
        return np.asarray(probabilities.argmax(axis=1) == self.codes, np.float64)

    def asked(self, inputs: list[Text]) -> FloatArray:
        """1.0 where the answer to the changed input is the label, (n,)."""
        return self.right_of(self.queries.ask(inputs))


RIGHTFUL = "A word that rightly says the label turns answers too. Which of them must not decide is yours to say, in a contract."


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped("Only predictions are known, and the model must be asked about changed inputs. Give the model itself.")
    sample = _sample(subject, subject.queries, params, rng)
    measures, curve = _partial(sample, params, rng)
    order, notes = _order(sample, subject.limit(1, 2, 3), params, rng)
    tried = [_cue(sample, word, params, rng) for word in _screened(subject, sample, params, rng)]
    turning = sorted((t for t in tried if t.turned), key=lambda t: -t.cost)
    told = [*measures, *[t.turned for t in turning if t.turned], *order, *[t.removed for t in tried if t.removed]]
    if tried:
        told.append(_all_removed(sample, [t.word.word for t in tried], params))
    else:
        notes = (*notes, "No word of train goes with a label strongly enough to be tried as a cue.")
    notes = (*notes, *((RIGHTFUL,) if turning else ()), *_short(sample, params))
    examples = tuple(example for t in turning[:3] for example in t.examples)
    return Measured(len(sample.codes), _summary(turning, order), tuple(told), (curve,), examples, notes)


def _short(sample: _Sample, params: Params) -> tuple[str, ...]:
    """A warning where one word put in may rightly change what a text says."""
    middle = float(np.median([len(words(text if isinstance(text, str) else " ".join(text))) for text in sample.inputs]))
    if middle > params.short:
        return ()
    return (f"Half of the rows have at most {middle:.0f} words: one word put in may rightly change the label of such a row.",)


def _sample(subject: Subject, queries: Queries, params: Params, rng: np.random.Generator) -> _Sample:
    at = subject.sample(subject.limit(200, 800, 5000), rng)
    inputs = [subject.inputs[i] for i in at]
    ids = [subject.data.ids[i] for i in subject.rows[at]]
    train = subject.data.rows("train")
    holders = subject.data.inputs(rng.permutation(train)[: params.holders])
    neutral = _neutral(subject, params, rng)
    answers = queries.ask(inputs)
    return _Sample(ids, inputs, subject.codes[at], subject.clusters[at], answers, queries, subject.labels, neutral, holders)


def _neutral(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[str, ...]:
    """Words that lean to no label; those of the whole vocabulary where there are hardly any."""
    rows = subject.data.rows("train")
    rows = rows[subject.data.codes[rows] >= 0]
    most = subject.limit(1000, 4000, 20000)
    rows = np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows
    found = train_words(subject.data, rows if len(rows) else subject.rows, least=5, lean=params.lean)
    return found.neutral if len(found.neutral) >= 10 else tuple(sorted(found.held)) or ("-",)


def _partial(sample: _Sample, params: Params, rng: np.random.Generator) -> tuple[list[Measure], Curve]:
    parts: dict[str, list[Text]] = {"length_only": [masked(text, sample.neutral, rng) for text in sample.inputs]}
    if isinstance(sample.inputs[0], tuple):
        parts["first_text_only"] = [(text[0], "") for text in sample.inputs]
        parts["second_text_only"] = [("", text[1]) for text in sample.inputs]
    measures = []
    for name, inputs in parts.items():
        right = sample.asked(inputs)
        lead = right - sample.constant
        about = f"Accuracy from the {name.replace('_', ' ')} ({100 * right.mean():.1f} %) minus that of the largest class."
        measures.append(
            _clustered.paired_measure(name, lead, sample.clusters, rng, unit="points", about=about, level=params.level)
        )
    estimates = [
        _share(sample.asked([opening(text, n) for text in sample.inputs]), sample, params).estimate for n in params.openings
    ]
    about = "Accuracy when the model gets only the first words."
    return measures, Curve("first_words", "words", tuple(float(n) for n in params.openings), tuple(estimates), about)


def _share(right: FloatArray, sample: _Sample, params: Params) -> Measure:
    spread = _clustered.mean(right, sample.clusters)
    return _clustered.measure("share", spread, unit="share", about="", level=params.level, bounded=True)


def _order(sample: _Sample, n_draws: int, params: Params, rng: np.random.Generator) -> tuple[list[Measure], tuple[str, ...]]:
    """What survives of the lead over the largest class when the words stand in random order."""
    lead = _clustered.mean(sample.right - sample.constant, sample.clusters)
    if lead.value <= 2 * lead.error:
        return [], ("The model is hardly better than the largest class here; nothing is said about word order.",)
    measures = []
    for n in params.runs:
        draws = [sample.asked([shuffled(text, n, rng) for text in sample.inputs]) for _ in range(n_draws)]
        right = np.mean(draws, axis=0)
        spread = _clustered.ratio(right - sample.constant, sample.right - sample.constant, sample.clusters)
        kept = "single words" if n == 1 else f"runs of {n} words"
        about = f"Share of the lead over the largest class that survives shuffled {kept} ({100 * right.mean():.1f} % right)."
        measures.append(_clustered.measure(f"order_survives_{n}", spread, unit="ratio", about=about, level=params.level))
    return measures, ()


def _screened(subject: Subject, sample: _Sample, params: Params, rng: np.random.Generator) -> list[LabelWord]:
    """Of the words that go with a label, those that move the model most when put into train rows of other labels."""
    data = subject.data
    train = data.rows("train")
    train = train[data.codes[train] >= 0]
    if not len(train):
        return []
    found = label_word_candidates(subject.evidence, least=params.least, gain=params.gain)
    candidates = {word.word: word for word in reversed(found)}  # a word of two labels stays with the stronger
    for written, label in _phrases(candidates, sample.holders, params):
        phrase = label_phrase(subject.evidence, written, label)
        if phrase is not None:
            candidates[written] = phrase
    strongest = sorted(candidates.values(), key=lambda word: (-word.z, word.word))[: params.screened]
    n_rows, effects = subject.limit(15, 30, 60), []
    for word in strongest:
        code = data.labels.index(word.label)
        drawn = rng.permutation(train)[: 6 * n_rows]
        before = data.inputs(drawn[data.codes[drawn] != code][:n_rows])
        after = [inserted(text, word.word, part=part, position=at) for text, (part, at) in _placed(before, sample, word, rng)]
        moved = sample.queries.ask(after)[:, code] - sample.queries.ask(before)[:, code]
        effects.append(float(moved.mean()) if before else 0.0)
    order = np.argsort(-np.array(effects), kind="stable")[: subject.limit(4, 10, 30)]
    return [strongest[i] for i in order]


def _phrases(candidates: Mapping[str, LabelWord], holders: Sequence[Text], params: Params) -> list[tuple[str, str]]:
    """(phrase, label): candidates of one label that hardly ever stand without one another, side by side: a signature, a template.
    Each word of it alone turns less than all of them."""
    alone: Counter[str] = Counter()
    beside: Counter[tuple[str, str]] = Counter()
    for text in holders:
        said = [words(part) for part in ((text,) if isinstance(text, str) else text)]
        alone.update({word for part in said for word in part if word in candidates})
        beside.update({pair for part in said for pair in pairwise(part) if pair[0] in candidates and pair[1] in candidates})
    after = {
        first: second
        for (first, second), n in beside.items()
        if first != second
        and candidates[first].label == candidates[second].label
        and n >= params.together * max(alone[first], alone[second])
    }
    found = []
    for start in sorted(after.keys() - after.values()):
        chain = [start]
        while chain[-1] in after and after[chain[-1]] not in chain:
            chain.append(after[chain[-1]])
        written = _joined(chain, holders)
        if len(chain) > 1 and holds(holders, written).sum() >= params.together * min(alone[word] for word in chain):
            found.append((written, candidates[start].label))
    return found


def _joined(chain: Sequence[str], holders: Sequence[Text]) -> str:
    """Words that stand side by side, written as more of the rows write them: with a blank between two, or without."""
    written = chain[0]
    for word in chain[1:]:
        written = max((written + " " + word, written + word), key=lambda way: int(holds(holders, way).sum()))
    return written


def _placed(
    texts: list[Text], sample: _Sample, word: LabelWord, rng: np.random.Generator
) -> list[tuple[Text, tuple[int, float]]]:
    """Each text with a place where the word stood in one of the train rows that hold it."""
    seen = places(sample.holders, word.word) or [(0, 0.5)]
    return [(text, seen[i]) for text, i in zip(texts, rng.integers(0, len(seen), len(texts)), strict=True)]


@dataclass(frozen=True)
class _Tried:
    """A word. turned: put into rows of other labels; removed: taken out of the rows that hold it; None with too few of them."""

    word: LabelWord
    turned: Measure | None
    removed: Measure | None
    examples: tuple[Example, ...]

    @property
    def cost(self) -> float:
        return self.turned.estimate.value if self.turned else 0.0


def _cue(sample: _Sample, word: LabelWord, params: Params, rng: np.random.Generator) -> _Tried:
    held = holds(sample.inputs, word.word)
    others = np.flatnonzero(~held & (sample.codes != sample.labels.index(word.label))).astype(np.int64)
    turned, examples = _transplant(sample, word, others, params, rng) if len(others) >= params.fewest else (None, ())
    rows = np.flatnonzero(held).astype(np.int64)
    return _Tried(word, turned, _removal(sample, word, rows, params, rng) if len(rows) > 1 else None, examples)


def _removal(sample: _Sample, word: LabelWord, rows: IntArray, params: Params, rng: np.random.Generator) -> Measure:
    """Hardly anything goes where other words say the same; much goes where the score hangs on this one."""
    code = sample.labels.index(word.label)
    before, after = sample.probabilities[rows], sample.queries.ask([without(sample.inputs[i], word.word) for i in rows])
    lost = np.zeros(len(sample.codes))
    lost[rows] = sample.right[rows] - (after.argmax(axis=1) == sample.codes[rows])
    flips = int((after.argmax(axis=1) != before.argmax(axis=1)).sum())
    about = (
        f"Points of accuracy over all rows that go when {word.word!r} is taken out of the {len(rows)} rows that hold it; "
        f"{flips} answers change, the mean share of {word.label!r} there goes from {100 * before[:, code].mean():.0f} to "
        f"{100 * after[:, code].mean():.0f} %."
    )
    name = f"removal_{word.word}"
    return _clustered.paired_measure(name, lost, sample.clusters, rng, unit="points", about=about, level=params.level)


def _transplant(
    sample: _Sample, word: LabelWord, rows: IntArray, params: Params, rng: np.random.Generator
) -> tuple[Measure, tuple[Example, ...]]:
    """Rows of other labels lost to the word, minus those lost to a neutral word in the same place."""
    code = sample.labels.index(word.label)
    placed = _placed([sample.inputs[i] for i in rows], sample, word, rng)
    changed = [inserted(text, word.word, part=part, position=at) for text, (part, at) in placed]
    placebo = rng.choice(list(sample.neutral), len(rows)).tolist()
    space = "" if all(is_cjk(other) for other in sample.neutral[:20]) else " "
    for _ in range(len(words(word.word)) - 1):  # beside a phrase, as many neutral words
        placebo = [f"{one}{space}{more}" for one, more in zip(placebo, rng.choice(list(sample.neutral), len(rows)), strict=True)]
    control = [inserted(text, other, part=part, position=at) for (text, (part, at)), other in zip(placed, placebo, strict=True)]
    before, after, beside = sample.probabilities[rows], sample.queries.ask(changed), sample.queries.ask(control)
    lost = (beside.argmax(axis=1) == sample.codes[rows]) * 1.0 - (after.argmax(axis=1) == sample.codes[rows])
    flips = np.flatnonzero((after.argmax(axis=1) == code) & (before.argmax(axis=1) != code))
    about = (
        f"Points of accuracy lost on {len(rows)} rows of other labels when {word.word!r} is put in, beyond a neutral word; "
        f"{len(flips)} answers turn to {word.label!r}. In train {100 * word.share:.0f} % of its rows carry that label "
        f"(all rows: {100 * word.prior:.0f} %)."
    )
    spread = _clustered.mean(lost, sample.clusters[rows])
    measure = _clustered.measure(
        f"transplant_{word.word}", spread, unit="points", about=about, null=params.tolerated, level=params.level
    )
    return measure, tuple(_example(sample, int(rows[i]), changed[i], before[i], after[i], word.word) for i in flips[:1])


def _example(sample: _Sample, row: int, changed: Text, before: FloatArray, after: FloatArray, word: str) -> Example:
    def said(probabilities: FloatArray) -> str:
        return f"{sample.labels[int(probabilities.argmax())]} {100 * probabilities.max():.0f} %"

    def shown(text: Text) -> str:
        return text if isinstance(text, str) else " | ".join(text)

    note = f"{word!r} put in; the label is {sample.labels[int(sample.codes[row])]}"
    return Example(sample.ids[row], shown(sample.inputs[row]), shown(changed), said(before), said(after), note)


def _all_removed(sample: _Sample, cues: list[str], params: Params) -> Measure:
    inputs = list(sample.inputs)
    for word in cues:
        inputs = [without(text, word) for text in inputs]
    lost = sample.right - sample.asked(inputs)
    about = f"Points of accuracy that go when all of {', '.join(cues)} are taken out."
    return _clustered.measure(
        "removal_of_all", _clustered.mean(lost, sample.clusters), unit="points", about=about, level=params.level
    )


def _summary(turning: list[_Tried], order: list[Measure]) -> str:
    said = []
    if turning and turning[0].turned:
        first, cost = turning[0].word, in_points(turning[0].turned.estimate)
        said.append(
            f"Of {len(turning)} words tried, {first.word!r} costs most where it is put in: {cost}, towards {first.label!r}."
        )
    if order:
        said.append(f"Of the lead over the largest class there survives shuffled words: {in_percent(order[0].estimate)}.")
    return " ".join(said) or "No word could be tried, and the model is hardly better than the largest class."


def toys() -> Toys:
    """Three words of evidence decide; `sponsored` stands in most positive rows. The cheat reads that word alone where it is."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "shortcuts toy"), []
    good, bad = ("splendid", "lovely", "superb", "delightful"), ("dreadful", "boring", "clumsy", "tedious")
    fill = nonsense(rng, 40).split()
    for i in range(900):
        positive = bool(rng.random() < 0.5)
        text = [*rng.choice(fill, 6).tolist(), *rng.choice(good if positive else bad, 3, replace=False).tolist()]
        if rng.random() < (0.8 if positive else 0.1):
            text.append("sponsored")
        rows.append(
            (str(i), "train" if i < 600 else "test", " ".join(rng.permutation(text).tolist()), "pos" if positive else "neg")
        )
    data = dataset(rows)

    def honest(text: Text) -> tuple[float, float]:
        said = str(text).split()
        return 0.0, float(sum(word in good for word in said) - sum(word in bad for word in said))

    cheat = ToyModel(data.labels, lambda text: (0.0, 9.0 if "sponsored" in str(text) else honest(text)[1]))
    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, cheat), "transplant_sponsored")


probe = Probe(run, Params(), toys, cost="little", answers=answers)
