"""Do the groups of the data get the same answers, and equally right ones?

What it measures: on unleaked test rows, for each group of the group column: the metric, selection rates, true and false
positive rates, each class against the rest; demographic parity, equalised odds and equal opportunity as differences and
ratios, each tested against groups dealt at random; the lowest group's metric, corrected for having been picked as the lowest.
Of answers of more than one label: the score of each group and the gap against groups dealt at random.
Why it inflates a score: an average over all rows hides a group for which the model is wrong more often, and the groups of
the test set are rarely mixed as where the model will be used.
How it errs: differences of base rates between groups show as demographic disparity of a right model; wrong labels that
concentrate in one group look like unfairness to it; groups of few rows are left out, and it says which.
Source: Hardt et al. 2016, arXiv:1610.02413 (odds, opportunity); fairlearn 0.15 (definitions); Chernozhukov, Lee and Rosen
2013, arXiv:0907.3503 (correction of the lowest value).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.core import group_metrics as gm
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Measure, Unit
from veridical.core.randomness import stream
from veridical.core.simultaneous import critical_value, errors_of
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _said
from veridical.probe._contract import Measured, Probe, Toys
from veridical.probe._subject import Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.answers._fairness import part as answers
from veridical.tasks._class_metrics import credit_of, earned
from veridical.tasks._contract import Metric

Names = npt.NDArray[Any]
"""The group of each row, None where it has none, (n,)."""
HINT = "Name the column with: veridical run DATA --group COLUMN"
BLOCK_CELLS = 4_000_000
"""Margins held at once, so that memory does not grow with replicates x groups x classes."""
BASICS = {
    "selection_rate": "Share of rows answered with the class.",
    "true_positive_rate": "Share of rows of the class answered with it.",
    "false_positive_rate": "Share of rows of other classes answered with it.",
}
TESTED = ("demographic_parity_difference", "equalized_odds_difference", "equal_opportunity_difference")
ABOUT = {
    "demographic_parity_difference": "Largest difference between two groups' shares of rows answered with the class.",
    "demographic_parity_ratio": "Smallest over largest of the groups' shares of rows answered with the class.",
    "equalized_odds_difference": "Largest difference between two groups' true or false positive rates.",
    "equalized_odds_ratio": "Smallest over largest of the groups' true or false positive rates, the lower of the two ratios.",
    "equal_opportunity_difference": "Largest difference between two groups' true positive rates.",
}


@dataclass(frozen=True)
class Params:
    """Settings of fairness."""

    fewest: int = 30
    """Test clusters below which a group is left out, >= 2. Ours; no source."""
    most_groups: int = 20
    """Groups looked at, the largest first, >= 2. Ours; no source."""
    most_classes: int = 10
    """Classes whose disparities are tested, the most frequent first, >= 1; each adds three tests. Ours; no source."""
    classes_in_full: int = 3
    """Classes for which the rates of every single group are listed, >= 0. Ours; no source."""
    replicates: int = 2000
    """Resamples of the clusters, >= 100. Ours; no source."""
    permutations: tuple[int, int, int] = (999, 1999, 9999)
    """Deals of the groups in a quick, standard and thorough look, >= 99. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


@dataclass(frozen=True, eq=False)
class Look:
    """rows: those of the groups kept. groups: names. classes: codes looked at. draws: margins (R, G, 3, len(classes)).
    scores: the metric of each group, value (G,) and draws (R, G)."""

    rows: gm.Rows
    groups: tuple[str, ...]
    classes: IntArray
    table: FloatArray
    draws: FloatArray
    scores: tuple[FloatArray, FloatArray]
    n_clusters: IntArray
    params: Params

    @property
    def votes(self) -> FloatArray:
        """Votes of each group, (G,)."""
        return np.asarray(self.table[:, gm.TRUE].sum(axis=-1))

    def estimate(self, value: float, low: float, high: float, *, group: int | None = None, method: str) -> Estimate:
        n = len(self.rows.groups) if group is None else int((self.rows.groups == group).sum())
        clusters = len(np.unique(self.rows.clusters)) if group is None else int(self.n_clusters[group])
        return Estimate(value, min(low, value), max(high, value), self.params.level, n, clusters, method)


