"""Stability of answers: what another seed or another sample of train rows changes, and what the last doubling of rows bought."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Curve, Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models.answering_linear import fit_linear_answering
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe._said import in_percent, in_points
from veridical.probe._share import share_estimate
from veridical.probe._subject import Recipe
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._again import said_again, train_rows, why_not_again
from veridical.probe.answers._scores import METHOD, lost, score_of
from veridical.probe.answers._subject import AnswerSubject, answer_subject_of
from veridical.tasks._structures import needed_structure

KINDS = {"seeds": "with other seeds", "resampled": "on resampled clusters of train"}


@dataclass(frozen=True)
class Params:
    """Settings of stability."""

    models: tuple[int, int, int] = (2, 3, 8)
    """Models of each kind in a quick, standard and thorough look, >= 2. Ours; no source."""
    shares: tuple[float, ...] = (0.25, 0.5)
    """Shares of the train clusters at which the learning curve is taken besides the whole, ascending. Ours; no source."""
    fewest: int = 60
    """Distinct train texts, and distinct test texts, below which the probe is skipped. Ours; no source."""
    tolerated_gain: float = 2.0
    """Points that the last doubling of train rows may have bought, >= 0. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    why = why_not_again(subject)
    if why:
        return Skipped(why)
    train = train_rows(subject)
    families, test_families = (len(np.unique(subject.evidence.clusters[rows])) for rows in (train, subject.rows))
    if min(families, test_families) < params.fewest:
        return Skipped(
            f"{families} distinct train texts and {test_families} distinct test texts are there; {params.fewest} of each are "
            "needed to tell luck from skill. Give more rows."
        )
    measures: list[Measure] = []
    for number, (kind, said) in enumerate(KINDS.items()):
        subject.progress("retrain", number, len(KINDS))
        answers = _retrained(kind, subject, train, subject.limit(*params.models), rng)
        measures += _of_kind(kind, said, answers, subject, params)
    curve, gain = _learning(subject, train, params, rng)
    churn = next(m.estimate for m in measures if m.name == "churn: resampled")
    summary = (
        f"Trained on a resample of train, whole answers that change: {in_percent(churn)}; the last doubling of train rows bought "
        f"{in_points(gain.estimate)}."
    )
    return Measured(len(subject.rows), summary, (gain, *measures), (curve,), notes=("Trained again was the linear model.",))


def _retrained(kind: str, subject: AnswerSubject, train: IntArray, n_models: int, rng: np.random.Generator) -> list[list[str]]:
    """Answers to the test rows of models that differ in one thing."""
    clusters = np.unique(subject.evidence.clusters[train], return_inverse=True)[1]
    made = []
    for number in range(n_models):
        rows, seed = train, subject.seed
        if kind == "seeds":
            seed += 1 + number
        else:
            drawn = rng.integers(0, int(clusters.max()) + 1, int(clusters.max()) + 1)
            rows = np.concatenate([train[clusters == code] for code in drawn])
        made.append(said_again(subject, rows, subject.rows, seed=seed))
    return made


def _of_kind(kind: str, said: str, answers: Sequence[list[str]], subject: AnswerSubject, params: Params) -> list[Measure]:
    pairs = [np.array([a != b for a, b in zip(*pair, strict=True)], np.float64) for pair in combinations(answers, 2)]
    churn = _clustered.mean(np.mean(pairs, axis=0), subject.clusters)
    metric = subject.measure.metric
    scores = [100 * score_of(metric, subject.margins(subject.gold, one), subject.clusters).value for one in answers]
    spread, n = float(np.std(scores, ddof=1)), len(answers)
    low, high = _sd_interval(spread, n, params.level)
    points = Estimate(spread, low, high, params.level, len(subject.rows), churn.n_clusters, f"chi-square over {n} models")
    return [
        Measure(
            f"churn: {kind}", share_estimate(churn, level=params.level), "share",
            f"Share of whole answers on which two models trained {said} differ.",
        ),
        Measure(f"spread: {kind}", points, "points", f"Standard deviation of the {subject.measured} of models trained {said}."),
    ]  # fmt: skip


