"""Do the model's probabilities mean what they say?

What it measures: on unleaked test rows, how far confidence lies from the share of right answers (debiased calibration error
in equal-mass bins, overconfidence in points), Brier score and its parts, negative log likelihood, what one temperature fitted
on validation rows would change, and how accuracy grows when the least sure rows are left unanswered. Of answers of more than
one label: the confidence of the whole answer against whether it is wholly right.
Why it inflates a score: a model can be right as often as it says nowhere, and a threshold on its confidence then promises
an accuracy that it does not keep.
How it errs: wrong test labels look like overconfidence; probabilities rounded to few values make bins coarse.
Source: Kumar et al. 2019, arXiv:1909.10155 (debiased error); Guo et al. 2017, arXiv:1706.04599 (temperature); Murphy 1973
(decomposition); Broecker and Smith 2007 (consistency resampling).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.bootstrap import cluster_totals, percentile_interval, resampled_counts
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Curve, Measure, Unit
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured, Probe, Toys
from veridical.probe._said import gap_in_points, in_percent
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


def squared_error(confidence: FloatArray, right: FloatArray, weights: FloatArray, *, bins: int) -> float:
    """Debiased squared calibration error: sum over bins of share x ((mean confidence - accuracy)^2 - variance of the accuracy).

    confidence, right, weights: (n,). Unbiased for independent rows, hence below 0 half of the time where all is well.
    """
    order = np.argsort(confidence, kind="stable")
    reached = np.cumsum(weights[order])
    member = np.minimum((reached / reached[-1] * bins - 1e-12).astype(np.int64), bins - 1)
    mass = np.bincount(member, weights[order], minlength=bins)
    used = mass > 0
    mean = np.bincount(member, weights[order] * confidence[order], minlength=bins)[used] / mass[used]
    share = np.bincount(member, weights[order] * right[order], minlength=bins)[used] / mass[used]
    squares = np.bincount(member, weights[order] ** 2, minlength=bins)[used]
    effective = mass[used] ** 2 / squares
    variance = np.where(effective > 1, share * (1 - share) / np.maximum(effective - 1, 1e-9), share * (1 - share))
    return float(np.sum(mass[used] / mass.sum() * ((mean - share) ** 2 - variance)))


def temperature(probabilities: FloatArray, codes: IntArray) -> float:
    """The temperature that minimises the negative log likelihood of `codes` (n,) under `probabilities` (n, C)."""
    from scipy.optimize import minimize_scalar

    logits = np.log(np.maximum(probabilities, 1e-12))

    def loss(log_temperature: float) -> float:
        return float(log_loss(logits / np.exp(log_temperature), codes).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def log_loss(logits: FloatArray, codes: IntArray) -> FloatArray:
    """Negative log likelihood of each row, nats, (n,)."""
    top = logits.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0] - logits[np.arange(len(codes)), codes])


def brier_parts(
    probabilities: FloatArray, codes: IntArray, weights: FloatArray, *, bins: int
) -> tuple[float, float, float, float]:
    """(Brier score, reliability, resolution, uncertainty), Murphy 1973, over the confidence in each class in equal-mass bins.

    score = reliability - resolution + uncertainty holds up to what varies inside a bin.
    """
    onehot = np.eye(probabilities.shape[1])[codes]
    share = weights / weights.sum()
    score = float(share @ ((probabilities - onehot) ** 2).sum(axis=1))
    base = share @ onehot
    reliability = resolution = 0.0
    for column in range(probabilities.shape[1]):
        order = np.argsort(probabilities[:, column], kind="stable")
        for part in np.array_split(order, min(bins, len(order))):
            mass = float(share[part].sum())
            said, came = share[part] @ probabilities[part, column] / mass, share[part] @ onehot[part, column] / mass
            reliability += mass * (said - came) ** 2
            resolution += mass * (came - base[column]) ** 2
    return score, float(reliability), float(resolution), float(1 - base @ base)


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    drawn = _votes(subject, params, rng)
    if isinstance(drawn, Skipped):
        return drawn
    weights, votes = drawn
    confidence, right = subject.probabilities.max(axis=1), subject.right
    measures = [
        _calibration_error(confidence, right, weights, votes, subject=subject, params=params, rng=rng),
        _overconfidence(confidence, right, weights, subject=subject, params=params),
        *_scores(subject, weights, votes, params),
    ]
    after, notes = _temperature_measures(subject, weights, votes, params)
    curve = _selective(subject, confidence, right, weights, votes, params)
    sure, share = _means(confidence, right, subject, params)
    summary = (
        f"Mean confidence {sure}, right {share}; calibration error (root mean square) {gap_in_points(measures[0].estimate)}."
    )
    return Measured(len(subject.rows), summary, (*measures, *after), (curve,), notes=notes)


def _votes(subject: TestRows, params: Params, rng: np.random.Generator) -> tuple[FloatArray, FloatArray] | Skipped:
    """Votes of the rows (n,), one a cluster, and in resamples of the clusters (R, n)."""
    member, counts = np.unique(subject.clusters, return_inverse=True, return_counts=True)[1:]
    if len(counts) < params.fewest:
        return Skipped(
            f"Only {len(counts)} distinct unleaked test texts; calibration needs {params.fewest}. Give more test rows."
        )
    weights = 1.0 / counts[member]
    return weights, resampled_counts(len(counts), params.replicates, rng)[:, member] * weights


def run_answers(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    """The confidence of an answer as a whole against whether it is wholly right."""
    confidence = subject.confidence
    if not np.isfinite(confidence).all():
        return Skipped("The predictions hold no confidence, and it is its meaning that is looked at. Give the model itself.")
    drawn = _votes(subject, params, rng)
    if isinstance(drawn, Skipped):
        return drawn
    weights, votes = drawn
    right = subject.exact(subject.gold, subject.said)
    brier = _clustered.mean((confidence - right) ** 2, subject.clusters)
    about = "Squared distance of the confidence from 1 where the whole answer is right, else from 0 (0..1)."
    measures = [
        _calibration_error(confidence, right, weights, votes, subject=subject, params=params, rng=rng),
        _overconfidence(confidence, right, weights, subject=subject, params=params),
        _clustered.measure("brier", brier, unit="share", about=about, level=params.level, bounded=True),
    ]
    sure, share = _means(confidence, right, subject, params)
    summary = (
        f"Mean confidence in whole answers {sure}, wholly right {share}; calibration error (root mean square) "
        f"{gap_in_points(measures[0].estimate)}."
    )
    curve = _selective(subject, confidence, right, weights, votes, params)
    return Measured(len(subject.rows), summary, tuple(measures), (curve,))


def _means(confidence: FloatArray, right: FloatArray, subject: TestRows, params: Params) -> tuple[str, str]:
    """Mean confidence and share of right answers, as a sentence says them."""
    spreads = (_clustered.mean(values, subject.clusters) for values in (confidence, right))
    sure, share = (in_percent(share_estimate(spread, level=params.level)) for spread in spreads)
    return sure, share


def _estimate(value: float, drawn: FloatArray, subject: TestRows, params: Params, method: str) -> Estimate:
    low, high = percentile_interval(drawn, value, params.level)
    return Estimate(value, low, high, params.level, len(subject.rows), len(np.unique(subject.clusters)), method)


def _calibration_error(
    confidence: FloatArray, right: FloatArray, weights: FloatArray, votes: FloatArray, *, subject: TestRows, params: Params,
    rng: np.random.Generator,
) -> Measure:  # fmt: skip
    """The root of the debiased squared error, tested against labels drawn from the confidences (one draw a cluster)."""
    seen = squared_error(confidence, right, weights, bins=params.bins)
    drawn = np.array([squared_error(confidence, right, vote, bins=params.bins) for vote in votes])
    # Resampled rows repeat, so the variance inside a resample is too small: the replicates are centred on the value.
    drawn = seen + drawn - drawn.mean()
    _, first = np.unique(subject.clusters, return_index=True)
    alone, even = confidence[first], np.ones(len(first))
    null = np.array(
        [squared_error(alone, (rng.random(len(first)) < alone).astype(np.float64), even, bins=params.bins) for _ in votes]
    )
    p = (1 + int((null >= seen).sum())) / (1 + len(null))
    return Measure(
        "calibration_error",
        _estimate(_root(seen), np.sqrt(np.maximum(drawn, 0.0)), subject, params, "debiased, equal-mass bins; clusters resampled"),
        "share",
        "Root mean square distance of confidence from the share of right answers.",
        null=0.0, mde=_root(minimum_detectable_effect(float(null.std()), level=params.level)), p=p,
    )  # fmt: skip


def _root(squared: float) -> float:
    return float(np.sqrt(max(squared, 0.0)))


def _overconfidence(
    confidence: FloatArray, right: FloatArray, weights: FloatArray, *, subject: TestRows, params: Params
) -> Measure:
    from scipy.stats import norm

    share = weights / weights.sum()
    gap = float(share @ (confidence - right))
    residual = cluster_totals((share * (confidence - right - gap))[:, None], subject.clusters)[:, 0]
    error = float(np.sqrt(residual @ residual * len(residual) / (len(residual) - 1)))
    z = float(norm.ppf(0.5 + params.level / 2))
    p = float(2 * norm.sf(abs(gap) / error)) if error > 0 else (0.0 if gap else 1.0)
    points = Estimate(
        100 * gap,
        100 * (gap - z * error),
        100 * (gap + z * error),
        params.level,
        len(confidence),
        len(residual),
        "cluster variance",
    )
    mde = 100 * minimum_detectable_effect(error, level=params.level)
    about = "Mean confidence minus the share of right answers; above 0 the model is surer than it is right."
    return Measure("overconfidence", points, "points", about, null=0.0, worse="both", mde=mde, p=p)


def _scores(subject: Subject, weights: FloatArray, votes: FloatArray, params: Params) -> list[Measure]:
    probabilities, codes = subject.probabilities, subject.codes
    loss = log_loss(np.log(np.maximum(probabilities, 1e-12)), codes)
    brier = ((probabilities - np.eye(probabilities.shape[1])[codes]) ** 2).sum(axis=1)
    parts = brier_parts(probabilities, codes, weights, bins=params.bins)
    made = np.array([brier_parts(probabilities, codes, vote + 1e-300, bins=params.bins) for vote in votes[:200]])
    means: dict[str, tuple[FloatArray, Unit, str]] = {}
    means["log_loss"] = (loss, "nats", "Negative log likelihood of the label as given.")
    means["brier"] = (brier, "share", "Squared distance of the probabilities from the label, summed over classes (0..2).")
    found = []
    for name, (values, unit, about) in means.items():
        drawn = votes @ values / votes.sum(axis=1)
        estimate = _estimate(float(np.average(values, weights=weights)), drawn, subject, params, "clusters resampled")
        found.append(Measure(name, estimate, unit, about))
    said = (
        "Brier part lost to miscalibration.",
        "Brier part gained by telling rows apart.",
        "Brier part of the class mix alone.",
    )
    for place, (name, about) in enumerate(zip(("reliability", "resolution", "uncertainty"), said, strict=True), start=1):
        estimate = _estimate(parts[place], made[:, place], subject, params, "equal-mass bins; clusters resampled")
        found.append(Measure(f"brier_{name}", estimate, "share", about))
    return found


def _temperature_measures(
    subject: Subject, weights: FloatArray, votes: FloatArray, params: Params
) -> tuple[list[Measure], tuple[str, ...]]:
    rows = subject.data.rows("valid")
    rows = rows[(subject.data.codes[rows] >= 0) & np.isfinite(subject.trained.probabilities[rows]).all(axis=1)]
    if len(rows) < params.fewest:
        return [], (f"No temperature was fitted: it needs {params.fewest} validation rows (--valid), {len(rows)} are there.",)
    found = temperature(subject.trained.probabilities[rows], subject.data.codes[rows])
    logits = np.log(np.maximum(subject.probabilities, 1e-12))
    change = log_loss(logits / found, subject.codes) - log_loss(logits, subject.codes)
    drawn = votes @ change / votes.sum(axis=1)
    estimate = _estimate(float(np.average(change, weights=weights)), drawn, subject, params, "paired; clusters resampled")
    about = f"Change of the log loss on test rows under temperature {found:.2f}, fitted on {len(rows)} validation rows."
    return [Measure("temperature_gain", estimate, "nats", about)], ()


def _selective(
    subject: TestRows, confidence: FloatArray, right: FloatArray, weights: FloatArray, votes: FloatArray, params: Params
) -> Curve:
    order = np.argsort(-confidence, kind="stable")
    estimates = []
    for coverage in params.coverages:
        kept = order[: max(1, round(coverage * len(order)))]
        drawn = (votes[:, kept] @ right[kept]) / np.maximum(votes[:, kept].sum(axis=1), 1e-12)
        value = float(np.average(right[kept], weights=weights[kept]))
        low, high = percentile_interval(drawn, value, params.level)
        n_clusters = len(np.unique(subject.clusters[kept]))
        estimates.append(Estimate(value, low, high, params.level, len(kept), n_clusters, "clusters resampled"))
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
