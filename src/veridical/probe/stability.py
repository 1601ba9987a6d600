"""Would the same recipe, trained again, give the same answers, and how much would more rows buy?

What it measures: models trained again by the scored model's recipe with other seeds, another order of rows and resampled
train clusters: the share of answers on which two of them differ (churn), the spread of their scores, and that spread against
the sampling error of the test set; the score over nested parts of train, continued to twice the rows by a power law, and by
how much such a continuation missed the last point that it had not seen. A tuned encoder is trained again with other seeds, which
deal the order too; for the rest heads on its frozen features stand in. Of tags and label sets: the same for whole answers, and
what the last doubling of train rows bought.
Why it inflates a score: one lucky run reported as the method's score; and a score said to be the model's that is the sample's.
How it errs: a linear model hardly depends on its seed; few trainings of an encoder tell a spread badly, and its interval says
so; a head on frozen features moves less than the whole encoder, so its figures describe and find nothing; a power law need not go
on, so the interval is widened by what it missed, and still is a guess.
Source: D'Amour et al. 2020, arXiv:2011.03395 (underspecification); Milani Fard et al. 2016 (churn); Hestness et al. 2017,
arXiv:1712.00409 (power laws).
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from veridical.core.bootstrap import percentile_interval, resampled_counts
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.group_metrics import certain_error
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Curve, Example, Measure
from veridical.core.proportion import opened_share
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._learning_curve import continued
from veridical.probe._retraining import Again, EncoderAgain, HeadAgain, retraining
from veridical.probe._said import in_percent, in_points
from veridical.probe._subject import Recipe, Subject, subject_of
from veridical.probe.answers._stability import part as answers
from veridical.tasks._class_metrics import earned
from veridical.tasks._contract import Metric

KINDS = {
    "seeds": "with other seeds",
    "order": "with the train rows in another order",
    "resampled": "on resampled clusters of train",
}
HEADS = "heads on frozen features"


@dataclass(frozen=True)
class Params:
    """Settings of stability."""

    models: tuple[int, int, int] = (4, 10, 30)
    """Models of each kind in a quick, standard and thorough look, >= 2. Ours; no source."""
    encoders: int = 3
    """Trainings of a tuned encoder with other seeds, in budget thorough, >= 2. Ours: each takes as long as that of the run."""
    shares: tuple[float, ...] = (0.1, 0.18, 0.32, 0.56, 1.0)
    """Shares of the train clusters at which the learning curve is taken, ascending, the last 1; at least 4. Ours; no source."""
    repeats: tuple[int, int, int] = (4, 8, 20)
    """Nested chains of subsamples in a quick, standard and thorough look, >= 2. Ours; no source."""
    fewest: int = 100
    """Distinct train texts, and distinct test texts, below which the probe is skipped. Ours; no source."""
    replicates: int = 500
    """Resamples of test clusters and chains. Ours; no source."""
    ahead: float = 2.0
    """How many times the rows the curve is continued to, > 1. Ours: further out a power law is a guess."""
    tolerated_gain: float = 1.0
    """Points from more rows up to which nothing is called found, >= 0: a fitted curve never falls, so some gain is always
    promised. Ours; no source."""
    examples: int = 5
    """Rows shown on which retrained models disagree most. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class Scale:
    """What every model is measured on: test rows with votes, clusters 0..K-1, and resamples of these (R, K)."""

    subject: Subject
    metric: Metric
    member: IntArray
    votes: FloatArray
    drawn: FloatArray

    def table(self, predicted: IntArray) -> sp.csr_matrix:
        """Votes of each cluster: right, true, predicted, (K, 3 C)."""
        classes, codes = len(self.subject.labels), self.subject.codes
        column = np.concatenate([codes, classes + codes, 2 * classes + predicted])
        value = np.concatenate([self.votes * earned(codes, predicted, self.metric), self.votes, self.votes])
        shape = (self.drawn.shape[1], 3 * classes)
        return sp.csr_matrix((value, (np.tile(self.member, 3), column)), shape=shape)

    def score(self, predicted: IntArray) -> tuple[float, FloatArray]:
        """(metric, metric in each resample (R,))."""
        table = self.table(predicted)
        drawn = np.asarray(table.T @ self.drawn.T).T
        return self._metric(np.asarray(table.sum(axis=0)).ravel()), np.array([self._metric(row) for row in drawn])

    def _metric(self, totals: FloatArray) -> float:
        classes = len(self.subject.labels)
        return self.metric(totals[:classes], totals[classes : 2 * classes], totals[2 * classes :])


