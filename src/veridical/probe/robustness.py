"""How many points go when the text is written a little differently?

What it measures: on unleaked test rows, accuracy under each kind of edit that a reader forgives (typing slips, scanning errors,
look-alike letters, case, marks, blanks, contractions, Chinese characters of the same shape or sound, synonyms, back-translation
where apertium is installed) at two strengths; the paired loss in points; answers that change; and how often such an edit keeps
the right label, by a reference model or by review. Edits that change the meaning (denial, numbers, names) stand apart: how many
answers change, and how often the label holds all the same. Of answers of more than one label: the score under edits that keep
words, entities and the right answer in their place.
Why it inflates a score: test rows are written as carefully as train rows; what arrives in use is not.
How it errs: an edit may change what the text says, so a loss counts only up to the share of labels that stay right; the
reference model reads characters too and may be thrown off by what a reader forgives, which makes its share a low one.
Source: Belinkov and Bisk 2018, arXiv:1711.02173 (typing noise); Ribeiro et al. 2020, arXiv:2005.04118 (label-preserving edits);
Wang et al. 2021, arXiv:2103.11441 (kinds of edit). Tables are ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from veridical.core.finding import Skipped
from veridical.core.paired_test import sign_flip_p
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.models.queries import Queries
from veridical.probe import _back_translation, _clustered, perturbations
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._edit_review import EditedText, kept_by_review
from veridical.probe._label_kept import kept_by_reference, reference_of
from veridical.probe._said import in_points
from veridical.probe._share import paired_estimate, share_estimate
from veridical.probe._subject import Subject
from veridical.probe._toys import one_spelling
from veridical.probe.answers._robustness import part as answers

BACK = "back_translation"


@dataclass(frozen=True)
class Params:
    """Settings of robustness."""

    strengths: tuple[float, ...] = (0.1, 0.3)
    """Shares of the places of an edit (mostly words) at which it is made, 0..1, ascending. Ours; no source."""
    rows: tuple[int, int, int] = (200, 600, 3000)
    """Test rows edited in a quick, standard and thorough look. Ours; no source."""
    draws: tuple[int, int, int] = (1, 2, 5)
    """Random edits of each row, kind and strength in a quick, standard and thorough look. Ours; no source."""
    fewest: int = 30
    """Clusters in which a kind of edit must find a place, else it is not judged. Ours; no source."""
    reference_rows: int = 5000
    """Train rows the reference model is fitted on, at most. Ours; no source."""
    examples: int = 8
    """Answers turned by an edit that are shown. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class Sample:
    """The rows asked. codes, clusters, right, said: (n,)."""

    subject: Subject
    places: IntArray
    inputs: list[Text]
    codes: IntArray
    clusters: IntArray
    said: IntArray

    @property
    def right(self) -> FloatArray:
        return np.asarray(self.said == self.codes, np.float64)


@dataclass(frozen=True, eq=False)
class Edits:
    """One kind at one strength. at: place in the sample of each edit (e,); texts: the edited inputs; said: answers (e,)."""

    kind: str
    strength: float
    at: IntArray
    texts: list[Text]
    said: IntArray


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    if subject.queries is None:
        return Skipped("Only predictions are known, and the model must be asked about edited texts. Give the model itself.")
    sample = sample_of(subject, subject.queries, params, rng)
    kinds, notes = _kinds(sample)
    made = asked(sample, subject.queries, (*kinds, *perturbations.LABEL_CHANGING), params, rng)
    judged, thin = _judged(sample, made, params)
    forgiven = [kind for kind in judged if kind not in perturbations.LABEL_CHANGING]
    if not forgiven:
        return Skipped(f"No kind of edit finds a place in {params.fewest} different test texts. Give more test rows.")
    losses = [_loss(sample, edits, params, rng) for kind in forgiven for edits in judged[kind]]
    flips = [_flips(sample, judged[kind][-1], params) for kind in judged]
    kept = _kept(sample, [judged[kind][-1] for kind in forgiven], params, rng)
    apart = _kept(sample, [judged[kind][-1] for kind in judged if kind not in forgiven], params, rng)
    if thin:
        notes.append(f"Too few texts have a place for: {', '.join(thin)}.")
    notes.append(_reading(kept))
    examples = tuple(_examples(sample, [judged[kind][0] for kind in forgiven], params.examples))
    curves = tuple(_curve(sample, judged[kind], params) for kind in forgiven)
    return Measured(len(sample.codes), _summary(losses), (*losses, *flips, *kept, *apart), curves, examples, tuple(notes))


def _judged(sample: Sample, made: list[Edits], params: Params) -> tuple[dict[str, list[Edits]], list[str]]:
    """(the edits of each kind that finds a place in enough clusters, the kinds that do not)."""
    judged, thin = dict[str, list[Edits]](), list[str]()
    for kind in dict.fromkeys(edits.kind for edits in made):
        own = [edits for edits in made if edits.kind == kind and len(edits.at)]
        if own and min(len(np.unique(sample.clusters[edits.at])) for edits in own) >= params.fewest:
            judged[kind] = own
        else:
            thin.append(kind)
    return judged, thin


