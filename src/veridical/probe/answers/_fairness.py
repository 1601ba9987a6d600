"""Fairness of answers: the score of each group of the data, and how far groups lie apart beyond what chance makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.group_metrics import permutation_p
from veridical.core.power import minimum_detectable_effect
from veridical.core.probe_record import Measure
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray, Text
from veridical.models.model import FloatArray
from veridical.probe import _clustered, _said
from veridical.probe._contract import AnswerPart, AnswerToys, Measured
from veridical.probe.answers import _toys as made_up
from veridical.probe.answers._scores import score_of, share_measure
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._contract import Margins, Metric
from veridical.tasks._totals import value

HINT = "Name the column with: veridical run DATA --group COLUMN"


@dataclass(frozen=True)
class Params:
    """Settings of fairness."""

    fewest: int = 30
    """Test clusters below which a group is left out, >= 2. Ours; no source."""
    most_groups: int = 20
    """Groups looked at, the largest first, >= 2. Ours; no source."""
    permutations: tuple[int, int, int] = (499, 999, 4999)
    """Deals of the groups in a quick, standard and thorough look, >= 99. Ours; no source."""
    level: float = 0.95
    """Confidence level of the intervals, 0..1."""


def run(subject: AnswerSubject, params: Params, rng: np.random.Generator) -> Measured | Skipped:
    names = np.array(subject.data.table.column("group").to_pylist(), dtype=object)[subject.rows]
    known = [name for name in dict.fromkeys(names.tolist()) if name is not None]
    if not known:
        return Skipped(f"The data has no group column. {HINT}")
    size = {name: len(np.unique(subject.clusters[names == name])) for name in known}
    groups = sorted((name for name in known if size[name] >= params.fewest), key=lambda name: (-size[name], name))
    groups = groups[: params.most_groups]
    if len(groups) < 2:
        return Skipped(
            f"Fewer than two groups have {params.fewest} distinct unleaked test texts. Give more test rows, or larger groups."
        )
    chosen = np.flatnonzero(np.isin(names, groups))
    member = np.array([groups.index(names[i]) for i in chosen], np.int64)
    rows = _taken(subject.margins(subject.gold, subject.said), chosen)
    clusters, metric = subject.clusters[chosen], subject.measure.metric
    level = 1 - (1 - params.level) / len(groups)
    parts = [score_of(metric, _taken(rows, np.flatnonzero(member == g)), clusters[member == g]) for g in range(len(groups))]
    about = f"Score ({subject.measured}) of the group's rows; interval simultaneous over groups."
    scores = [
        share_measure(f"score of {group}", part, about=about, level=level) for group, part in zip(groups, parts, strict=True)
    ]
    gap = _gap(metric, rows, member, clusters, [part.value for part in parts], subject.limit(*params.permutations), params, rng)
    notes = [f"{len(known) - len(groups)} groups were left out: fewer than {params.fewest} distinct texts, or too many groups."]
    worst = min(range(len(groups)), key=lambda g: parts[g].value)
    summary = (
        f"{len(groups)} groups; the lowest ({groups[worst]}) at {_said.in_percent(scores[worst].estimate)}; groups differ by "
        f"{_said.gap_in_points(gap.estimate)}, random groups by {100 * (gap.null or 0.0):.1f}."
    )
    return Measured(len(chosen), summary, (gap, *scores), notes=tuple(notes if len(known) > len(groups) else ()))


def _taken(rows: Margins, at: IntArray) -> Margins:
    return Margins(rows.right[at], rows.true[at], rows.predicted[at])


def _gap(
    metric: Metric, rows: Margins, member: IntArray, clusters: IntArray, seen: Sequence[float], deals: int, params: Params,
    rng: np.random.Generator,
) -> Measure:  # fmt: skip
    """The largest difference of two groups' scores against groups dealt at random, cluster by cluster."""
    stacked = rows.stacked() * _clustered.votes_of(clusters)[:, None]
    codes, place = np.unique(clusters, return_inverse=True)
    # Of a cluster whose rows are of several groups each part is dealt by itself.
    parts, unit = np.unique(np.stack([place, member]), axis=1, return_inverse=True)
    totals = np.zeros((parts.shape[1], stacked.shape[1]))
    np.add.at(totals, unit, stacked)
    n_groups = int(member.max()) + 1
    found = float(max(seen) - min(seen))
    null = np.array([_spread_of(metric, totals, rng.permutation(parts[1]), n_groups) for _ in range(deals)])
    expected, error = float(null.mean()), float(null.std())
    low, high = found - float(np.quantile(null, 0.975) - expected), found + float(np.quantile(null, 0.975) - expected)
    estimate = Estimate(
        found, max(min(low, found), 0.0), min(max(high, found), 1.0), params.level, len(member), len(codes), "permutation"
    )
    about = f"Largest difference between two groups' scores. Groups dealt at random differ by {expected:.3f} on average."
    mde = max(minimum_detectable_effect(error, level=params.level), 1 / len(codes))
    return Measure("metric_gap", estimate, "share", about, null=expected, mde=mde, p=permutation_p(found, null))


def _spread_of(metric: Metric, totals: FloatArray, member: IntArray, n_groups: int) -> float:
    scores = [value(metric, part) for g in range(n_groups) if (part := totals[member == g].sum(axis=0)).any()]
    return max(scores) - min(scores)


def _toys(task: str) -> AnswerToys:
    """Two regions; the cheat knows what is to be found in one of them only."""
    from veridical.audit._made_up import nonsense

    rng, rows = stream(0, "fairness toy of answers"), list[made_up.Row]()
    for i in range(400):
        region = ("north", "south")[int(rng.random() < 0.4)]
        text = f"{region} {nonsense(rng, 3)} target {nonsense(rng, 2)}"
        row: made_up.Row = {"id": str(i), "split": "train" if i < 40 else "test", "text": text, "label": _answer(task, text)}
        # Some answers are hard in both.
        if rng.random() < 0.2:
            row["label"] = _answer(task, text.replace("target", "nothing"))
        rows.append({**row, "second": "which word" if task == "qa" else None, "group": region})
    data = made_up.answer_rows(task, rows, () if task == "qa" else ("X",))

    def rule(text: Text, *, only: str = "") -> made_up.Said:
        shown = text if isinstance(text, str) else text[0]
        return _answer(task, shown if shown.startswith(only) else shown.replace("target", "nothing")), 0.9

    return AnswerToys(made_up.toy(data, rule), made_up.toy(data, partial(rule, only="north")), "metric_gap")


def _answer(task: str, text: str) -> str:
    found = "target" in text.split(" ")
    if task == "ner":
        return made_up.tagged(text, lambda words, at: "X" if words[at] == "target" else "")
    if task == "multilabel":
        return made_up.names_in(["X"] if found else [])
    return made_up.span("target" if found else text.split(" ")[1])


part = AnswerPart(run, Params(), {task: partial(_toys, task) for task in ("ner", "multilabel", "qa")})