@dataclass(frozen=True, eq=False)
class Retrained:
    """Models that differ in one thing (`kind`): their predicted labels (S, n). who: what they are. decides: whether they are of
    the scored model's recipe, so that something may be found on them. level: of the intervals."""

    kind: str
    who: str
    answers: IntArray
    decides: bool
    level: float


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    recipe = subject.recipe
    if recipe is not None and recipe.model != "linear" and subject.budget != "thorough":
        return Skipped(
            f"Training {recipe.model} again takes too long for this budget. Use --budget thorough: it takes {params.encoders} "
            "trainings with other seeds, each as long as that of the run, and fits heads on frozen features."
        )
    again = retraining(subject)
    if isinstance(again, str):
        return Skipped(again)
    train = subject.data.rows("train")
    train = train[subject.data.codes[train] >= 0]
    families, test_families = (len(np.unique(subject.evidence.clusters[rows])) for rows in (train, subject.rows))
    if min(families, test_families) < params.fewest:
        return Skipped(
            f"{families} distinct train texts and {test_families} distinct test texts are there; {params.fewest} of each are "
            "needed to tell luck from skill. Give more rows."
        )
    member = np.unique(subject.clusters, return_inverse=True)[1].astype(np.int64)
    drawn = resampled_counts(test_families, params.replicates, rng)
    scale = Scale(subject, subject.metric_function, member, _clustered.votes_of(subject.clusters), drawn)
    trained, notes = _trained_again(again, subject, train, params, rng)
    measures = [measure for one in trained for measure in _of_kind(one, scale)]
    curve, more = _learning(again, subject, train, scale, params, rng)
    if again.stands_in:
        more = [replace(measure, null=None, mde=None) for measure in more]
    summary = _summary([*measures, *more], stands_in=again.stands_in)
    decided = [one for one in trained if one.decides]
    examples = _examples(subject, decided[-1].answers, params) if decided else ()
    return Measured(len(subject.rows), summary, (*more, *measures), (curve,), examples, notes)


def _trained_again(
    again: Again, subject: Subject, train: IntArray, params: Params, rng: np.random.Generator
) -> tuple[list[Retrained], tuple[str, ...]]:
    """What was trained again, and what is to be said of it. What neither seed nor order can move is not looked at for them."""
    if isinstance(again, HeadAgain):
        return _encoder_again(again, subject, train, params, rng)
    level = 1 - (1 - params.level) / len(KINDS)  # one of several is more easily out by luck
    trained = []
    for number, kind in enumerate(KINDS):
        subject.progress("retrain", number, len(KINDS))
        answers = _retrained(kind, again, subject, train, subject.limit(*params.models), rng)
        trained.append(Retrained(kind, "models", answers, decides=True, level=level))
    return trained, (f"Trained again was {again.what}.",)


def _encoder_again(
    again: HeadAgain, subject: Subject, train: IntArray, params: Params, rng: np.random.Generator
) -> tuple[list[Retrained], tuple[str, ...]]:
    """The whole encoder with other seeds, the scored one among them, and heads on resamples of train."""
    assert subject.recipe is not None
    whole, n = EncoderAgain(subject, subject.recipe), params.encoders
    trained, notes, decides = [], [], not again.stands_in
    level = 1 - (1 - params.level) / 2 if decides and whole.moved_by_seed else params.level
    if whole.moved_by_seed:
        said = [subject.predicted]
        for number in range(n):
            subject.progress("retrain", number, n)
            said.append(whole.predict(subject.rows, seed=subject.seed + 1 + number).argmax(axis=1))
        trained.append(Retrained("seeds", "encoders", np.array(said, np.int64), decides=True, level=level))
        notes.append(
            f"The encoder was trained {n} times more, as its run did but with other seeds; these deal the order of rows too, so "
            "order alone was not looked at."
        )
    else:
        notes.append("Neither seed nor order moves this encoder: its head alone was tuned, and is solved for.")
    notes.append(
        "Resamples and parts of train were learned by heads on the frozen features of the encoder: their figures describe, and "
        "what is found rests on the tuned encoder."
        if again.stands_in
        else f"Trained again was {again.what}."
    )
    answers = _retrained("resampled", again, subject, train, subject.limit(*params.models), rng)
    trained.append(Retrained("resampled", HEADS, answers, decides=decides, level=level))
    return trained, tuple(notes)


