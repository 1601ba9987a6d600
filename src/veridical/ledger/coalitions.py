"""The score of every coalition of components, with the influence of every test row on it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from veridical.ledger.borrowing import Borrowed
from veridical.ledger.contract import Shortcut
from veridical.ledger.game import Coalition, Value, combine
from veridical.ledger.inference import Uncertainty
from veridical.ledger.review import Reviewed
from veridical.ledger.score_table import Predictions, Statistics, collapses, gradient, imputed, statistics, value
from veridical.ledger.tables import Tables
from veridical.models.model import FloatArray
from veridical.tasks._contract import Metric

MEASUREMENT = ("protocol", "leakage", "sample", "noise", "reuse")
ACTIVE = ("leakage", "sample", "noise")
"""Players that change the score here. Protocol is 0 for classifiers (the metric reported is the metric declared); reuse needs a
log."""


@dataclass(frozen=True, eq=False)
class Coalitions:
    """tables: the rows. labels: distributions over the true label once noise is taken away, (n, C). reviewed: None without a
    review. shortcuts: the contract's, in order, named `shortcut` or `shortcut:WORD` as players of the transfer block."""

    tables: Tables
    metric: Metric
    labels: FloatArray
    reviewed: Reviewed | None
    borrowed: Borrowed | None = None
    shortcuts: tuple[tuple[str, Shortcut], ...] = ()

    @property
    def fresh(self) -> npt.NDArray[np.bool_]:
        return self.tables.people.fresh

    @property
    def too_few_unleaked(self) -> bool:
        return bool(self.tables.people.leaked.any() and self.fresh.all())

    @cached_property
    def _projection(self) -> dict[bool, FloatArray]:
        people = self.tables.people
        return {leakage: people.projection(self.fresh if leakage else np.ones(people.n, bool)) for leakage in (False, True)}

    @cached_property
    def observed(self) -> FloatArray:
        """One-hot labels as given, (n, C)."""
        return np.eye(self.tables.elsewhere.shape[1])[self.tables.codes]

    def __call__(self, coalition: Coalition) -> Value:
        """Value of a set of ACTIVE players and shortcut names."""
        noise, leakage, sample = "noise" in coalition, "leakage" in coalition, "sample" in coalition
        labels = self.labels if noise else self.observed
        rows = self._statistics(labels, coalition)
        people, n = self.tables.people, self.tables.people.n
        projection = self._projection[leakage]
        if sample:
            weights = self._reweighted(projection @ people.target, coalition)
            totals = weights @ rows.stacked()
            score = rows.stacked() @ gradient(self.metric, totals)
            reached = value(self.metric, totals)
            coefficients = projection.T @ score
            influence = weights * (score - people.basis @ coefficients)
            slope = coefficients
        else:
            weights = self._reweighted(np.full(n, 1.0 / n), coalition)
            right = rows.correctness
            moved = np.zeros_like(rows.stacked())
            if leakage:
                rows, moved = self._imputed(rows, labels, projection)
            totals = weights @ rows.stacked()
            # One vote a row: counts, not shares, so that the reported score comes out bit for bit.
            even = bool((weights == 1.0 / n).all())
            reached = value(self.metric, rows.stacked().sum(axis=0) if even else totals)
            slopes = gradient(self.metric, totals)
            score = rows.stacked() @ slopes
            # What a fresh row's correctness adds through the rows that were filled in from it.
            fit = projection @ ((weights * (moved @ slopes)) @ people.basis)
            influence = weights * (score - weights @ score) + fit * (right - people.basis @ (projection.T @ right))
            slope = np.zeros(people.basis.shape[1])
            weights = np.where(self.fresh, weights, 0.0) + fit if leakage else weights
        review = self._review(weights, totals, coalition) if noise else self._no_review()
        plain = Value(reached, influence, slope, review)
        if sample and leakage and noise and self.borrowed:
            return self._with_borrowed(plain, weights, projection)
        return plain

    def _with_borrowed(self, plain: Value, weights: FloatArray, projection: FloatArray) -> Value:
        """The value moved by what the fold models' accuracy on train rows says of the test rows' difficulty."""
        assert self.borrowed is not None
        test = self._fold_accuracy(weights, projection)
        train = Value(self.borrowed.accuracy, 0 * test.influence, 0 * test.slope, 0 * test.review)
        train.review[-1] = self.borrowed.standard_error
        # The share with the smallest variance: a control variate whose mean is itself an estimate.
        joint = self.uncertainty().covariance([plain, combine([test, train], [1.0, -1.0])])
        share = float(np.clip(joint[0, 1] / joint[1, 1], 0.0, 1.0)) if joint[1, 1] > 0 else 0.0
        return combine([plain, train, test], [1.0, share, -share])

    def fold_accuracy(self) -> Value:
        """Accuracy of the fold models on the population, as the fresh test rows show it."""
        projection = self._projection[True]
        return self._fold_accuracy(projection @ self.tables.people.target, projection)

    def _fold_accuracy(self, weights: FloatArray, projection: FloatArray) -> Value:
        right = self.fold_right(self.labels)
        coefficients = projection.T @ right
        influence = weights * (right - self.tables.people.basis @ coefficients)
        review = self._no_review()
        if self.reviewed:
            moved = self.fold_right(self.reviewed.change) * ~self.reviewed.seen
            mass = np.bincount(self.reviewed.stratum, weights * moved, minlength=len(self.reviewed.spread))
            review = np.append(mass * self.reviewed.spread, 0.0)
        return Value(float(weights @ right), influence, coefficients, review)

    def fold_right(self, labels: FloatArray) -> FloatArray:
        """Expected correctness of the fold models under label distributions (n, C), (n,)."""
        return np.asarray(labels[np.arange(len(labels)), self.tables.elsewhere.argmax(axis=1)])

    def _statistics(self, labels: FloatArray, coalition: Coalition) -> Statistics:
        return self._of_reported_classes(statistics(labels, self._predictions(coalition), collapse=collapses(self.metric)))

    @cached_property
    def _classes(self) -> npt.NDArray[np.bool_]:
        """Classes that occur as label or prediction in the reported score, (C,); averages over classes are over these
        throughout."""
        c = self.tables.elsewhere.shape[1]
        return np.bincount(self.tables.codes, minlength=c) + np.bincount(self.tables.predicted, minlength=c) > 0

    def _of_reported_classes(self, rows: Statistics) -> Statistics:
        if collapses(self.metric) or self._classes.all():
            return rows
        return Statistics(*(part[:, self._classes] for part in _parts(rows)))

    def _predictions(self, coalition: Coalition) -> Predictions:
        """The mixture of predictions under the coalition's input toggles: every cue of the coalition is on with its rate,
        independently of the others; cues outside it stand where they stand."""
        tables = self.tables
        if self.too_few_unleaked and "leakage" in coalition:
            return ((tables.elsewhere.argmax(axis=1).astype(np.int64), 1.0),)  # fold models stand in for this one
        mixture: list[tuple[npt.NDArray[np.bool_], float]] = [(tables.cue_present, 1.0)]
        for position, (name, shortcut) in enumerate(self.shortcuts):
            if name in coalition and shortcut.op != "reweight":
                rate = 0.0 if shortcut.op == "remove" else self.rate(position)
                mixture = [
                    (_set(cues, position, on), share * part)
                    for cues, share in mixture
                    for on, part in ((False, 1 - rate), (True, rate))
                ]
        return tuple((tables.prediction(cues), share) for cues, share in mixture if share > 0)

    def rate(self, position: int) -> float:
        """The contract's rate of a cue, by default its rate in the population."""
        stated = self.shortcuts[position][1].rate
        if stated is not None:
            return stated
        weights = self._projection[True] @ self.tables.people.target
        return float(np.clip(weights @ self.tables.cue_present[:, position], 0.0, 1.0))

    def _reweighted(self, weights: FloatArray, coalition: Coalition) -> FloatArray:
        """Weights times p(cue) p(label) / p(cue, label) for every cue that the contract reweights, summing to 1."""
        for position, (name, shortcut) in enumerate(self.shortcuts):
            if name not in coalition or shortcut.op != "reweight":
                continue
            cue, codes = self.tables.cue_present[:, position].astype(np.int64), self.tables.codes
            joint = np.zeros((2, self.tables.elsewhere.shape[1]))
            np.add.at(joint, (cue, codes), np.maximum(weights, 0.0))
            rate = joint.sum(axis=1) if shortcut.rate is None else np.array([1 - shortcut.rate, shortcut.rate]) * joint.sum()
            factor = rate[:, None] * joint.sum(axis=0)[None, :] / joint.sum() / np.maximum(joint, 1e-12)
            weights = weights * factor[cue, codes]
            weights = weights / weights.sum()
        return weights

    def unsupported(self, position: int) -> str:
        """Why a cue cannot be reweighted: a combination with a label that never occurs, or too few rows left; empty where it
        can."""
        cue, codes = self.tables.cue_present[:, position].astype(np.int64), self.tables.codes
        seen = np.zeros((2, self.tables.elsewhere.shape[1]))
        np.add.at(seen, (cue[self.fresh], codes[self.fresh]), 1.0)
        if (seen[:, seen.sum(axis=0) > 0] == 0).any():
            return "some label occurs only with, or only without, the cue, so no weights can make them independent"
        weights = self._reweighted(self._projection[True] @ self.tables.people.target, frozenset({self.shortcuts[position][0]}))
        effective = float(weights.sum() ** 2 / (weights @ weights))
        return (
            f"the weights leave {effective:.0f} effective rows, fewer than {MIN_EFFECTIVE}" if effective < MIN_EFFECTIVE else ""
        )

    def _imputed(self, rows: Statistics, labels: FloatArray, projection: FloatArray) -> tuple[Statistics, FloatArray]:
        """Leaked rows get the score expected of fresh ones. Also how their statistics move with it, (n, 3W), 0 for fresh rows."""
        people, leaked = self.tables.people, ~self.fresh
        if not leaked.any():
            return rows, np.zeros_like(rows.stacked())
        expected = np.clip(people.basis @ (projection.T @ rows.correctness), 0.0, 1.0)

        def filled(correctness: FloatArray) -> Statistics:
            made = imputed(labels, correctness, self.tables.elsewhere, collapse=collapses(self.metric))
            return self._of_reported_classes(made)

        parts = [np.where(leaked[:, None], new, old) for new, old in zip(_parts(filled(expected)), _parts(rows), strict=True)]
        moved = filled(np.ones(people.n)).stacked() - filled(np.zeros(people.n)).stacked()
        return Statistics(*parts), np.where(leaked[:, None], moved, 0.0)

    def _no_review(self) -> FloatArray:
        return np.zeros(len(self.reviewed.spread) + 1 if self.reviewed else 1)

    def _review(self, weights: FloatArray, totals: FloatArray, coalition: Coalition) -> FloatArray:
        """Standard deviation that each stratum's estimated share of wrong labels brings, with its sign, (H,)."""
        if self.reviewed is None:
            return self._no_review()
        moved = self._statistics(self.reviewed.change, coalition).stacked() @ gradient(self.metric, totals)
        open_rows = ~self.reviewed.seen
        mass = np.bincount(self.reviewed.stratum, weights * moved * open_rows, minlength=len(self.reviewed.spread))
        return np.append(mass * self.reviewed.spread, 0.0)

    def uncertainty(self) -> Uncertainty:
        people = self.tables.people
        return Uncertainty(people.cluster, people.target_covariance, people.basis.shape[1])


MIN_EFFECTIVE = 50
"""Effective rows, (sum w)^2 / sum w^2, under which reweighting abstains. ledger: support."""


def _parts(rows: Statistics) -> tuple[FloatArray, FloatArray, FloatArray]:
    return rows.right, rows.true, rows.predicted


def _set(cues: npt.NDArray[np.bool_], position: int, on: bool) -> npt.NDArray[np.bool_]:  # noqa: FBT001 - a bit, not an option
    changed = cues.copy()
    changed[:, position] = on
    return changed
