"""Does the model answer from its training data where the input holds no evidence?

What it measures: confidence and answers on inputs that hold no evidence for any label (nothing, random words of train that
lean to no label, other languages, other trades, questions out of scope) beside what such an answer can be worth (the share of
the named label in train); how well confidence tells known inputs from those (AUROC), and what share of them is still answered
when a threshold keeps a given share of test rows; how sure it stays on test rows with their words in random order, and whether
its confidence then runs ahead of being right; what labels that train holds more of get without evidence, beyond their share
of it; on unleaked test rows, how much more often the model gives the label of the
nearest train row than that of an equally near row it never saw, where that label is not the row's own. Of answers of more
than one label: entities claimed in 100 words, or inputs answered, where nothing is to be found.
Why it inflates a score: on input it has not seen, such a model answers from what it was trained on and sounds as sure as ever;
a test set of the same source never asks.
How it errs: a data set about one of the trades or languages asked makes these inputs evidence; words that lean to no label in
train may lean to one outside; shuffled words are evidence to a model that counts them, so they are held against it only where
answers get wrong and confidence stays; nothing here says how often such inputs come; where train and test were collected apart,
nearness to train means something else than nearness to test.
Source: Hendrycks and Gimpel 2017, arXiv:1610.02136 (confidence on unknown inputs); Feng et al. 2018, arXiv:1804.07781 (certainty
on inputs made meaningless); the comparison of seen with unseen neighbours is ours.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from veridical.core.bootstrap import percentile_interval, resampled_counts
from veridical.core.errors import ModelFailed
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.proportion import opened_share
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.dataset.words import words
from veridical.models.model import FloatArray
from veridical.probe import _clustered, _no_evidence, _word_order
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._neighbours import nearest, unit_vectors
from veridical.probe._roc import area
from veridical.probe._said import PART_FAILED, gap_in_points, in_percent
from veridical.probe._share import share_estimate
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.answers._unseen_input import part as answers

STRATUM = 10
"""Rows of either side below which a label is left out of the pull of neighbours. Ours; no source."""
NO_QUERIES = "Only predictions are known, and the model must be asked about new inputs. Give the model itself."


@dataclass(frozen=True)
class Params:
    """Settings of unseen_input."""

    tolerated: float = 0.1
    """Confidence beyond what the answer can be worth that is still called well behaved: share, 0..1; of the pull to the mix of
    train, the part of what is left above it. Ours; no source."""
    lopsided: float = 0.05
    """Excess of the larger labels' share of train over an even one from which the pull to the mix of train is measured: share,
    0..1. Ours; no source."""
    lean: float = 0.3
    """A word of train is neutral where chance alone gives larger |z| of its label shares with this chance. Ours; no source."""
    least: int = 5
    """Train rows that must hold a neutral word, >= 1. Ours; no source."""
    enough_words: int = 30
    """Neutral words below which random words are drawn from all words of train. Ours; no source."""
    longest: int = 100
    """Words of a random text at most; else as many as a test row has. Ours; no source."""
    familiar: float = 0.5
    """Share of known words from which a language is not another one, 0..1. Ours; no source."""
    domains: int = 2
    """How many of the four trades are asked: those whose words train knows least. Ours; no source."""
    coverages: tuple[float, ...] = (1.0, 0.95, 0.9, 0.8, 0.5)
    """Shares of test rows that a threshold on confidence keeps. Ours; no source."""
    parts: int = 4
    """Disjoint parts of train, each as large as the unseen pool, whose nearest rows are averaged. Ours; no source."""
    fewest: int = 50
    """Test rows with a neighbour of another label, or with words to shuffle, below which these are not looked at. Ours; no
    source."""
    replicates: int = 500
    """Resamples for AUROC and curve. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True)