def _retrained(kind: str, again: Again, subject: Subject, train: IntArray, n_models: int, rng: np.random.Generator) -> IntArray:
    """Predicted labels (S, n) of models that differ in one thing."""
    answers = []
    clusters = np.unique(subject.evidence.clusters[train], return_inverse=True)[1]
    for number in range(n_models):
        rows, times, seed = train, None, subject.seed
        if kind == "seeds":
            seed = subject.seed + 1 + number
        elif kind == "order":
            rows = rng.permutation(train)
        else:
            drawn = resampled_counts(int(clusters.max()) + 1, 1, rng)[0][clusters].astype(np.int64)
            rows, times = train[drawn > 0], drawn[drawn > 0]
        answers.append(again.predict(rows, subject.rows, seed=seed, times=times).argmax(axis=1))
    return np.array(answers, np.int64)


def disagreement(answers: IntArray, n_classes: int) -> FloatArray:
    """Share of pairs of models that differ on each row, (n,), from labels (S, n)."""
    n_models = len(answers)
    counts = np.stack([(answers == code).sum(axis=0) for code in range(n_classes)])
    return np.asarray(1 - (counts * (counts - 1)).sum(axis=0) / (n_models * (n_models - 1)))


def _of_kind(trained: Retrained, scale: Scale) -> list[Measure]:
    subject, answers, level, n_models = scale.subject, trained.answers, trained.level, len(trained.answers)
    kind, said = trained.kind, f"{trained.who} trained {KINDS[trained.kind]}"
    scores = [scale.score(one) for one in answers]
    spread = float(np.std([value for value, _ in scores], ddof=1))
    low, high = sd_interval(spread, n_models, level)
    n, clusters = len(subject.rows), scale.drawn.shape[1]
    method = f"chi-square over {n_models} models"
    sampling = float(np.mean([draws.std() for _, draws in scores]))
    sampling = float(certain_error(np.array([float(clusters)]), np.array([sampling]))[0])
    ratio = Estimate(spread / sampling, low / sampling, high / sampling, level, n, clusters, method)
    metric = subject.metric.replace("_", " ")
    points = Estimate(100 * spread, 100 * low, 100 * high, level, n, clusters, method)
    about = f"Standard deviation of the {metric} of {n_models} {said}, over the sampling error of the test set."
    null, mde = (1.0, sd_mde(n_models, level)) if trained.decides else (None, None)
    return [
        _clustered.measure(
            f"churn: {kind}", _churn(answers, scale), unit="share", about=f"Share of answers on which two {said} differ.",
            level=level, method="clusters, and models left out in turn", bounded=True,
        ),
        Measure(f"spread: {kind}", points, "points", f"Standard deviation of the {metric} of {said}."),
        Measure(f"spread_to_sampling: {kind}", ratio, "ratio", about, null=null, mde=mde),
    ]  # fmt: skip


def _churn(answers: IntArray, scale: Scale) -> _clustered.Spread:
    """Mean disagreement with the errors of the clusters and of the few models (jackknife) together."""
    n_classes, n_models = len(scale.subject.labels), len(answers)
    rows = disagreement(answers, n_classes)
    found = _clustered.mean(rows, scale.member)
    if n_models < 3:
        return found
    without = [
        disagreement(np.delete(answers, one, axis=0), n_classes) @ scale.votes / scale.votes.sum() for one in range(n_models)
    ]
    between = float(np.sqrt((n_models - 1) * np.var(without)))
    return _clustered.Spread(found.value, float(np.hypot(found.error, between)), found.n, found.n_clusters)


