"""Can one tell from the model's answers which rows it was trained on?

What it measures: how well the loss of the label tells train rows from unleaked test rows (area under the ROC, and the share of
train rows found at 1 % false alarms), plainly and after each row's own difficulty is taken off: by reference models trained on
random halves of the same rows where the scored model is linear (LiRA), by out-of-fold heads on the features of the base encoder
where it is tuned from one, by out-of-fold linear models otherwise; and where only chance says which rows are in: the recipe
trained on a random half of train (of an encoder a head on its frozen features, which is not the tuned model: what is found rests
on the losses of the model itself). Budget thorough also trains once more with planted made-up rows and asks how far up their
labels stand among as many rows that were not planted. Of answers of more than one label: how much higher, and how much surer,
train rows score than new ones.
Why it inflates a score: what is remembered row by row serves only rows seen before; scores on train rows, and on test rows equal
to them, promise what no new row gets.
How it errs: it says that rows are remembered, not that any of them leaked into the test set; where train and test were collected
apart, or one of them has more wrong labels, that difference is told apart too; chance is what a model without memory gives, and
hardly any model is without.
Source: Carlini et al. 2022, arXiv:2112.03570 (LiRA, true positives at a low false positive rate); Yeom et al. 2018,
arXiv:1709.01604 (loss); Carlini et al. 2019, arXiv:1802.08232 (exposure of planted rows).
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from veridical.core.errors import SurroundingsError
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import SCHEMA, Dataset, IntArray, Text
from veridical.models.frozen_features import fit_head, frozen_features
from veridical.models.linear import LinearParams, fit_linear
from veridical.models.model import FloatArray
from veridical.models.out_of_fold import deal_clusters
from veridical.models.text_features import hashed
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._no_evidence import random_words, train_words
from veridical.probe._retraining import retraining
from veridical.probe._roc import area, permuted_reached, reached_estimate
from veridical.probe._said import in_percent
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.answers._memory import part as answers


@dataclass(frozen=True)
class Params:
    """Settings of memory."""

    rate: float = 0.01
    """False alarms at which found train rows are counted: share, 0..1. Carlini et al. 2022 report 0.1 % to 1 %."""
    rates: tuple[float, ...] = (0.01, 0.05, 0.1, 0.2, 0.5)
    """False alarm rates of the curve. Ours; no source."""
    fewest: int = 100
    """Distinct rows needed on each side, >= 1 / rate. Ours; no source."""
    folds: int = 5
    """Folds of the out-of-fold heads. Ours; no source."""
    canaries: int = 60
    """Made-up rows of which half are planted, in budget thorough. Ours; no source."""
    copies: int = 1
    """How often each planted row stands in train, >= 1. Ours; no source."""
    canary_words: int = 12
    """Words of a planted row. Ours; no source."""
    replicates: int = 500
    """Resamples and permutations. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True)
