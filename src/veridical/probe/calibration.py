"""Do the model's probabilities mean what they say?

What it measures: on unleaked test rows, how far confidence lies from the share of right answers (debiased calibration error
in equal-mass bins, overconfidence in points), Brier score and negative log likelihood with their parts, what one temperature
fitted on validation rows would change, and how accuracy grows when the least sure rows are left unanswered. Of answers of more
than one label: the confidence of the whole answer against whether it is wholly right.
Why it inflates a score: a model can be right as often as it says nowhere, and a threshold on its confidence then promises
an accuracy that it does not keep.
How it errs: wrong test labels look like overconfidence until some are reviewed; probabilities rounded to few values make bins
coarse.
Source: Kumar et al. 2019, arXiv:1909.10155 (debiased error); Guo et al. 2017, arXiv:1706.04599 (temperature); Dimitriadis et al.
2021, arXiv:2008.03033 (parts of a score); Broecker and Smith 2007 (consistency resampling).
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from veridical.core.bootstrap import cluster_totals, percentile_interval, resampled_counts
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Curve, Measure, Unit
from veridical.core.proportion import opened_share
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured, Probe, Toys
from veridical.probe._read_labels import ReadLabels
from veridical.probe._said import gap_in_points, in_percent
from veridical.probe._score_parts import SMALLEST, Costs, brier_costs, brier_parts, log_costs, log_parts, recalibrated, tied
from veridical.probe._share import share_estimate
from veridical.probe._subject import Subject, subject_of
from veridical.probe._test_rows import TestRows
from veridical.probe._toys import ToyModel
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._subject import AnswerSubject

LOG_TEMPERATURES = (-3.0, 3.0)
"""Where the temperature is looked for: logarithms, 0.05 to 20. Ours; no source."""


@dataclass(frozen=True)
class Params:
    """Settings of calibration."""

    bins: int = 15
    """Equal-mass bins of confidence. Guo et al. 2017 use 15 (of equal width)."""
    replicates: int = 1000
    """Cluster resamples, and label draws of the consistency test. Ours; no source."""
    coverages: tuple[float, ...] = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)
    """Shares of rows answered, most confident first, at which accuracy is reported. Ours; no source."""
    fewest: int = 50
    """Test clusters below which bins say nothing and the probe is skipped. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def squared_error(
    confidence: FloatArray, right: FloatArray, weights: FloatArray, *, bins: int, review: FloatArray | None = None
) -> float:
    """Debiased squared calibration error: sum over bins of share x ((mean confidence - accuracy)^2 - variance of the accuracy).

    confidence, right, weights: (n,). Unbiased for independent rows, hence below 0 half of the time where all is well.
    review: change of `right` per standard error of what each stratum of a review says, (n, H).
    """
    order = np.argsort(confidence, kind="stable")
    reached = np.cumsum(weights[order])
    member = np.minimum((reached / reached[-1] * bins - 1e-12).astype(np.int64), bins - 1)
    mass = np.bincount(member, weights[order], minlength=bins)
    used = mass > 0
    mean = np.bincount(member, weights[order] * confidence[order], minlength=bins)[used] / mass[used]
    share = np.bincount(member, weights[order] * right[order], minlength=bins)[used] / mass[used]
    moment = np.bincount(member, weights[order] * right[order] ** 2, minlength=bins)[used] / mass[used] - share**2
    squares = np.bincount(member, weights[order] ** 2, minlength=bins)[used]
    effective = mass[used] ** 2 / squares
    variance = np.where(effective > 1, moment / np.maximum(effective - 1, 1e-9), moment)
    for opened in review.T if review is not None else ():
        variance += (np.bincount(member, weights[order] * opened[order], minlength=bins)[used] / mass[used]) ** 2
    return float(np.sum(mass[used] / mass.sum() * ((mean - share) ** 2 - variance)))