def sd_interval(sd: float, n: int, level: float) -> tuple[float, float]:
    """Interval of a standard deviation seen over n normal values."""
    from scipy.stats import chi2

    ends = chi2.ppf([0.5 + level / 2, 0.5 - level / 2], n - 1)
    low, high = sd * np.sqrt((n - 1) / ends)
    return float(low), float(high)


def sd_mde(n: int, level: float) -> float:
    """How far above 1 a ratio of standard deviations must lie to be seen with 80 % power over n models."""
    from scipy.stats import chi2

    return float(np.sqrt(chi2.ppf(0.5 + level / 2, n - 1) / chi2.ppf(0.2, n - 1)) - 1)


def _chains(
    again: Again, subject: Subject, train: IntArray, params: Params, rng: np.random.Generator
) -> tuple[FloatArray, list[list[IntArray]]]:
    """Mean train rows at each share (S,), and predicted labels by chain and share; a chain's parts hold one another."""
    clusters = np.unique(subject.evidence.clusters[train], return_inverse=True)[1]
    n_clusters, n_chains = int(clusters.max()) + 1, subject.limit(*params.repeats)
    codes = subject.data.codes[train]
    whole = again.predict(train, subject.rows, seed=subject.seed).argmax(axis=1)
    rows, answers = np.zeros(len(params.shares)), []
    for chain in range(n_chains):
        rank = rng.permutation(n_clusters)[clusters]
        made = []
        for place, share in enumerate(params.shares):
            subject.progress("learning curve", chain * len(params.shares) + place, n_chains * len(params.shares))
            part = np.flatnonzero(rank < max(round(share * n_clusters), 2))
            rows[place] += len(part) / n_chains
            if len(part) == len(train):
                made.append(whole)
            elif len(np.unique(codes[part])) < 2:
                made.append(np.full(len(subject.rows), np.bincount(codes[part]).argmax(), np.int64))
            else:
                made.append(again.predict(train[part], subject.rows, seed=subject.seed).argmax(axis=1))
        answers.append([np.asarray(one, np.int64) for one in made])
    return rows, answers


def _learning(
    again: Again, subject: Subject, train: IntArray, scale: Scale, params: Params, rng: np.random.Generator
) -> tuple[Curve, list[Measure]]:
    sizes, answers = _chains(again, subject, train, params, rng)
    scored = [[scale.score(one) for one in chain] for chain in answers]
    values = np.array([[value for value, _ in chain] for chain in scored])  # (chains, S)
    draws = np.array([[drawn for _, drawn in chain] for chain in scored])  # (chains, S, R)
    # A replicate draws test clusters (shared by all models) and chains.
    n_chains = len(values)
    counts = resampled_counts(n_chains, params.replicates, rng) / n_chains
    # Resampling few things shows too little of their spread, by (n - 1) / n of the variance.
    counts = 1 / n_chains + (counts - 1 / n_chains) * np.sqrt(n_chains / (n_chains - 1))
    drawn = np.einsum("rk,ksr->rs", counts, draws)
    mean = values.mean(axis=0)
    n, clusters = len(subject.rows), scale.drawn.shape[1]
    method = f"{n_chains} nested chains; test clusters and chains resampled"
    points = []
    for place, value in enumerate(mean.tolist()):
        ends = percentile_interval(drawn[:, place], value, params.level)
        ends = opened_share(ends, value, n=clusters, level=params.level)
        points.append(Estimate(value, *ends, params.level, n, clusters, method))
    who = HEADS if isinstance(again, HeadAgain) else "models"
    about = f"{subject.metric.replace('_', ' ')} of {who} trained on parts of train."
    curve = Curve("learning_curve", "train rows", tuple(float(round(size)) for size in sizes), tuple(points), about)
    return curve, _continued(sizes, mean, drawn, n=n, clusters=clusters, params=params)