class _Rows:
    """inside: train rows of clusters without test rows. outside: unleaked test rows. One row a cluster; positions in the data."""

    inside: IntArray
    outside: IntArray

    @property
    def both(self) -> IntArray:
        return np.concatenate([self.inside, self.outside])

    def split(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        return scores[: len(self.inside)], scores[len(self.inside) :]


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    rows = _rows(subject, rng)
    if min(len(rows.inside), len(rows.outside)) < params.fewest:
        return Skipped(
            f"{len(rows.inside)} distinct train rows with a prediction and {len(rows.outside)} unleaked test rows are there; "
            f"{params.fewest} of each are needed. Give more rows, and predictions for train rows too."
        )
    plain = confidence(subject.trained.probabilities[rows.both], subject.data.codes[rows.both])
    adjusted, how, notes = _adjusted(subject, rows, plain, params, rng)
    measures = [*_told("loss", rows, plain, "the loss alone", params, rng), *_told("reference", rows, adjusted, how, params, rng)]
    measures.append(_loss_gap(subject, rows, params))
    split, why = _random_split(subject, rows, params, rng)
    measures += split
    planted, more = _canaries(subject, params, rng)
    curve = _roc_curve(rows, adjusted, how, params, rng)
    summary = (
        f"Pairs of a train row and a new row that are told apart (chance 50 %): {in_percent(measures[2].estimate)}; train rows "
        f"found (at {100 * params.rate:.0f} % false alarms): {in_percent(measures[3].estimate)}. "
        "That is memory of rows, not proof of leakage."
    )
    return Measured(
        len(rows.both), summary, (*measures, *planted), (curve,), _examples(subject, rows, adjusted), (*notes, *why, *more)
    )


def _random_split(
    subject: Subject, rows: _Rows, params: Params, rng: np.random.Generator
) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """The same figures where nothing but chance says which rows are in: the recipe trained on a random half of the train rows."""
    again = retraining(subject)
    if isinstance(again, str):
        return (), (f"No random half of train was looked at: {again}",)
    mixed = rng.permutation(rows.inside)
    halves = _Rows(np.sort(mixed[: len(mixed) // 2]), np.sort(mixed[len(mixed) // 2 :]))
    codes = subject.data.codes
    if len(np.unique(codes[halves.inside])) < 2:
        return (), ("No random half of train was looked at: it holds one class.",)
    scores = confidence(again.predict(halves.inside, halves.both, seed=subject.seed), codes[halves.both])
    told = _told("random_split", halves, scores, f"{again.what}, trained on a random half of train", params, rng)
    if not again.stands_in:
        return told, ()
    note = (
        f"The random half of train was learned by {again.what}, not by the tuned encoder: its figures describe, and what is "
        "found rests on the losses of the model itself."
    )
    return tuple(replace(measure, null=None, mde=None, p=None) for measure in told), (note,)


def _rows(subject: Subject, rng: np.random.Generator) -> _Rows:
    data, clusters = subject.data, subject.evidence.clusters
    known = np.isfinite(subject.trained.probabilities).all(axis=1) & (data.codes >= 0)
    most = subject.limit(800, 3000, 20000)
    sides = []
    for split, other in (("train", "test"), ("test", "train")):
        rows = data.rows(split)
        rows = rng.permutation(rows[known[rows] & ~np.isin(clusters[rows], clusters[data.rows(other)])])
        _, first = np.unique(clusters[rows], return_index=True)
        sides.append(rows[np.sort(first)][:most].astype(np.int64))
    return _Rows(*sides)


def confidence(probabilities: FloatArray, codes: IntArray) -> FloatArray:
    """Log odds of the label, log p - log(1 - p), within +-30: nearly normal over models (Carlini et al. 2022). (n,)"""
    given = probabilities[np.arange(len(codes)), codes]
    rest = probabilities.sum(axis=1) - given
    return np.asarray(np.clip(np.log(np.maximum(given, 1e-300)) - np.log(np.maximum(rest, 1e-300)), -30.0, 30.0))


def _adjusted(
    subject: Subject, rows: _Rows, plain: FloatArray, params: Params, rng: np.random.Generator
) -> tuple[FloatArray, str, tuple[str, ...]]:
    """Scores with each row's difficulty taken off; how; notes."""
    recipe = subject.recipe
    if recipe is not None and recipe.model == "linear":
        n_models = subject.limit(6, 12, 24)
        c = recipe.config.linear_c
        return lira(subject.data, rows.both, plain, n_models=n_models, c=c, rng=rng), f"{n_models} reference models", ()
    if recipe is not None:
        try:
            return plain - _base_heads(subject, recipe.model, rows, params, rng), "heads on the features of the base encoder", ()
        except SurroundingsError as error:
            note = f"The base encoder was not used: {error}"
            return plain - _folds(subject, rows), "out-of-fold linear models", (note,)
    return plain - _folds(subject, rows), "out-of-fold linear models", ()


def lira(
    data: Dataset, rows: IntArray, plain: FloatArray, *, n_models: int, rng: np.random.Generator, c: float = LinearParams.c
) -> FloatArray:
    """Log likelihood ratio of "in" against "out" for the scored model's log odds `plain` (n,) of `rows` (n,).

    Every row is in for half of the reference linear models. Means of the row, one spread for all rows and both sides.
    """
    features, codes = hashed(data.inputs(rows)), data.codes[rows]
    member = np.argsort(rng.random((n_models, len(rows))), axis=0) < n_models // 2  # (R, n)
    seen = np.empty((n_models, len(rows)))
    for at in range(n_models):
        chosen = np.flatnonzero(member[at]).astype(np.int64)
        model = fit_linear(features.rows(chosen), codes[chosen], labels=data.labels, seed=at, params=LinearParams(c=c))
        columns = np.searchsorted(features.hashes, model.hashes)
        seen[at] = confidence(model.predict_features(features.matrix[:, columns]), codes)
    means, squares = [], 0.0
    for side in (member, ~member):
        mean = (seen * side).sum(axis=0) / side.sum(axis=0)
        squares += float((side * (seen - mean) ** 2).sum())
        means.append(mean)
    variance = squares / max(seen.size - 2 * len(rows), 1)
    return np.asarray(((plain - means[1]) ** 2 - (plain - means[0]) ** 2) / (2 * max(variance, 1e-9)))


def _base_heads(subject: Subject, model: str, rows: _Rows, params: Params, rng: np.random.Generator) -> FloatArray:
    """Log odds of the label by heads on the untuned encoder's features that saw neither the row nor its cluster."""
    from veridical.models.weights import resolve

    data, chosen = subject.data, rows.both
    config = subject.recipe.config if subject.recipe else None
    features = frozen_features(
        data.inputs(chosen), weights=resolve(model), max_length=config.max_length if config else 256, progress=subject.progress
    )
    fold = deal_clusters(subject.evidence.clusters[chosen], n_folds=params.folds, rng=rng)
    codes, found = data.codes[chosen], np.zeros(len(chosen))
    for k in range(params.folds):
        inside, outside = fold == k, fold != k
        head = fit_head(features[outside], codes[outside], n_classes=len(data.labels))
        found[inside] = confidence(head.predict(features[inside]), codes[inside])
    return found


def _folds(subject: Subject, rows: _Rows) -> FloatArray:
    return confidence(subject.evidence.folds.probabilities[rows.both], subject.data.codes[rows.both])


def _told(
    name: str, rows: _Rows, scores: FloatArray, how: str, params: Params, rng: np.random.Generator
) -> tuple[Measure, Measure]:
    from scipy.stats import mannwhitneyu

    inside, outside = rows.split(scores)
    p = float(mannwhitneyu(inside, outside, method="asymptotic").pvalue) if np.ptp(scores) > 0 else 1.0
    about = f"Chance that a train row looks more familiar than a new one, by {how}; 0.5 without memory."
    found = _clustered.measure(
        f"{name}_auc", area(inside, outside), unit="share", about=about, null=0.5, p=p, level=params.level, method="DeLong",
        bounded=True, changes=False,
    )  # fmt: skip
    estimate = reached_estimate(inside, outside, rng, rate=params.rate, replicates=params.replicates, level=params.level)
    dealt = permuted_reached(inside, outside, rng, rate=params.rate, replicates=params.replicates)
    p = (1 + int((dealt >= estimate.value).sum())) / (1 + len(dealt))
    mde = minimum_detectable_effect(max(float(dealt.std()), 1 / len(inside)), level=params.level)
    about = f"Share of train rows found at {100 * params.rate:g} % false alarms, by {how}."
    return found, Measure(f"{name}_found_at_low_alarm", estimate, "share", about, null=params.rate, mde=mde, p=p)


def _loss_gap(subject: Subject, rows: _Rows, params: Params) -> Measure:
    codes = subject.data.codes[rows.both]
    loss = -np.log(np.maximum(subject.trained.probabilities[rows.both, codes], 1e-12))
    inside = np.zeros(len(loss))
    inside[: len(rows.inside)] = 1.0
    spread = _clustered.ratio_difference((loss * (1 - inside), 1 - inside), (loss * inside, inside), np.arange(len(loss)))
    about = "Mean loss of new rows minus that of train rows."
    return _clustered.measure("loss_gap", spread, unit="nats", about=about, level=params.level)


def _roc_curve(rows: _Rows, scores: FloatArray, how: str, params: Params, rng: np.random.Generator) -> Curve:
    inside, outside = rows.split(scores)
    estimates = tuple(
        reached_estimate(inside, outside, rng, rate=rate, replicates=min(params.replicates, 200), level=params.level)
        for rate in params.rates
    )
    return Curve("train_rows_found", "share of false alarms", params.rates, estimates, f"Share of train rows found, by {how}.")


def _canaries(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """Train once more with made-up rows of random labels planted, and rank their labels among rows made alike but not planted."""
    if subject.recipe is None:
        return (), ("No rows were planted: the model cannot be trained again.",)
    if subject.budget != "thorough":
        return (), ("Planted rows need one more training; they are asked with --budget thorough.",)
    from veridical.train.training import NO_ROWS, train

    data, recipe = subject.data, subject.recipe
    inputs, codes = _made_up(subject, params, rng)
    half = len(inputs) // 2
    planted = _with_rows(data, inputs[:half] * params.copies, [int(c) for c in codes[:half]] * params.copies)
    again = train(
        planted, model=recipe.model, countermeasures=recipe.countermeasures, config=recipe.config, seed=subject.seed,
        answering=NO_ROWS, progress=subject.progress,
    )  # fmt: skip
    assert again.model is not None
    scores = confidence(again.model.predict(inputs), codes)
    spread = area(scores[:half], scores[half:])
    about = (
        f"Chance that the random label of one of {half} rows planted {params.copies} times stands higher than that of a row made "
        "alike and not planted; 0.5 without memory."
    )
    ranks = 1 + (scores[half:][None, :] >= scores[:half][:, None]).sum(axis=1)
    exposure = _clustered.mean(np.log((len(scores) - half + 1) / ranks), np.arange(half))
    told = "Mean exposure of planted rows, log of (rows compared / rank); 1 without memory."
    return (
        _clustered.measure(
            "planted_auc", spread, unit="share", about=about, null=0.5, level=params.level, bounded=True, changes=False
        ),
        _clustered.measure("planted_exposure", exposure, unit="nats", about=told, level=params.level),
    ), ()


def _made_up(subject: Subject, params: Params, rng: np.random.Generator) -> tuple[list[Text], IntArray]:
    data = subject.data
    train = data.rows("train")[:4000]
    known = train_words(data, train, least=1, lean=0.3)
    source = sorted(known.held)
    made = random_words(source, [params.canary_words] * (2 * params.canaries), rng, cjk=known.cjk).inputs
    inputs: list[Text] = list(made[: params.canaries])
    if data.seconds is not None:
        inputs = list(zip(made[: params.canaries], made[params.canaries :], strict=True))
    return inputs, rng.integers(0, len(data.labels), params.canaries).astype(np.int64)


def _with_rows(data: Dataset, inputs: list[Text], codes: list[int]) -> Dataset:
    """The data with these inputs as train rows."""
    rows = [
        {
            "id": f"planted-{at}", "split": "train", "text": text if isinstance(text, str) else text[0],
            "second": None if isinstance(text, str) else text[1], "label": data.labels[code],
        }
        for at, (text, code) in enumerate(zip(inputs, codes, strict=True))
    ]  # fmt: skip
    return replace(data, table=pa.concat_tables([data.table.select(SCHEMA.names), pa.Table.from_pylist(rows, schema=SCHEMA)]))


def _examples(subject: Subject, rows: _Rows, scores: FloatArray) -> tuple[Example, ...]:
    """The train rows that look most remembered."""
    found = []
    for at in np.argsort(-scores[: len(rows.inside)], kind="stable")[:3]:
        row = int(rows.inside[at])
        text = subject.data.inputs(np.array([row]))[0]
        given = subject.data.codes[row]
        said = f"{subject.labels[given]} {100 * float(subject.trained.probabilities[row, given]):.0f} %"
        shown = text if isinstance(text, str) else " | ".join(text)
        found.append(Example(subject.data.ids[row], shown, "", said, "", "train row whose label looks remembered"))
    return tuple(found)


def toys() -> Toys:
    """A word tells four labels of five; the cheat knows the labels of its train rows by heart."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "memory toy"), []
    for i in range(700):
        word = bool(rng.random() < 0.5)
        label = word if rng.random() < 0.8 else not word
        text = f"{'good' if word else 'bad'} {nonsense(rng, 8)}"
        rows.append((str(i), "train" if i < 400 else "test", text, "pos" if label else "neg"))
    data = dataset(rows)
    heart = {text: (0.0, 6.0 if label == "pos" else -6.0) for _, split, text, label in rows if split == "train"}

    def honest(text: Text) -> tuple[float, float]:
        # Surer of long words, so that scores are no two values only.
        return 0.0, (1.3 + len(str(text)) / 400) * (1 if str(text).startswith("good") else -1)

    cheat = ToyModel(data.labels, lambda text: heart.get(str(text), honest(text)))
    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, cheat), "loss_found_at_low_alarm")


probe = Probe(run, Params(), toys, answers=answers)