def sample_of(subject: Subject, queries: Queries, params: Params, rng: np.random.Generator) -> Sample:
    places = subject.sample(subject.limit(*params.rows), rng)
    inputs = [subject.inputs[i] for i in places]
    said = queries.ask(inputs).argmax(axis=1).astype(np.int64)
    return Sample(subject, places, inputs, subject.codes[places], subject.clusters[places], said)


def _kinds(sample: Sample) -> tuple[tuple[str, ...], list[str]]:
    """The kinds of edit for these texts that lack nothing, and what the others lack."""
    usable = perturbations.usable(sample.inputs)
    lacking = [perturbations.missing(name, sample.inputs) for name in perturbations.NAMES]
    notes = [said for said in dict.fromkeys(lacking) if said]
    spoken = {perturbations.language(text if isinstance(text, str) else " ".join(text)) for text in sample.inputs}
    if "en" in spoken:
        said = _back_translation.missing()
        if said is None:
            return (*usable, BACK), notes
        notes.append(said)
    return usable, notes


def asked(sample: Sample, queries: Queries, kinds: tuple[str, ...], params: Params, rng: np.random.Generator) -> list[Edits]:
    """Every kind at every strength, all edits that change a text, asked in one list."""
    state, draws = int(rng.integers(2**63)), sample.subject.limit(*params.draws)
    found: list[tuple[str, float, list[int], list[Text]]] = []
    for kind in kinds:
        if kind == BACK:
            found.append((kind, 1.0, *_changed(sample, _back_translation.back_translated(sample.inputs))))
            continue
        for strength in params.strengths:
            at, texts = [], []
            for draw in range(draws):
                edited = [_edited(sample, i, kind, strength, draw, state) for i in range(len(sample.inputs))]
                places, changed = _changed(sample, edited)
                at += places
                texts += changed
            found.append((kind, strength, at, texts))
    answers = queries.ask([text for _, _, _, texts in found for text in texts]).argmax(axis=1).astype(np.int64)
    ends = np.cumsum([0, *[len(texts) for _, _, _, texts in found]])
    return [
        Edits(kind, strength, np.array(at, np.int64), texts, answers[ends[k] : ends[k + 1]])
        for k, (kind, strength, at, texts) in enumerate(found)
    ]


def _edited(sample: Sample, i: int, kind: str, strength: float, draw: int, state: int) -> Text:
    """The random numbers of a row, kind and draw do not depend on strength or on the model: common to all that is compared."""
    row = sample.subject.data.ids[int(sample.subject.rows[sample.places[i]])]
    return perturbations.edited(sample.inputs[i], kind, stream(state, f"{row}/{kind}/{draw}"), strength=strength)


def _changed(sample: Sample, edited: list[Text]) -> tuple[list[int], list[Text]]:
    places = [i for i, text in enumerate(edited) if text != sample.inputs[i]]
    return places, [edited[i] for i in places]


def _over_draws(values: FloatArray, at: IntArray) -> tuple[IntArray, FloatArray]:
    """(rows that were edited, the mean of `values` over the edits of each)."""
    rows, member, counts = np.unique(at, return_inverse=True, return_counts=True)
    return rows, np.asarray(np.bincount(member, values) / counts)


def _loss(sample: Sample, edits: Edits, params: Params, rng: np.random.Generator) -> Measure:
    rows, right = _over_draws(np.asarray(edits.said == sample.codes[edits.at], np.float64), edits.at)
    share = 100 * len(rows) / len(sample.codes)
    about = f"Accuracy before minus after the edit, in the {share:.0f} % of rows in which it finds a place."
    differences, clusters = sample.right[rows] - right, sample.clusters[rows]
    p = sign_flip_p(differences * _clustered.votes_of(clusters), clusters, rng, side="two-sided")
    spread = _clustered.mean(differences, clusters)
    estimate = paired_estimate(spread, level=params.level, scale=100.0)
    mde = spread.mde(level=params.level, scale=100.0)
    return Measure(f"loss ({_named(edits)})", estimate, "points", about, null=0.0, mde=mde, p=p)


def _named(edits: Edits) -> str:
    return edits.kind if edits.kind == BACK else f"{edits.kind}, {100 * edits.strength:.0f} %"


def _flips(sample: Sample, edits: Edits, params: Params) -> Measure:
    rows, changed = _over_draws(np.asarray(edits.said != sample.said[edits.at], np.float64), edits.at)
    about = "Share of edits after which the model answers another class."
    if edits.kind in perturbations.LABEL_CHANGING:
        about = "Share of edits made to change the meaning after which the model answers another class; not a fault by itself."
    spread = _clustered.mean(changed, sample.clusters[rows])
    return Measure(f"flips ({_named(edits)})", share_estimate(spread, level=params.level), "share", about)