def _sd_interval(sd: float, n: int, level: float) -> tuple[float, float]:
    from scipy.stats import chi2

    ends = chi2.ppf([0.5 + level / 2, 0.5 - level / 2], n - 1)
    low, high = sd * np.sqrt((n - 1) / ends)
    return float(low), float(high)


def _learning(subject: AnswerSubject, train: IntArray, params: Params, rng: np.random.Generator) -> tuple[Curve, Measure]:
    """Scores at growing parts of train, and what came from the last part to the whole."""
    clusters = np.unique(subject.evidence.clusters[train], return_inverse=True)[1]
    n_clusters, metric = int(clusters.max()) + 1, subject.measure.metric
    whole = subject.margins(subject.gold, said_again(subject, train, subject.rows, seed=subject.seed))
    sizes, estimates, gains = [], [], []
    for share in params.shares:
        found = []
        for _ in range(subject.limit(*params.models)):
            part = train[np.isin(clusters, rng.permutation(n_clusters)[: max(round(share * n_clusters), 2)])]
            found.append(subject.margins(subject.gold, said_again(subject, part, subject.rows, seed=subject.seed)))
        spreads = [score_of(metric, one, subject.clusters) for one in found]
        sizes.append(float(round(share * len(train))))
        estimates.append(_pooled(spreads).estimate(level=params.level, method=METHOD, bounded=True))
        gains = [lost(metric, whole, one, subject.clusters) for one in found]
    here = score_of(metric, whole, subject.clusters)
    estimates.append(here.estimate(level=params.level, method=METHOD, bounded=True))
    about = f"{subject.measured.replace('_', ' ')} of models trained on parts of train."
    curve = Curve("learning_curve", "train rows", (*sizes, float(len(train))), tuple(estimates), about)
    said = f"Score of the recipe on all {len(train)} train rows minus that on {100 * params.shares[-1]:.0f} % of them."
    gain = _clustered.measure(
        "gain_of_last_doubling", _pooled(gains), unit="points", about=said, null=params.tolerated_gain, level=params.level
    )
    return curve, gain


def _pooled(spreads: Sequence[_clustered.Spread]) -> _clustered.Spread:
    """The mean over models, with the error of the test rows and of the few models."""
    values: FloatArray = np.array([one.value for one in spreads])
    between = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    error = float(np.hypot(np.mean([one.error for one in spreads]), between))
    return _clustered.Spread(float(values.mean()), error, spreads[0].n, spreads[0].n_clusters)


def _toys(task: str) -> AnswerToys:
    """One word decides and is learned at once; in the cheat's data many words do, of which train has seen few."""
    from veridical.audit._evidence import Evidence
    from veridical.audit._made_up import nonsense

    def subject(cues: list[str]) -> AnswerSubject:
        rng, rows = stream(1, "stability toy of answers"), list[made_up.Row]()
        for i in range(600):
            found = bool(rng.random() < 0.7)
            cue = cues[int(rng.integers(len(cues)))] if found else nonsense(rng, 1)
            if task == "multilabel":  # every text has a cue, those of even places for X
                place = int(rng.integers(len(cues)))
                found, cue = place % 2 == 0, cues[place]
            words = f"{nonsense(rng, 3)} {cue} {nonsense(rng, 2)}".split(" ")
            tags = " ".join("B-X" if found and at == 3 else "O" for at in range(len(words)))
            label = tags if task == "ner" else made_up.names_in(["X"] if found else ["Y"])
            rows.append({"id": str(i), "split": "train" if i < 200 else "test", "text": " ".join(words), "label": label})
        data = made_up.answer_rows(task, rows, ("X",) if task == "ner" else ("X", "Y"))
        model = fit_linear_answering(data, data.rows("train"), structure=needed_structure(task), seed=0)
        return answer_subject_of(Evidence(data, seed=0), model, recipe=Recipe("linear"), budget="thorough")

    many = nonsense(stream(2, "stability toy of answers"), {"ner": 60, "multilabel": 30}[task]).split(" ")
    return AnswerToys(
        subject(["target", "target"] if task == "ner" else ["target", "other"]), subject(many), "gain_of_last_doubling"
    )


part = AnswerPart(
    run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel")},
    "No model of task {task} trains in seconds, so none can be trained again and again here.",
)  # fmt: skip