def temperature(probabilities: FloatArray, codes: IntArray) -> float:
    """The temperature that minimises the negative log likelihood of `codes` (n,) under `probabilities` (n, C)."""
    from scipy.optimize import minimize_scalar

    logits = np.log(np.maximum(probabilities, SMALLEST))

    def loss(log_temperature: float) -> float:
        return float(log_loss(logits / np.exp(log_temperature), codes).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def log_loss(logits: FloatArray, codes: IntArray) -> FloatArray:
    """Negative log likelihood of each row, nats, (n,)."""
    from scipy.special import log_softmax

    return np.asarray(-log_softmax(logits, axis=1)[np.arange(len(codes)), codes])


@dataclass(frozen=True, eq=False)
class _Look:
    """n rows with their labels taken in one way. right: (n,), a share where a label is known in chances alone. opened: change
    of it per standard error of each stratum of a review, (n, H). weights: (n,), one vote a cluster; votes: the same in R
    resamples of the clusters, (R, n). shifts: standard errors by which each resample moves the strata, (R, H); luck: those by
    which it moves what rows are that are known in chances alone, (R,)."""

    subject: TestRows
    confidence: FloatArray
    right: FloatArray
    opened: FloatArray
    weights: FloatArray
    votes: FloatArray
    shifts: FloatArray
    luck: FloatArray
    params: Params

    def estimate(self, value: float, drawn: FloatArray, method: str) -> Estimate:
        low, high = percentile_interval(drawn, value, self.params.level)
        n_clusters = len(np.unique(self.subject.clusters))
        return Estimate(value, low, high, self.params.level, len(self.weights), n_clusters, method)

    def mean(self, labels: ReadLabels, costs: FloatArray, method: str) -> Estimate:
        """Weighted mean of what each row costs; costs: were its right label that class, (n, C)."""
        values, opened, whole = labels.mean(costs), labels.by_stratum(costs), self.votes.sum(axis=1)
        drawn = (self.votes @ values + (self.votes @ opened * self.shifts).sum(axis=1)) / whole
        drawn = drawn + self.luck * self.unknown(labels.mean(costs**2) - values**2)
        return self.estimate(float(np.average(values, weights=self.weights)), drawn, method)

    def unknown(self, variances: FloatArray, kept: IntArray | slice = slice(None)) -> float:
        """Standard error of a mean by what rows are that are known in chances alone. variances: of each row that is kept.

        Twice their variance: a row that was read is one of the sample and stands for unread rows as well, and what it turns out
        to be moves both the same way. With u of a stratum's rows unread and n read the mean varies with (u / n + 1)^2 n = u^2 / n
        + 2 u + n rows' variances, of which the stratum's standard error holds the first and the spread of the rows the last.
        """
        share = self.weights[kept] / self.weights[kept].sum()
        return float(np.sqrt(2 * (share**2 @ variances.clip(0.0))))


def _look(
    subject: TestRows, confidence: FloatArray, right: FloatArray, params: Params, rng: np.random.Generator
) -> _Look | Skipped:
    """The rows with their labels as given."""
    member, counts = np.unique(subject.clusters, return_inverse=True, return_counts=True)[1:]
    if len(counts) < params.fewest:
        return Skipped(
            f"Only {len(counts)} distinct unleaked test texts; calibration needs {params.fewest}. Give more test rows."
        )
    weights = 1.0 / counts[member]
    votes = resampled_counts(len(counts), params.replicates, rng)[:, member] * weights
    return _Look(
        subject, confidence, right, np.zeros((len(right), 1)), weights, votes, shifts=np.zeros((params.replicates, 1)),
        luck=np.zeros(params.replicates), params=params,
    )  # fmt: skip


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    look = _look(subject, subject.probabilities.max(axis=1), subject.right, params, rng)
    if isinstance(look, Skipped):
        return look
    given = [_calibration_error(look, rng=rng), _overconfidence(look), *_scores(look, subject, subject.label_given)]
    labels, read = subject.label_read, subject.read
    if read is None:
        after, notes = _temperature_measures(look, subject, labels)
        measures, notes = [*given, *after], (*notes, AS_GIVEN)
    else:
        look = _as_read(look, subject.predicted, labels, rng)
        found = [_error_as_read(look), _overconfidence(look), *_scores(look, subject, labels, rng=rng)]
        after, notes = _temperature_measures(look, subject, labels)
        measures, notes = [*found, *after, *_beside(given)], (*notes, _reading(read))
    error = gap_in_points(measures[0].estimate)
    summary = f"Mean confidence {_sure(look)}, right {_share_right(look)}; calibration error (root mean square) {error}."
    return Measured(len(subject.rows), summary + _review_of(read), tuple(measures), (_selective(look),), notes=notes)


def _beside(given: list[Measure]) -> list[Measure]:
    """What stands beside the figures of reviewed labels."""
    return [replace(m, name=f"{m.name} (labels as given)", null=None, mde=None, p=None) for m in given if m.name in TWICE]


def _review_of(read: ReadLabels | None) -> str:
    return "" if read is None else f" Labels as reviewed: {read.n_changed} of {read.n_read} read were changed."


TWICE = ("calibration_error", "overconfidence", "log_loss", "brier")
"""What is said of the labels as given too, once some were reviewed."""
AS_GIVEN = "Labels are as given: none of them was reviewed, and a wrong label looks like overconfidence."


def _reading(read: ReadLabels) -> str:
    return (
        f"Of {read.n_read} test labels that were reviewed {read.n_changed} were changed. The figures are those of the labels as "
        "reviewed, unread rows by what was read of their stratum; the ones of the labels as given stand beside them."
    )


def _as_read(look: _Look, predicted: IntArray, labels: ReadLabels, rng: np.random.Generator) -> _Look:
    """The same rows with their labels as far as people have read them. predicted: class that the model says, (n,)."""
    said = np.eye(labels.labels.shape[1])[predicted]
    opened = labels.by_stratum(said)
    shifts, luck = rng.standard_normal((len(look.votes), opened.shape[1])), rng.standard_normal(len(look.votes))
    return replace(look, right=labels.mean(said), opened=opened, shifts=shifts, luck=luck)


def run_answers(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    """The confidence of an answer as a whole against whether it is wholly right."""
    if not np.isfinite(subject.confidence).all():
        return Skipped(
            "The predictions hold no confidence, and it is its meaning that is looked at. Give it on each line, or the model."
        )
    look = _look(subject, subject.confidence, subject.exact(subject.gold, subject.said), params, rng)
    if isinstance(look, Skipped):
        return look
    brier = _clustered.mean((look.confidence - look.right) ** 2, subject.clusters)
    about = "Squared distance of the confidence from 1 where the whole answer is right, else from 0 (0..1)."
    measures = [
        _calibration_error(look, rng=rng),
        _overconfidence(look),
        _clustered.measure("brier", brier, unit="share", about=about, level=params.level, bounded=True),
    ]
    read, notes = subject.read, (AS_GIVEN,)
    if read is not None:
        labels = read.of(subject.rows, look.right.astype(np.int64))
        look = _as_read(look, np.ones(len(look.right), np.int64), labels, rng)
        costs = np.stack([look.confidence**2, (1 - look.confidence) ** 2], axis=1)
        scored = Measure("brier", look.mean(labels, costs, "clusters resampled"), "share", about)
        measures, notes = [_error_as_read(look), _overconfidence(look), scored, *_beside(measures)], (_reading(read),)
    summary = (
        f"Mean confidence in whole answers {_sure(look)}, wholly right {_share_right(look)}; calibration error (root mean "
        f"square) {gap_in_points(measures[0].estimate)}."
    )
    return Measured(len(subject.rows), summary + _review_of(read), tuple(measures), (_selective(look),), notes=notes)


def _sure(look: _Look) -> str:
    return in_percent(share_estimate(_clustered.mean(look.confidence, look.subject.clusters), level=look.params.level))


def _share_right(look: _Look) -> str:
    spread = _clustered.mean(look.right, look.subject.clusters)
    spread = replace(spread, error=float(np.hypot(spread.error, _review_error(look))))
    return in_percent(share_estimate(spread, level=look.params.level))


def _review_error(look: _Look) -> float:
    """Standard error of the share of right answers that the review leaves, 0 where labels are as given: of what each stratum's
    share is, and of whether a row that is right by chances alone is right."""
    moved = look.weights @ look.opened / look.weights.sum()
    return float(np.hypot(np.sqrt(moved @ moved), look.unknown(look.right * (1 - look.right))))


def _calibration_error(look: _Look, *, rng: np.random.Generator) -> Measure:
    """The root of the debiased squared error, tested against labels drawn from the confidences (one draw a cluster)."""
    confidence, params = look.confidence, look.params
    error = _error(look)
    seen = squared_error(confidence, look.right, look.weights, bins=params.bins)
    _, first = np.unique(look.subject.clusters, return_index=True)
    alone, even = confidence[first], np.ones(len(first))
    null = np.array(
        [squared_error(alone, (rng.random(len(first)) < alone).astype(np.float64), even, bins=params.bins) for _ in look.votes]
    )
    p = (1 + int((null >= seen).sum())) / (1 + len(null))
    mde = _root(minimum_detectable_effect(float(null.std()), level=params.level))
    return replace(error, null=0.0, mde=mde, p=p)


def _error_as_read(look: _Look) -> Measure:
    """The same from reviewed labels. What it would be by chance alone is not known for labels that are known in chances; whether
    the model is too sure is told by `overconfidence`."""
    return replace(
        _error(look), about="Root mean square distance of confidence from the share of right answers, labels as reviewed."
    )


def _error(look: _Look) -> Measure:
    bins, read = look.params.bins, bool(look.opened.any())
    review = look.opened if read else None
    seen = squared_error(look.confidence, look.right, look.weights, bins=bins, review=review)
    moved = look.shifts @ look.opened.T if read else np.zeros((len(look.votes), 1))
    drawn = np.array(
        [
            squared_error(look.confidence, look.right + shift, vote, bins=bins, review=review)
            for vote, shift in zip(look.votes, moved, strict=True)
        ]
    )
    # Resampled rows repeat, so the variance inside a resample is too small: the replicates are centred on the value.
    drawn = seen + drawn - drawn.mean()
    estimate = look.estimate(_root(seen), np.sqrt(np.maximum(drawn, 0.0)), "debiased, equal-mass bins; clusters resampled")
    about = "Root mean square distance of confidence from the share of right answers."
    return Measure("calibration_error", estimate, "share", about)


def _root(squared: float) -> float:
    return float(np.sqrt(max(squared, 0.0)))


def _overconfidence(look: _Look) -> Measure:
    from scipy.stats import norm

    share, level = look.weights / look.weights.sum(), look.params.level
    gap = float(share @ (look.confidence - look.right))
    residual = cluster_totals((share * (look.confidence - look.right - gap))[:, None], look.subject.clusters)[:, 0]
    alone = float(np.sqrt(residual @ residual * len(residual) / (len(residual) - 1)))
    error = float(np.hypot(alone, _review_error(look)))
    z = float(norm.ppf(0.5 + level / 2))
    p = float(2 * norm.sf(abs(gap) / error)) if error > 0 else (0.0 if gap else 1.0)
    ends = (100 * (gap - z * error), 100 * (gap + z * error))
    points = Estimate(100 * gap, *ends, level, len(look.confidence), len(residual), "cluster variance")
    mde = 100 * minimum_detectable_effect(error, level=level)
    about = "Mean confidence minus the share of right answers; above 0 the model is surer than it is right."
    return Measure("overconfidence", points, "points", about, null=0.0, worse="both", mde=mde, p=p)


SCORES: dict[str, tuple[Costs, Unit, str]] = {
    "log_loss": (log_costs, "nats", "Negative log likelihood of the label."),
    "brier": (brier_costs, "share", "Squared distance of the probabilities from the label, summed over classes (0..2)."),
}
PARTS = {
    "brier_reliability": "Brier part lost to miscalibration.",
    "brier_resolution": "Brier part gained by telling rows apart.",
    "brier_uncertainty": "Brier part of the class mix alone.",
    "log_loss_reliability": "Log loss part lost to miscalibration.",
    "log_loss_resolution": "Log loss part gained by telling rows apart.",
    "log_loss_uncertainty": "Log loss part of the class mix alone.",
}
RESAMPLED_PARTS = 200
"""Cluster resamples for the intervals of the parts, each an isotonic fit for every class. Ours; no source."""


def _scores(look: _Look, subject: Subject, labels: ReadLabels, *, rng: np.random.Generator | None = None) -> list[Measure]:
    probabilities, found = subject.probabilities, []
    for name, (costs, unit, about) in SCORES.items():
        found.append(Measure(name, look.mean(labels, costs(probabilities), "clusters resampled"), unit, about))
    ranks = tied(probabilities)

    def parts_of(shown: FloatArray, votes: FloatArray) -> list[float]:
        made = recalibrated(ranks, shown, votes)
        both = [taken(probabilities, made, shown, votes) for taken in (brier_parts, log_parts)]
        return [part for parts in both for part in (parts.reliability, parts.resolution, parts.uncertainty)]

    votes = look.votes[:RESAMPLED_PARTS] + 1e-300
    drawn = np.array([parts_of(_right_labels(labels, look.shifts[r], rng), vote) for r, vote in enumerate(votes)])
    # A fit on resampled rows, which repeat, follows them closer: the replicates are centred on the value.
    for (name, about), value, made in zip(PARTS.items(), parts_of(labels.labels, look.weights), drawn.T, strict=True):
        made = np.maximum(made - made.mean() + value, 0.0)
        estimate = look.estimate(max(value, 0.0), made, "isotonic recalibration; clusters resampled, centred")
        found.append(Measure(name, estimate, "share" if name.startswith("brier") else "nats", about))
    return found


def _right_labels(labels: ReadLabels, shifts: FloatArray, rng: np.random.Generator | None) -> FloatArray:
    """One draw of what the right labels are, (n, C): as given where nobody read any (rng: None). shifts: standard errors by which
    each stratum's share is moved, (H,)."""
    if rng is None:
        return labels.labels
    chances = np.maximum(labels.labels + labels.moves * shifts[labels.stratum, None], 0.0)
    reached = np.cumsum(chances / chances.sum(axis=1, keepdims=True), axis=1)
    codes = (rng.random((len(reached), 1)) > reached).sum(axis=1)
    return np.asarray(np.eye(reached.shape[1])[np.minimum(codes, reached.shape[1] - 1)])


def _temperature_measures(look: _Look, subject: Subject, labels: ReadLabels) -> tuple[list[Measure], tuple[str, ...]]:
    rows = subject.data.rows("valid")
    rows = rows[(subject.data.codes[rows] >= 0) & np.isfinite(subject.trained.probabilities[rows]).all(axis=1)]
    if len(rows) < look.params.fewest:
        fewest = look.params.fewest
        return [], (f"No temperature was fitted: it needs {fewest} validation rows (--valid), {len(rows)} are there.",)
    from scipy.special import log_softmax

    found = temperature(subject.trained.probabilities[rows], subject.data.codes[rows])
    logits = np.log(np.maximum(subject.probabilities, SMALLEST))
    costs = log_softmax(logits, axis=1) - log_softmax(logits / found, axis=1)
    estimate = look.mean(labels, costs, "paired; clusters resampled")
    about = f"Change of the log loss on test rows under temperature {found:.2f}, fitted on {len(rows)} validation rows."
    return [Measure("temperature_gain", estimate, "nats", about)], ()


def _selective(look: _Look) -> Curve:
    order, params = np.argsort(-look.confidence, kind="stable"), look.params
    estimates = []
    for coverage in params.coverages:
        kept = order[: max(1, round(coverage * len(order)))]
        votes, moved = look.votes[:, kept], (look.votes[:, kept] @ look.opened[kept] * look.shifts).sum(axis=1)
        drawn = (votes @ look.right[kept] + moved) / np.maximum(votes.sum(axis=1), 1e-12)
        drawn = drawn + look.luck * look.unknown(look.right[kept] * (1 - look.right[kept]), kept)
        value = float(np.average(look.right[kept], weights=look.weights[kept]))
        n_clusters = len(np.unique(look.subject.clusters[kept]))
        ends = opened_share(percentile_interval(drawn, value, params.level), value, n=n_clusters, level=params.level)
        estimates.append(Estimate(value, *ends, params.level, len(kept), n_clusters, "clusters resampled"))
    return Curve(
        "selective_accuracy", "share of rows answered", params.coverages, tuple(estimates), "Accuracy on the surest rows."
    )


def toys() -> Toys:
    """A word says how sure one may be; the cheat claims certainty everywhere."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows = stream(0, "calibration toy"), []
    shares = {"maybe": 0.6, "likely": 0.75, "surely": 0.95}
    for i in range(600):
        word, positive = list(shares)[i % 3], bool(rng.random() < 0.5)
        label = positive if rng.random() < shares[word] else not positive
        rows.append((str(i), "test", f"{word} {'good' if positive else 'bad'} {nonsense(rng, 6)}", "pos" if label else "neg"))
    data = dataset([*rows, ("a", "train", "surely good start", "pos"), ("b", "train", "surely bad end", "neg")])

    def honest(text: Text) -> tuple[float, float]:
        share = shares[str(text).split()[0]]
        side = np.log(share / (1 - share)) * (1 if " good " in text else -1)
        return 0.0, float(side)

    cheat = ToyModel(data.labels, lambda text: (0.0, 8.0 if " good " in str(text) else -8.0))
    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, cheat), "overconfidence")


def _answer_toys(task: str) -> AnswerToys:
    """The first word says how sure one may be of the answer; the cheat claims certainty everywhere."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "calibration toy"), []
    shares = {"maybe": 0.6, "likely": 0.75, "surely": 0.95}
    for i in range(600):
        word = list(shares)[i % 3]
        text = f"{word} {nonsense(rng, 4)} target {nonsense(rng, 3)}"
        found = bool(rng.random() < shares[word])
        rows.append(_toy_row(task, str(i), "test", text, found=found))
    data = made_up.answer_rows(
        task, [*rows, _toy_row(task, "a", "train", "surely good target start", found=True)], () if task == "qa" else ("X",)
    )

    def rule(sure: float | None) -> made_up.ToyAnswering:
        def said(text: Text) -> made_up.Said:
            shown = text if isinstance(text, str) else text[0]
            return _toy_answer(task, shown, found=True), shares[shown.split(" ")[0]] if sure is None else sure

        return made_up.ToyAnswering(task, data.labels, said)

    return AnswerToys(made_up.toy(data, rule(None).rule), made_up.toy(data, rule(0.999).rule), "overconfidence")


def _toy_row(task: str, id: str, split: str, text: str, *, found: bool) -> made_up.Row:
    second = "where is it" if task == "qa" else None
    return {"id": id, "split": split, "text": text, "second": second, "label": _toy_answer(task, text, found=found)}


def _toy_answer(task: str, text: str, *, found: bool) -> str:
    if task == "ner":
        return made_up.tagged(text, lambda words, at: "X" if found and words[at] == "target" else "")
    if task == "multilabel":
        return made_up.names_in(["X"] if found else [])
    return made_up.span("target" if found else text.split(" ")[1])


TOYS = {task: partial(_answer_toys, task) for task in ("ner", "multilabel", "qa")}
probe = Probe(run, Params(), toys, cost="nothing", answers=AnswerPart(run_answers, Params(), TOYS))
