"""Scores of answers as measures: their errors from how each row moves the metric of the totals, cluster by cluster.

Letters: n rows, 3W statistics a row, K clusters. Every cluster has one vote.
"""

from dataclasses import replace

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure, Unit
from veridical.dataset.rows import IntArray
from veridical.models.answer_queries import AnswerQueries
from veridical.models.model import FloatArray
from veridical.probe import _clustered
from veridical.probe._clustered import Side
from veridical.probe._share import paired_estimate
from veridical.probe.answers._subject import AnswerSubject
from veridical.tasks._contract import Margins, Metric
from veridical.tasks._totals import gradient, value

METHOD = "slope of the metric, clusters"
NO_MODEL = "Only predictions are known, and the model must be asked about changed inputs. Give the model itself."


def asked_of(subject: AnswerSubject) -> AnswerQueries | Skipped:
    """Whom to ask, or why nobody can be asked."""
    return subject.queries if subject.queries is not None else Skipped(NO_MODEL)


def score_of(metric: Metric, rows: Margins, clusters: IntArray) -> _clustered.Spread:
    """The metric of all rows, with its error."""
    reached, influence = _influence(metric, rows.stacked(), _clustered.votes_of(clusters))
    return _spread(reached, influence, clusters)


def lost(metric: Metric, before: Margins, after: Margins, clusters: IntArray) -> _clustered.Spread:
    """The metric before minus after, on the same rows."""
    votes = _clustered.votes_of(clusters)
    first, moved = _influence(metric, before.stacked(), votes)
    second, moved_after = _influence(metric, after.stacked(), votes)
    return _spread(first - second, moved - moved_after, clusters)


def survives(metric: Metric, before: Margins, after: Margins, clusters: IntArray) -> _clustered.Spread:
    """The metric after over before, on the same rows."""
    votes = _clustered.votes_of(clusters)
    first, moved = _influence(metric, before.stacked(), votes)
    second, moved_after = _influence(metric, after.stacked(), votes)
    if first <= 0:
        return _spread(0.0, np.zeros(len(clusters)), clusters)
    return _spread(second / first, (moved_after - second / first * moved) / first, clusters)


def _influence(metric: Metric, stacked: FloatArray, votes: FloatArray) -> tuple[float, FloatArray]:
    totals = votes @ stacked / votes.sum()
    if not totals.any():
        return 0.0, np.zeros(len(stacked))
    slopes = gradient(metric, totals)
    score = stacked @ slopes
    return value(metric, totals), votes / votes.sum() * (score - votes @ score / votes.sum())


def _spread(reached: float, influence: FloatArray, clusters: IntArray) -> _clustered.Spread:
    sums = np.bincount(np.unique(clusters, return_inverse=True)[1], influence)
    error = float(np.sqrt(sums @ sums * len(sums) / max(len(sums) - 1, 1)))
    return _clustered.Spread(float(reached), error, len(clusters), len(sums))


def loss_measure(
    name: str,
    metric: Metric,
    before: Margins,
    after: Margins,
    clusters: IntArray,
    *,
    about: str,
    level: float,
    tolerated: float = 0.0,
) -> Measure:
    """Points lost from before to after, against `tolerated` points."""
    found = lost(metric, before, after, clusters)
    estimate = paired_estimate(found, level=level, scale=100.0)
    mde = found.mde(level=level, scale=100.0)
    return Measure(name, estimate, "points", about, null=tolerated, mde=mde, p=found.p(tolerated / 100))


def share_measure(
    name: str, found: _clustered.Spread, *, about: str, level: float, null: float | None = None, worse: Side = "above"
) -> Measure:
    """A share, and where a null is given how far it lies beyond it."""
    estimate = found.estimate(level=level, method=METHOD, bounded=True)
    if null is None:
        return Measure(name, estimate, "share", about)
    return _tested(name, estimate, found, about, null=null, worse=worse, level=level, unit="share")


def ratio_measure(name: str, found: _clustered.Spread, *, about: str, level: float, null: float | None = None) -> Measure:
    """A ratio or a rate, which is never below 0."""
    estimate = found.estimate(level=level, method=METHOD)
    estimate = replace(estimate, low=max(estimate.low, min(0.0, estimate.value)))
    if null is None:
        return Measure(name, estimate, "ratio", about)
    return _tested(name, estimate, found, about, null=null, worse="above", level=level, unit="ratio")


def _tested(
    name: str, estimate: Estimate, found: _clustered.Spread, about: str, *, null: float, worse: Side, level: float, unit: Unit
) -> Measure:
    mde = found.mde(level=level, changes=unit == "share")
    return Measure(name, estimate, unit, about, null=null, worse=worse, mde=mde, p=found.p(null))