def _continued(sizes: FloatArray, mean: FloatArray, drawn: FloatArray, *, n: int, clusters: int, params: Params) -> list[Measure]:
    """What more rows would buy by the fitted curve, and what the same fit without the last point said about that point."""
    both = 1 - np.concatenate([mean[None], drawn])  # the first row is the value itself
    here, ahead = continued(sizes, both, np.array([sizes[-1], params.ahead * sizes[-1]])).T
    gains = 100 * (here - ahead)
    before = continued(sizes[:-1], both[:, :-1], sizes[-1:])[:, 0]
    misses = 100 * (both[:, -1] - before)  # above 0: the curve promised more than came
    missed, gain = float(misses[0]), float(gains[0])
    low, high = percentile_interval(gains[1:], gain, params.level)
    method = "power law; test clusters and chains resampled, widened by what the continuation missed"
    # A curve that promised too much may do so again, and one that promised too little as well: each side by its own miss.
    over, under = max(missed, 0.0), max(-missed, 0.0)
    error = minimum_detectable_effect(float(gains[1:].std()), level=params.level) + over
    found = Estimate(gain, low - over, high + under, params.level, n, clusters, method)
    about = f"Points that {params.ahead:g} times the train rows would buy if the learning curve went on as it does."
    miss_ends = percentile_interval(misses[1:], missed, params.level)
    check = Estimate(missed, *miss_ends, params.level, n, clusters, "power law without the last point; resampled")
    checked = f"Promised by the smaller parts ({sizes[-2]:.0f} rows and fewer) for all {sizes[-1]:.0f} rows, less what came."
    return [
        Measure("gain_from_more_rows", found, "points", about, null=params.tolerated_gain, mde=max(error, 100 / clusters)),
        Measure("continuation_missed", check, "points", checked),
    ]


def _examples(subject: Subject, answers: IntArray, params: Params) -> tuple[Example, ...]:
    rows = disagreement(answers, len(subject.labels))
    order = np.argsort(-rows, kind="stable")[: params.examples]
    made = []
    for place in order[rows[order] > 0]:
        codes, counts = np.unique(answers[:, place], return_counts=True)
        said = [f"{subject.labels[code]} by {count} of {len(answers)}" for code, count in zip(codes, counts, strict=True)]
        text = subject.inputs[place]
        shown = text if isinstance(text, str) else " | ".join(text)
        made.append(Example(subject.data.ids[int(subject.rows[place])], shown, shown, said[0], ", ".join(said[1:]), "retrained"))
    return tuple(made)


def _summary(measures: list[Measure], *, stands_in: bool) -> str:
    by_name = {measure.name: measure.estimate for measure in measures}
    churn, spread, gain = by_name["churn: resampled"], by_name["spread: resampled"], by_name["gain_from_more_rows"]
    if not stands_in:
        return (
            f"Trained on a resample of train, answers that change: {in_percent(churn)}; the score spreads by "
            f"{in_points(spread)}; twice the rows would buy {in_points(gain)}."
        )
    said = (
        f"Heads on frozen features, trained on a resample of train: answers that change: {in_percent(churn)}; the score spreads "
        f"by {in_points(spread)}; twice the rows would buy {in_points(gain)}."
    )
    changed, scores = (by_name.get(f"{name}: seeds") for name in ("churn", "spread"))
    if changed is None or scores is None:
        return said
    whole = (
        f"The encoder, trained with other seeds: answers that change: {in_percent(changed)}; the score spreads by "
        f"{in_points(scores)}."
    )
    return f"{whole} {said}"


def toys() -> Toys:
    """One word decides and is learned at once; the cheat's labels hang on many words of which few have been seen."""
    from veridical.audit._made_up import dataset, nonsense
    from veridical.models.linear import train_linear

    def subject(cues: tuple[list[str], list[str]]) -> Subject:
        rng, rows = stream(1, "stability toy"), []
        for i in range(560):
            positive = bool(rng.random() < 0.5)
            cue = cues[int(positive)][int(rng.integers(len(cues[0])))]
            given = positive != (rng.random() < 0.05)  # some labels are wrong, so a right model has a sampling error too
            rows.append((str(i), "train" if i < 260 else "test", f"{cue} {nonsense(rng, 4)}", "pos" if given else "neg"))
        data = dataset(rows)
        train = data.rows("train")
        model = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
        return subject_of(data, model, recipe=Recipe("linear"), budget="quick")

    many = [f"{a}{b}{c}" for a in "xqvjkwyh" for b in "aeiou" for c in ("zz", "ff", "pp", "cc", "nn", "dd")]
    return Toys(subject((["bad"], ["good"])), subject((many[::2], many[1::2])), "gain_from_more_rows")


probe = Probe(run, Params(), toys, answers=answers)