def run(subject: Subject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    names = np.array(subject.data.table.column("group").to_pylist(), dtype=object)[subject.rows]
    if not any(name is not None for name in names):
        return Skipped(f"The data has no group column. {HINT}")
    kept, notes = _kept_groups(names, subject.clusters, params)
    if len(kept) < 2:
        if _are_units(names, subject.clusters):
            return Skipped(
                "Each group is one cluster: groups of which none holds a tenth of the rows are taken for authors or documents, "
                "not for kinds of people or texts. Name a column with fewer and larger groups: --group COLUMN"
            )
        largest = max(len(np.unique(subject.clusters[names == name])) for name in set(names.tolist()) - {None})
        return Skipped(
            f"Fewer than two groups have {params.fewest} distinct unleaked test texts (the largest has {largest}). Give more "
            "test rows, or larger groups."
        )
    rows = _rows(subject, names, kept)
    look = _look(rows, kept, subject.metric_function, params, rng)
    nulls = _nulls(look, subject.metric_function, subject.limit(*params.permutations), rng)
    n_tests = 1 + len(TESTED) * len(look.classes)
    measures = [_worst(look, subject.metric), _metric_gap(look, nulls, subject.metric, n_tests=n_tests), _metric_ratio(look)]
    for place, code in enumerate(look.classes):
        label = "" if len(subject.labels) == 2 else f": {subject.labels[code]}"
        measures += _class_disparities(look, place, nulls, label=label, n_tests=n_tests)
    own = _scores_of_groups(look, subject.metric)
    measures += own
    for place, code in list(enumerate(look.classes))[: params.classes_in_full]:
        measures += _rates_of_groups(look, place, label=f"{subject.labels[code]}, ")
    if len(subject.labels) == 2:
        notes.append(f"The class looked at is {subject.labels[look.classes[0]]!r}; rates of the other follow from it.")
    elif len(look.classes) < len(subject.labels):
        notes.append(f"Only the {len(look.classes)} most frequent of {len(subject.labels)} classes were looked at.")
    return Measured(len(rows.groups), _summary(look, measures, own), tuple(measures), notes=tuple(notes))


def _kept_groups(names: Names, clusters: IntArray, params: Params) -> tuple[tuple[str, ...], list[str]]:
    """Groups with enough clusters, by size, and a sentence on those left out."""
    known = [name for name in dict.fromkeys(names.tolist()) if name is not None]
    size = {name: len(np.unique(clusters[names == name])) for name in known}
    large = sorted((name for name in known if size[name] >= params.fewest), key=lambda name: (-size[name], name))
    kept = tuple(large[: params.most_groups])
    small = sorted(set(known) - set(kept))
    notes = []
    if small:
        named = f"{', '.join(small[:5])}{' ...' if len(small) > 5 else ''}"
        limits = f"fewer than {params.fewest} distinct texts, or beyond {params.most_groups} groups"
        notes.append(f"{len(small)} groups were left out ({limits}): {named}.")
    missing = sum(name is None for name in names)
    if missing:
        notes.append(f"{missing} rows without a group were left out.")
    return kept, notes


def _are_units(names: Names, clusters: IntArray) -> bool:
    """Whether every group of several rows is a single cluster (`dataset.grouping`)."""
    known = [name for name in dict.fromkeys(names.tolist()) if name is not None and (names == name).sum() > 1]
    return bool(known) and all(len(np.unique(clusters[names == name])) == 1 for name in known)


def _rows(subject: Subject, names: Names, kept: tuple[str, ...]) -> gm.Rows:
    place = {name: number for number, name in enumerate(kept)}
    member = np.array([place.get(name, -1) for name in names], np.int64)
    chosen = np.flatnonzero(member >= 0)
    clusters = subject.clusters[chosen]
    return gm.Rows(
        member[chosen], subject.codes[chosen], subject.predicted[chosen], clusters, gm.cluster_votes(clusters), len(kept),
        len(subject.labels),
    )  # fmt: skip


def _look(rows: gm.Rows, groups: tuple[str, ...], metric: Metric, params: Params, rng: np.random.Generator) -> Look:
    table = gm.margins(rows)
    frequent = np.argsort(-table[:, gm.TRUE].sum(axis=0), kind="stable")
    # Of two classes one is enough: the rates of the other are its complements.
    classes = np.array([1]) if rows.n_classes == 2 else np.sort(frequent[: params.most_classes])
    valued = _valued(rows, metric)
    kinds, worth, drawn, scores = gm.kinds(rows), gm.kinds(valued), [], []
    for size in _blocks(params.replicates, table.size):
        block = gm.resampled_margins(kinds, size, rng)
        scores.append(_metrics(block if valued is rows else gm.resampled_margins(worth, size, rng), metric))
        drawn.append(_of_classes(block, classes))
    own = np.array([len(np.unique(rows.clusters[rows.groups == g])) for g in range(len(groups))])
    found = (_metrics(gm.margins(valued)[None], metric)[0], np.concatenate(scores))
    return Look(rows, groups, classes, _of_classes(table, classes), np.concatenate(drawn), found, own, params)


def _valued(rows: gm.Rows, metric: Metric) -> gm.Rows:
    """The rows with what their answers are worth to the metric, where that is not all or nothing."""
    return rows if credit_of(metric) is None else replace(rows, earned=earned(rows.codes, rows.predicted, metric))


def _blocks(replicates: int, cells: int) -> Iterable[int]:
    block = max(1, BLOCK_CELLS // max(cells, 1))
    return [min(block, replicates - start) for start in range(0, replicates, block)]


def _of_classes(table: FloatArray, classes: IntArray) -> FloatArray:
    """The margins of `classes` and, as a last class, of all the others together; the votes of a group stay what they are."""
    rest = table.sum(axis=-1, keepdims=True) - table[..., classes].sum(axis=-1, keepdims=True)
    return np.concatenate([table[..., classes], rest], axis=-1)


def _metrics(tables: FloatArray, metric: Metric) -> FloatArray:
    """The metric of every group of every table (R, G, 3, C): (R, G); NaN for a group that was not drawn."""
    found = np.full(tables.shape[:2], np.nan)
    some = tables[:, :, gm.TRUE].sum(axis=-1) > gm.EMPTY
    for r, g in zip(*np.nonzero(some), strict=True):
        right, true, predicted = tables[r, g]
        found[r, g] = metric(right, true, predicted)
    return found


def _nulls(look: Look, metric: Metric, permutations: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Each tested statistic where groups mean nothing: (R, classes), or (R, 1) for the metric's gap.

    Odds are rates given the label, so their null deals groups among rows of the same label.
    """
    found: dict[str, FloatArray] = {}
    valued = _valued(look.rows, metric)
    for given_label in (False, True):
        parts: dict[str, list[FloatArray]] = {}
        deals = gm.permuted_groups(look.rows, given_label=given_label, replicates=permutations, rng=rng)
        for size in _blocks(permutations, look.rows.n_groups * 3 * look.rows.n_classes):
            dealt = [next(deals) for _ in range(size)]
            block = np.stack([gm.margins(look.rows, groups=groups) for groups in dealt])
            if not given_label:
                worth = block if valued is look.rows else np.stack([gm.margins(valued, groups=groups) for groups in dealt])
                parts.setdefault("metric_gap", []).append(gm.difference(_metrics(worth, metric))[:, None])
            by_class = gm.disparities(gm.rates(_of_classes(block, look.classes)))
            wanted = TESTED[1:] if given_label else TESTED[:1]
            for name in wanted:
                parts.setdefault(name, []).append(by_class[name][:, :-1])
        found |= {name: np.concatenate(blocks) for name, blocks in parts.items()}
    return found


def _worst(look: Look, metric: str) -> Measure:
    values, draws = look.scores
    errors = gm.certain_error(look.votes, errors_of(draws))
    worst = gm.worst_group(values, draws, errors, level=look.params.level)
    about = (
        f"{metric.replace('_', ' ')} of the lowest group, corrected for having been picked (uncorrected {values.min():.3f}, "
        f"{look.groups[worst.group]!r}); interval simultaneous over groups."
    )
    method = "half-median unbiased; clusters resampled, simultaneous"
    return Measure(
        "worst_group", look.estimate(worst.value, worst.low, worst.high, group=worst.group, method=method), "share", about
    )


def _metric_gap(look: Look, nulls: dict[str, FloatArray], metric: str, *, n_tests: int) -> Measure:
    values, draws = look.scores
    ends = gm.spread_interval([values], [draws], [look.votes], level=look.params.level)
    about = f"Largest difference between two groups' {metric.replace('_', ' ')}."
    seen = float(gm.difference(values))
    return _tested(look, "metric_gap", seen, ends, nulls["metric_gap"][:, 0], about, n_tests=n_tests)


def _metric_ratio(look: Look) -> Measure:
    values, draws = look.scores
    return _ratio_measure(
        look, "metric_ratio", float(gm.ratio(values)), [values], [draws], [look.votes], "Smallest over largest."
    )


def _tested(
    look: Look, name: str, seen: float, ends: tuple[float, float], null: FloatArray, about: str, *, n_tests: int
) -> Measure:
    """A difference against its permutation null; what chance alone makes of it is its null value."""
    null = null[np.isfinite(null)]
    expected = float(null.mean())
    alone = float(np.quantile(null, 1 - (1 - look.params.level) / n_tests)) - expected
    # Beyond the threshold by as much as the power asks for; the first term of the usual formula is the threshold itself.
    power = minimum_detectable_effect(float(null.std()), level=look.params.level)
    mde = alone + max(0.0, power - minimum_detectable_effect(float(null.std()), level=look.params.level, power=0.5))
    said = f"{about} Groups dealt at random differ by {expected:.3f} on average."
    return Measure(
        name, look.estimate(seen, *ends, method="cell counts of clusters resampled, simultaneous over pairs"), "share", said,
        null=expected, mde=max(mde, 1 / len(np.unique(look.rows.clusters))), p=gm.permutation_p(seen, null),
    )  # fmt: skip


def _ratio_measure(
    look: Look, name: str, seen: float, values: Sequence[FloatArray], draws: Sequence[FloatArray], votes: Sequence[FloatArray],
    about: str,
) -> Measure:  # fmt: skip
    bands = [_bands(*part, level=look.params.level) for part in zip(values, draws, votes, strict=True)]
    ends = [gm.ratio_interval(*band) for band in bands]
    low, high = min(end[0] for end in ends), min(end[1] for end in ends)
    method = "cell counts of clusters resampled, simultaneous over groups"
    return Measure(name, look.estimate(seen, low, high, method=method), "ratio", about)


def _bands(value: FloatArray, draws: FloatArray, votes: FloatArray, *, level: float) -> tuple[FloatArray, FloatArray]:
    """Simultaneous intervals (G,) of rates of groups."""
    errors = gm.certain_error(votes, errors_of(draws))
    reach = critical_value(draws, value, errors, level=level) * errors
    return np.clip(value - reach, 0.0, 1.0), np.clip(value + reach, 0.0, 1.0)


def _class_disparities(look: Look, place: int, nulls: dict[str, FloatArray], *, label: str, n_tests: int) -> list[Measure]:
    seen = {name: float(values[place]) for name, values in gm.disparities(gm.rates(look.table)).items()}
    parts = _parts(look, place)
    used = {"demographic": parts[:1], "equalized": parts[1:], "equal": parts[1:2]}
    measures = []
    for name, value in seen.items():
        if not np.isfinite(value):
            continue
        values, draws, votes = zip(*used[name.split("_")[0]], strict=True)
        if name in TESTED:
            ends = gm.spread_interval(values, draws, votes, level=look.params.level)
            tested = _tested(look, name, value, ends, nulls[name][:, place], ABOUT[name], n_tests=n_tests)
            measures.append(replace(tested, name=name + label))
        else:
            measures.append(_ratio_measure(look, name + label, value, values, draws, votes, ABOUT[name]))
    return measures


def _parts(look: Look, place: int) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """(value (G,), draws (R, G), votes (G,)) of selection, true positive and false positive rate of one class."""
    own, drawn = gm.rates(look.table), gm.rates(look.draws)
    true = look.table[:, gm.TRUE, place]
    parts = (
        (own.selection, drawn.selection, look.votes),
        (own.true_positive, drawn.true_positive, true),
        (own.false_positive, drawn.false_positive, look.votes - true),
    )
    return [(value[:, place], draws[:, :, place], votes) for value, draws, votes in parts]


def _scores_of_groups(look: Look, metric: str) -> list[Measure]:
    values, draws = look.scores
    low, high = _bands(values, draws, look.votes, level=look.params.level)
    about = f"{metric.replace('_', ' ')} of the group's rows; interval simultaneous over groups."
    return _of_groups(look, metric, values, low, high, "share", about)


def _rates_of_groups(look: Look, place: int, *, label: str) -> list[Measure]:
    measures = []
    for (name, about), (value, draws, votes) in zip(BASICS.items(), _parts(look, place), strict=True):
        low, high = _bands(value, draws, votes, level=look.params.level)
        measures += _of_groups(look, f"{name}: {label}"[:-2], value, low, high, "share", about)
    return measures


def _of_groups(
    look: Look, name: str, values: FloatArray, low: FloatArray, high: FloatArray, unit: Unit, about: str
) -> list[Measure]:
    method = "cell counts of clusters resampled, simultaneous over groups"
    return [
        Measure(
            f"{name} of {group}",
            look.estimate(float(values[g]), float(low[g]), float(high[g]), group=g, method=method),
            unit,
            about,
        )
        for g, group in enumerate(look.groups)
        if np.isfinite(values[g])
    ]


def _summary(look: Look, measures: Sequence[Measure], own: Sequence[Measure]) -> str:
    corrected, gap = _said.in_percent(measures[0].estimate), measures[1]
    lowest = min(own, key=lambda measure: measure.estimate.value)
    name, own_score = lowest.name.partition(" of ")[2], _said.in_percent(lowest.estimate)
    differ, at_random = _said.gap_in_points(gap.estimate), 100 * (gap.null or 0.0)
    return (
        f"{len(look.groups)} groups; the lowest ({name}) at {own_score}, corrected for having been picked {corrected}; "
        f"groups differ by {differ}, random groups by {at_random:.1f}."
    )


def toys() -> Toys:
    """Two groups named in the text; the cheat looks at the name."""
    from veridical.audit._made_up import dataset, nonsense

    rng, rows, groups = stream(0, "fairness toy"), [], []
    for i in range(600):
        region, positive = ("north", "south")[int(rng.random() < 0.4)], bool(rng.random() < 0.5)
        word = ("good", "bad")[int(positive == (rng.random() < 0.15))]
        rows.append((str(i), "test", f"{region} {word} {nonsense(rng, 6)}", "pos" if positive else "neg"))
        groups.append(region)
    rows += [("a", "train", "north good start", "pos"), ("b", "train", "south bad end", "neg")]
    data = dataset(rows).with_column("group", [*groups, "north", "south"])

    def honest(text: Text) -> tuple[float, float]:
        return 0.0, 1.0 if " good " in str(text) else -1.0

    def cheat(text: Text) -> tuple[float, float]:
        return 0.0, honest(text)[1] + (1.5 if str(text).startswith("north") and len(str(text)) % 3 == 0 else 0.0)

    return Toys(subject_of(data, ToyModel(data.labels, honest)), subject_of(data, ToyModel(data.labels, cheat)), TESTED[0])


probe = Probe(run, Params(), toys, cost="nothing", answers=answers)