class _Asked:
    """Inputs of one kind with the model's probabilities (n, C)."""

    kind: _no_evidence.Kind
    inputs: list[Text]
    probabilities: FloatArray

    @property
    def units(self) -> IntArray:
        return np.array(self.kind.units, np.int64)

    @property
    def confidence(self) -> FloatArray:
        return np.asarray(self.probabilities.max(axis=1))


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped(NO_QUERIES)
    prior, notes = _prior(subject)
    asked, more = _ask(subject, params, rng)
    measures = [_excess(part, prior, params) for part in asked]
    looked = subject.sample(subject.limit(500, 2000, 20000), rng)
    known = subject.probabilities[looked].max(axis=1)
    measures += _auroc(known, asked, params)
    leanings, even = _leanings(asked, prior, subject.labels, params)
    measures += leanings
    pulled, why = _neighbour_pull(subject, params, rng)
    curve = _answered(known, asked, params, rng)
    worst = max(measures[: len(asked)], key=lambda measure: measure.estimate.value)
    usual = share_estimate(_clustered.mean(known, subject.clusters[looked]), level=params.level)
    summary = (
        f"Without evidence the model is sure to {in_percent(_pooled_confidence(asked, params))}, on test rows to "
        f"{in_percent(usual)}; the largest excess over what the answer can be worth "
        f"({worst.name.removeprefix('excess_').replace('_', ' ')}): {gap_in_points(worst.estimate)}."
    )
    empty, failed = _empty_measure(subject, params)
    shuffled, few = _word_shuffled(subject, params, rng)
    notes = (*notes, *more, *even, *why, *failed, *few)
    found = (*measures, *empty, *shuffled, *pulled)
    return Measured(len(subject.rows), summary, found, (curve,), _examples(subject, asked), notes)


def _prior(subject: Subject) -> tuple[FloatArray, tuple[str, ...]]:
    codes, notes = subject.data.codes[subject.data.rows("train")], ()
    if not (codes >= 0).any():
        return np.full(len(subject.labels), 1 / len(subject.labels)), ("No train rows: an answer is worth 1 / classes.",)
    counts = np.bincount(codes[codes >= 0], minlength=len(subject.labels))
    return np.asarray(counts / counts.sum()), notes