def _kept(sample: Sample, made: list[Edits], params: Params, rng: np.random.Generator) -> list[Measure]:
    """How often an edit keeps the label: by review, with the accuracy among those that do, else by the reference model."""
    known = {found.kind: found for found in sample.subject.reviewed}
    reference = reference_of(sample.subject, sample.places, most=params.reference_rows, rng=rng)
    measures: list[Measure] = []
    for edits in made:
        if _named(edits) in known:
            rows, right = _over_draws(np.asarray(edits.said == sample.codes[edits.at], np.float64), edits.at)
            accuracy = _clustered.mean(right, sample.clusters[rows])
            measures += kept_by_review(known[_named(edits)], accuracy, level=params.level, rng=rng)
        elif reference is not None:
            pairs = list(zip(edits.at.tolist(), edits.texts, strict=True))
            found = kept_by_reference(_named(edits), reference, pairs, sample.codes, sample.clusters, level=params.level)
            measures += [found] if found else []
    return measures


def _reading(measures: list[Measure]) -> str:
    kept = [measure for measure in measures if measure.name.startswith("label kept")]
    if not kept:
        return "How often an edit keeps the label is not known: the reference model needs train rows of two classes."
    lowest = min(kept, key=lambda m: m.estimate.low)
    lost = 100 * (1 - lowest.estimate.low)
    reviewed = sum(", reviewed (" in measure.name for measure in kept)
    how = f"reviewed for {reviewed} kinds, else by a reference model" if reviewed else "by a reference model alone"
    return (
        f"Labels kept ({how}): lowest for {lowest.name}, at least {100 * lowest.estimate.low:.0f} %; up to {lost:.0f} points of "
        "that loss could be labels that the edit changed. Reviewing edits tells: veridical probe RUN --label-sheet FILE."
    )


def _curve(sample: Sample, made: list[Edits], params: Params) -> Curve:
    """Accuracy over the strength, on the rows edited at every strength; 0 is the text as it is."""
    rows = np.unique(made[0].at)
    for edits in made[1:]:
        rows = np.intersect1d(rows, edits.at)
    estimates = [share_estimate(_clustered.mean(sample.right[rows], sample.clusters[rows]), level=params.level)]
    for edits in made:
        own = np.isin(edits.at, rows)
        at, right = _over_draws(np.asarray(edits.said == sample.codes[edits.at], np.float64)[own], edits.at[own])
        estimates.append(share_estimate(_clustered.mean(right, sample.clusters[at]), level=params.level))
    name = made[0].kind
    about = f"Accuracy where {name.replace('_', ' ')} finds a place."
    return Curve(f"accuracy under {name}", "strength", (0.0, *[e.strength for e in made]), tuple(estimates), about)


def _examples(sample: Sample, made: list[Edits], most: int) -> Iterator[Example]:
    """Right answers turned wrong by the weakest edit, one a kind."""
    for edits in made[:most]:
        turned = (sample.said[edits.at] == sample.codes[edits.at]) & (edits.said != sample.codes[edits.at])
        if not turned.any():
            continue
        first = int(np.flatnonzero(turned)[0])
        i, labels = int(edits.at[first]), sample.subject.labels
        before, after = (one if isinstance(one, str) else " | ".join(one) for one in (sample.inputs[i], edits.texts[first]))
        row = sample.subject.data.ids[int(sample.subject.rows[sample.places[i]])]
        yield Example(row, before, after, labels[sample.said[i]], labels[edits.said[first]], edits.kind.replace("_", " "))


def _summary(losses: list[Measure]) -> str:
    """The loss whose interval lies farthest above 0; where all hold 0, the largest."""
    surest, largest = max(losses, key=lambda m: m.estimate.low), max(losses, key=lambda m: m.estimate.value)
    if surest.estimate.low > 0:
        return f"{len(losses)} edits tried; taken alone the clearest is {surest.name}: {in_points(surest.estimate)}."
    return f"{len(losses)} edits tried; the largest is {largest.name}: {in_points(largest.estimate)}."


def edits(subject: Subject, params: Params, rng: np.random.Generator) -> list[EditedText]:
    """The edits at the largest strength, with what the model says of them."""
    if subject.queries is None:
        return []
    sample = sample_of(subject, subject.queries, params, rng)
    strongest = replace(params, strengths=params.strengths[-1:])
    kinds = (*_kinds(sample)[0], *perturbations.LABEL_CHANGING)
    made = asked(sample, subject.queries, kinds, strongest, rng)
    ids, labels = [subject.data.ids[i] for i in subject.rows[sample.places]], subject.labels
    return [
        EditedText(ids[i], _named(own), sample.inputs[i], text, labels[int(sample.codes[i])], bool(said == sample.codes[i]))
        for (own,) in _judged(sample, made, params)[0].values()
        for i, text, said in zip(own.at.tolist(), own.texts, own.said.tolist(), strict=True)
    ]


def toys() -> Toys:
    """One of two words decides; the cheat knows them in one spelling only."""
    honest, cheat = one_spelling("robustness toy", n_words=3)
    return Toys(honest, cheat, "loss (keyboard, 30 %)")


probe = Probe(run, Params(), toys, cost="little", edits=edits, answers=answers)