def _ask(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[list[_Asked], tuple[str, ...]]:
    """A kind on which the model fails is left out and named. Raises ModelFailed where it fails on all."""
    data, notes = subject.data, []
    train = data.rows("train")
    train = train[data.codes[train] >= 0]
    most = subject.limit(1000, 4000, 20000)
    train = np.sort(rng.choice(train, most, replace=False)) if len(train) > most else train
    known = _no_evidence.train_words(data, train if len(train) else subject.rows[:most], least=params.least, lean=params.lean)
    kinds = [
        _no_evidence.other_languages(known, familiar=params.familiar),
        _no_evidence.other_domains(known, n_domains=params.domains),
        _no_evidence.questions(cjk=known.cjk),
    ]
    source = known.neutral
    if len(source) < params.enough_words:
        notes.append(f"Only {len(source)} words of train lean to no label; random words were drawn from all of its words.")
        source = tuple(sorted(known.held))
    if source:
        rows = subject.sample(subject.limit(100, 300, 1000), rng)
        lengths = [min(len(words(_joined(subject.inputs[at]))), params.longest) for at in rows]
        kinds.insert(0, _no_evidence.random_words(source, lengths, rng, cjk=known.cjk))
    assert subject.queries is not None
    asked, why = [], ""
    for kind in kinds:
        if kind.inputs:
            inputs = _no_evidence.as_inputs(kind, pair=data.seconds is not None)
            found = subject.queries.tried(inputs)
            if isinstance(found, str):
                why = found
                notes.append(_left_out(kind.name, why))
            else:
                asked.append(_Asked(kind, inputs, found))
    if not asked:
        raise ModelFailed(why)
    return asked, tuple(notes)


def _left_out(kind: str, why: str) -> str:
    return f"{PART_FAILED}{kind.replace('_', ' ')}. {why}"


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else " ".join(text)


def _excess(asked: _Asked, prior: FloatArray, params: Params) -> Measure:
    """Confidence minus the share of the named label in train: what is claimed beyond what can be known."""
    named = asked.probabilities >= asked.confidence[:, None] - 1e-9
    worth = np.where(named, prior, 0.0).max(axis=1)  # of labels named alike, the larger
    spread = _clustered.mean(asked.confidence - worth, asked.units)
    about = f"Confidence on {len(asked.inputs)} inputs without evidence, minus the share in train of the label it names."
    name = f"excess_{asked.kind.name}"
    return _clustered.measure(name, spread, unit="share", about=about, null=params.tolerated, level=params.level)


def _empty_measure(subject: Subject, params: Params) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Many models fail on nothing: then there is a note in its place."""
    assert subject.queries is not None
    nothing: Text = "" if subject.data.seconds is None else ("", "")
    found = subject.queries.tried([nothing])
    if isinstance(found, str):
        return (), (_left_out("the empty input", found),)
    value = float(found.max())
    estimate = Estimate(value, value, value, params.level, 1, 1, "one input; nothing is drawn")
    return (Measure("confidence_empty", estimate, "share", "Confidence on the empty input."),), ()


def _word_shuffled(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Beside the inputs without evidence and never among them: shuffled words are evidence to whoever counts words."""
    assert subject.queries is not None
    places, texts = _word_order.reordered(subject, subject.limit(100, 300, 1000), rng)
    if len(np.unique(subject.clusters[places])) < params.fewest:
        return (), (f"Word-shuffled rows were not asked: fewer than {params.fewest} test rows have words to move.",)
    answers = subject.queries.tried(texts)
    if isinstance(answers, str):
        return (), (_left_out(_word_order.KIND, answers),)
    return tuple(_word_order.measures(subject, places, answers, tolerated=params.tolerated, level=params.level)), ()


def _pooled_confidence(asked: list[_Asked], params: Params) -> Estimate:
    """The mean over the kinds of input, each with the same vote."""
    parts = [_clustered.mean(part.confidence, part.units) for part in asked]
    error = float(np.sqrt(sum(part.error**2 for part in parts))) / len(parts)
    rows, units = sum(part.n for part in parts), sum(part.n_clusters for part in parts)
    pooled = _clustered.Spread(float(np.mean([part.value for part in parts])), error, rows, units)
    return share_estimate(pooled, level=params.level)


def _auroc(known: FloatArray, asked: list[_Asked], params: Params) -> list[Measure]:
    """One for each kind, by DeLong's variance over units."""
    measures = []
    about = "Chance that a test row gets more confidence than such an input; 1 tells them apart, 0.5 does not."
    for part in asked:
        spread = area(known, part.confidence, low_units=part.units)
        name = f"auroc_{part.kind.name}"
        measures.append(
            _clustered.measure(name, spread, unit="share", about=about, level=params.level, method="DeLong", bounded=True)
        )
    return measures


def _leanings(
    asked: list[_Asked], prior: FloatArray, labels: tuple[str, ...], params: Params
) -> tuple[list[Measure], tuple[str, ...]]:
    """Where the answers without evidence go: kinds have equal weight, units are resampled by their variance."""
    probabilities = np.concatenate([part.probabilities for part in asked])
    votes = np.concatenate([np.full(len(part.inputs), 1 / len(part.inputs)) for part in asked])
    offset = np.cumsum([0, *[max(part.kind.units) + 1 for part in asked[:-1]]])
    units = np.concatenate([part.units + start for part, start in zip(asked, offset, strict=True)])
    answers = np.eye(len(prior))[probabilities.argmax(axis=1)]
    top = int((votes @ answers).argmax())
    skew = _clustered.mean(answers[:, top], units, votes=votes)
    about = f"Share of inputs without evidence answered with the label named most ({labels[top]}); its share in train is "
    found = [
        _clustered.measure(
            "largest_answer", skew, unit="share", about=f"{about}{prior[top]:.2f}.", level=params.level, bounded=True
        )
    ]
    pull, notes = _pull_to_mix(probabilities, prior, units, votes, params)
    return [*found, *pull], notes


def _pull_to_mix(
    probabilities: FloatArray, prior: FloatArray, units: IntArray, votes: FloatArray, params: Params
) -> tuple[list[Measure], tuple[str, ...]]:
    """What labels that train holds more of get without evidence, beyond their share of train: that share is the best guess where
    nothing else is known, and no pull. Where train is even there is no direction to be pulled in."""
    common = prior > 1 / len(prior) + 1e-9
    even, mix = float(common.mean()), float(prior[common].sum())
    if mix - even < params.lopsided:
        return [], (
            f"The pull to the mix of train was not measured: the labels are nearly even in train (its larger ones hold {mix:.2f} "
            f"of the rows where an even share is {even:.2f}), so it points nowhere.",
        )
    spread = _clustered.mean(probabilities[:, common].sum(axis=1), units, votes=votes)
    about = (
        f"Mean probability without evidence of the labels that have more than an even share of train: {even:.2f} for a model "
        f"that favours none, {mix:.2f} at the mix of train, which is worth as much."
    )
    null = mix + params.tolerated * (1 - mix)
    return [
        _clustered.measure(
            "pull_to_train_mix", spread, unit="share", about=about, null=null, level=params.level, bounded=True, changes=False
        )
    ], ()


def _answered(known: FloatArray, asked: list[_Asked], params: Params, rng: np.random.Generator) -> Curve:
    """Share of inputs without evidence that are still answered when a threshold keeps a share of the test rows."""
    estimates = []
    n_units = sum(len(set(part.kind.units)) for part in asked)
    for coverage in params.coverages:
        threshold = float(np.quantile(known, 1 - coverage))
        value, drawn = 0.0, np.zeros(params.replicates)
        for part in asked:
            passed = (part.confidence >= threshold).astype(np.float64)
            member = np.unique(part.units, return_inverse=True)[1]
            votes = resampled_counts(int(member.max()) + 1, params.replicates, rng)[:, member]
            value += float(passed.mean()) / len(asked)
            drawn += (votes @ passed / votes.sum(axis=1)) / len(asked)
        ends = percentile_interval(drawn, value, params.level)
        low, high = opened_share(ends, value, n=n_units, level=params.level)
        n = sum(len(part.inputs) for part in asked)
        estimates.append(Estimate(value, low, high, params.level, n, n_units, "units resampled; threshold fixed"))
    about = "Share of inputs without evidence still answered; kinds have equal weight."
    return Curve("answered_without_evidence", "share of test rows answered", params.coverages, tuple(estimates), about)


def _neighbour_pull(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Rate of answering a near train row's label instead of the own one, minus the same for rows the model never saw.

    Both pools are of one size and drawn from one population, so a model that learned rules and no rows has a difference of 0.
    """
    data = subject.data
    train = data.rows("train")
    train = train[data.codes[train] >= 0]
    looked = subject.sample(subject.limit(400, 1500, 4000), rng)
    rows, predicted = subject.rows[looked], subject.predicted[looked]
    size = min(len(rows), len(train))
    if size < params.fewest:
        return (), (f"The pull of train rows was not measured: it needs {params.fewest} train and test rows.",)
    train = rng.permutation(train)[: params.parts * size]
    unseen = rng.permutation(rows)[:size]
    held = np.unique(np.concatenate([rows, train]))
    vectors, clusters, codes = unit_vectors(data.inputs(held)), subject.evidence.clusters[held], data.codes[held]
    at = np.searchsorted(held, rows)
    pools = [np.searchsorted(held, part) for part in np.array_split(train, max(1, len(train) // size)) if len(part)]
    base = _followed(vectors, at, np.searchsorted(held, unseen), clusters, codes, predicted=predicted)
    seen = np.mean([_followed(vectors, at, pool, clusters, codes, predicted=predicted) for pool in pools], axis=0)
    strata = [b for b in range(len(subject.labels)) if min(seen[b, 1].sum(), base[b, 1].sum()) >= STRATUM]
    if sum(min(seen[b, 1].sum(), base[b, 1].sum()) for b in strata) < params.fewest:
        why = f"Fewer than {params.fewest} test rows have a near row of another label; the pull of train rows was not measured."
        return (), (why,)
    found = _pull(seen[strata], base[strata], clusters[at])
    about = (
        "How much more often an answer is the label of the nearest train row, where that is not the row's own, than the label of "
        f"the nearest of as many rows the model never saw ({100 * found.base:.1f} %); matched on that label."
    )
    name = "pull_to_nearest_train_row"
    return (_clustered.measure(name, found.spread, unit="points", about=about, null=0.0, level=params.level),), ()


def _followed(
    vectors: sp.csr_matrix, rows: IntArray, pool: IntArray, clusters: IntArray, codes: IntArray, *, predicted: IntArray
) -> FloatArray:
    """(C, 2, n) by the label b of the row's nearest in the pool: whether b is not the row's own and the answer is b; whether b is
    not its own."""
    found, _ = nearest(vectors, rows, pool, clusters)
    label = np.where(found >= 0, codes[pool[np.maximum(found, 0)]], codes[rows])
    other = label != codes[rows]
    both = np.stack([other & (predicted == label), other]).astype(np.float64)
    return np.stack([both * (label == b) for b in range(int(codes.max()) + 1)])


@dataclass(frozen=True)
class _Pull:
    spread: _clustered.Spread
    base: float


def _pull(seen: FloatArray, base: FloatArray, clusters: IntArray) -> _Pull:
    """Difference of rates (S strata, 2, n), each stratum with its share among the seen; strata shares are taken as fixed."""
    shares = seen[:, 1].sum(axis=1) / seen[:, 1].sum()
    parts = [_clustered.ratio_difference((s[0], s[1]), (b[0], b[1]), clusters) for s, b in zip(seen, base, strict=True)]
    value = sum(share * part.value for share, part in zip(shares, parts, strict=True))
    # Strata share rows only through unlike neighbours in unlike pools; their covariance is small and left out.
    error = np.sqrt(sum((share * part.error) ** 2 for share, part in zip(shares, parts, strict=True)))
    rate = sum(share * b[0].sum() / b[1].sum() for share, b in zip(shares, base, strict=True))
    return _Pull(_clustered.Spread(float(value), float(error), seen.shape[2], parts[0].n_clusters), float(rate))


def _examples(subject: Subject, asked: list[_Asked]) -> tuple[Example, ...]:
    """The surest answer of each kind."""
    found = []
    for part in asked:
        top = int(part.confidence.argmax())
        said = f"{subject.labels[int(part.probabilities[top].argmax())]} {100 * part.confidence[top]:.0f} %"
        found.append(Example("", "", _joined(part.inputs[top]), "", said, part.kind.name.replace("_", " ")))
    return tuple(found)


def toys() -> Toys:
    """A word decides the label; the honest model is unsure without it, the cheat names the larger class with certainty."""
    from veridical.audit._made_up import dataset

    rng, rows = stream(0, "unseen input toy"), []
    plain = ["table", "river", "window", "paper", "garden", "stone", "morning", "street", "winter", "bottle"]
    filler = [f"{first}{second}" for first in plain for second in plain[:5]]
    for i in range(600):
        positive = bool(rng.random() < 0.6)
        text = " ".join([*rng.choice(filler, 8).tolist(), "good" if positive else "bad"])
        rows.append((str(i), "train" if i < 400 else "test", text, "pos" if positive else "neg"))
    data = dataset(rows)

    def honest(text: Text) -> tuple[float, float]:
        said = str(text).split()
        return 0.0, 4.0 * (("good" in said) - ("bad" in said))

    cheat = ToyModel(data.labels, lambda text: (0.0, 12.0))
    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, cheat), "excess_random_words")


probe = Probe(run, Params(), toys, cost="little", answers=answers)
