"""The score of every coalition of components, with the influence of every test row on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import product

import numpy as np

from veridical.dataset.rows import BoolArray, IntArray
from veridical.ledger.borrowing import Borrowed
from veridical.ledger.chosen_leaks import FEW_LEAKS, ChosenLeaks
from veridical.ledger.contract import Contract, Shortcut
from veridical.ledger.game import Coalition, Share, Value, combine
from veridical.ledger.inference import Uncertainty
from veridical.ledger.inputs import Inputs
from veridical.ledger.rare_classes import counts_truths_alone, lopsided
from veridical.ledger.review import Reviewed
from veridical.ledger.reweighting import (
    Direct,
    beyond_reweighting,
    direct_score,
    raked,
    residuals,
)
from veridical.ledger.score_table import Predictions, Statistics, answered_like, imputed, statistics, worst
from veridical.ledger.tables import Tables, cue_number
from veridical.ledger.transfer import if_edits_break
from veridical.ledger.weighing import FEWEST_OF_CLASS, Weighing
from veridical.models.model import FloatArray
from veridical.tasks._class_metrics import among, collapses, credit_of
from veridical.tasks._contract import Metric
from veridical.tasks._totals import gradient, value

ACTIVE = ("leakage", "sample", "noise")
"""Players that change the score of every classifier. Protocol joins them where the metric reported counts what is no
achievement; reuse needs a log."""


@dataclass(frozen=True, eq=False)
class Coalitions:
    """tables: the rows. metric: as reported. labels: distributions over the true label once noise is taken away, (n, C).
    reviewed: None without a review. declared: the metric that belongs in place of the one reported, None where that counts
    nothing that is no achievement. shortcuts: the contract's, in order, named `shortcut` or `shortcut:WORD` as players of the
    transfer block; the other players are `groups`, `fragility`, `shift` and `concept` (what labels of the target show beyond
    reweighting)."""

    tables: Tables
    metric: Metric
    labels: FloatArray
    reviewed: Reviewed | None
    borrowed: Borrowed | None = None
    shortcuts: tuple[tuple[str, Shortcut], ...] = ()
    contract: Contract | None = None
    declared: Metric | None = None

    @property
    def active(self) -> tuple[str, ...]:
        """Players of the measurement block that change the score here."""
        return ACTIVE if self.declared is None else ("protocol", *ACTIVE)

    def metric_in(self, coalition: Coalition) -> Metric:
        """The metric that counts in a coalition, of the margins of the classes that occur."""
        found = self.declared if "protocol" in coalition and self.declared is not None else self.metric
        return found if self._classes.all() else among(found, self._classes)

    @property
    def fresh(self) -> BoolArray:
        return self.tables.people.fresh

    @cached_property
    def worst(self) -> float:
        """`score_table.worst` of the classes that occur."""
        return worst(self.metric_in(frozenset(self.active)), int(self._classes.sum()))

    @property
    def too_few_unleaked(self) -> bool:
        return bool(self.tables.people.leaked.any() and self.fresh.all())

    @cached_property
    def projection(self) -> dict[bool, FloatArray]:
        """How rows with and, where true, without leaks are weighted for a mean basis, (n, q) each."""
        people = self.tables.people
        return {leakage: people.projection(self.fresh if leakage else np.ones(people.n, bool)) for leakage in (False, True)}

    @cached_property
    def observed(self) -> FloatArray:
        """One-hot labels as given, (n, C)."""
        return np.eye(self.tables.elsewhere.shape[1])[self.tables.codes]

    def __call__(self, coalition: Coalition) -> Value:
        """Value of a set of players of the measurement block and shortcut names."""
        metric = self.metric_in(coalition)
        noise, leakage, sample = "noise" in coalition, "leakage" in coalition, "sample" in coalition
        labels = self.labels if noise else self.observed
        people, n = self.tables.people, self.tables.people.n
        projection = self.projection[leakage]
        if sample:
            weights, labels = self.weighing.weighted(projection @ people.target, labels, coalition)
            rows = self.statistics_in(labels, coalition)
            totals = np.where(
                np.tile(self._there["protocol" in coalition, leakage, noise and self.reviewed is not None], 3),
                weights @ rows.stacked(),
                0.0,
            )
            reached = value(metric, totals)
            influence, slope, cells, review = self._residuals(rows, gradient(metric, totals), projection, coalition)
            own, fit = weights, np.zeros(n)
        else:
            weights, _ = self.weighing.weighted(np.full(n, 1.0 / n), labels, coalition)
            rows = self.statistics_in(labels, coalition)
            right, moved = rows.correctness, np.zeros_like(rows.stacked())
            if leakage:
                rows, moved = self.filled_in(rows, labels, projection, coalition)
            totals = weights @ rows.stacked()
            # One vote a row: counts, not shares, so that the reported score comes out bit for bit.
            even = bool((weights == 1.0 / n).all())
            reached = value(metric, rows.stacked().sum(axis=0) if even else totals)
            slopes = gradient(metric, totals)
            score = rows.stacked() @ slopes
            # What a fresh row's correctness adds through the rows that were filled in from it.
            fit = projection @ ((weights * (moved @ slopes)) @ people.basis)
            influence = weights * (score - weights @ score) + fit * (right - people.basis @ (projection.T @ right))
            slope, cells = np.zeros(people.basis.shape[1]), np.zeros(0)
            own, review = np.where(self.fresh, weights, 0.0) if leakage else weights, None
        if review is None:
            review = self._review(own, fit, totals, coalition) if noise else self._no_review()
        found = Value(reached, influence, slope, review, cells)
        if sample and leakage and noise and self.borrowed:
            found = self._with_borrowed(found)
        if "concept" in coalition:
            found = combine([found, self.concept], [1.0, 1.0])
        return replace(found, lopsided=partial(lopsided, metric, totals, n_votes=people.votes(own)))

    @cached_property
    def _there(self) -> dict[tuple[bool, bool, bool], BoolArray]:
        """Columns of the statistics of which rows are left, as labelled or, where that counts, as predicted, when rows count as
        the population's do: by the declared metric or that reported, without leaked ones or with them, as reviewed or as given.
        Of a class all of whose rows are leaked, or were read to be of others, only a trace is left, as what others are wrongly
        given for, and a trace has no share that is right."""
        found = {}
        read = self.labels if self.reviewed else self.observed
        for protocol, (reviewed, labels) in product((False, True), ((False, self.observed), (True, read))):
            players = frozenset({"protocol"} if protocol else ())
            _, true, predicted = _parts(self.statistics_in(labels, players))
            said = 0.0 if counts_truths_alone(self.metric_in(players), true.shape[1]) else 1.0
            for leakage, projection in self.projection.items():
                weights = projection @ self.tables.people.target
                rows = np.maximum(weights @ true, 0.0) + said * np.maximum(weights @ predicted, 0.0)
                found[protocol, leakage, reviewed] = np.asarray(rows * self.tables.people.n >= FEWEST_OF_CLASS)
        return found

    def _residuals(
        self, rows: Statistics, slopes: FloatArray, projection: FloatArray, coalition: Coalition
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None]:
        """`reweighting.residuals` of a calibrated mean, then `Value.review` where weights move with the labels, else None."""
        people = self.tables.people
        start = self.weighing.start(projection @ people.target, coalition)
        margins, shifted = self.weighing.margins(start, coalition), "shift" in coalition
        if not self.weighing.by_label(coalition):
            found = residuals(
                rows.stacked() @ slopes, raked(start, margins), start, basis=people.basis, projection=projection, margins=margins,
                shifted=shifted,
            )  # fmt: skip
            return *found, None
        assert self.reviewed is not None
        among = self.weighing.among(coalition)
        said, whole = among.predictions(self._predictions(coalition)), self._whole(coalition)
        stacked = self._of_reported_classes(statistics(np.eye(self.labels.shape[1])[among.code], said, metric=whole)).stacked()
        influence, slope, cells, each = among.residuals(
            stacked @ slopes, start, margins, basis=people.basis, projection=projection, shifted=shifted
        )  # fmt: skip
        moved = among.by_row(self.reviewed.change[among.row, among.code] * each, people.n)
        return influence, slope, cells, self._unread(moved * ~self.reviewed.seen, self.reviewed)

    @cached_property
    def leaks(self) -> ChosenLeaks:
        return ChosenLeaks(self)

    @cached_property
    def concept(self) -> Value:
        """What the target's labels show beyond the reweighted test rows, on texts that both sides hold."""
        base = self(frozenset((*self.active, "shift")))
        return beyond_reweighting(base, self.on_target(self.tables.transfer.target_inside))

    def on_target(self, among: BoolArray | slice) -> Direct:
        """The score on labelled rows of the target themselves, on those `among` them, (t,)."""
        transfer, coalition = self.tables.transfer, frozenset(self.active)
        labels = np.eye(self.tables.elsewhere.shape[1])[transfer.target_codes[among]]
        given = statistics(labels, ((transfer.target_predicted[among], 1.0),), metric=self._whole(coalition))
        rows = self._of_reported_classes(given).stacked()
        return direct_score(rows, cluster=transfer.target_cluster[among], metric=self.metric_in(coalition))

    def _with_borrowed(self, plain: Value) -> Value:
        """The value moved by what the fold models' accuracy on train rows says of the test rows' difficulty. Both are of the
        population, whatever the contract weighs the rows like: a mix of groups that train does not have is no difficulty."""
        assert self.borrowed is not None
        test = self.fold_accuracy()
        train = Value(self.borrowed.accuracy, 0 * test.influence, 0 * test.slope, 0 * test.review)
        train.review[-2] = self.borrowed.standard_error
        # The share with the smallest variance: a control variate whose mean is itself an estimate.
        joint = self.uncertainty().covariance([plain, combine([test, train], [1.0, -1.0])])
        share = float(np.clip(joint[0, 1] / joint[1, 1], 0.0, 1.0)) if joint[1, 1] > 0 else 0.0
        return combine([plain, train, test], [1.0, share, -share])

    def fold_accuracy(self) -> Value:
        """Accuracy of the fold models on the population, as the fresh test rows show it."""
        projection = self.projection[True]
        weights = projection @ self.tables.people.target
        right = self.fold_right(self.labels)
        coefficients = projection.T @ right
        influence = weights * (right - self.tables.people.basis @ coefficients)
        review = self._no_review()
        if self.reviewed:
            moved = self.fold_right(self.reviewed.change) * ~self.reviewed.seen
            review = self._unread(weights * moved, self.reviewed)
        return Value(float(weights @ right), influence, coefficients, review)

    def fold_right(self, labels: FloatArray) -> FloatArray:
        """Expected correctness of the fold models under label distributions (n, C), or what they earn, (n,)."""
        said, credit = self.tables.elsewhere.argmax(axis=1), credit_of(self._whole(frozenset(self.active)))
        if credit is not None:
            return np.asarray((labels * credit[:, said].T).sum(axis=1))
        return np.asarray(labels[np.arange(len(labels)), said])

    def _whole(self, coalition: Coalition) -> Metric:
        """The metric that counts in a coalition, of the margins of all classes."""
        return self.declared if "protocol" in coalition and self.declared is not None else self.metric

    def statistics_in(self, labels: FloatArray, coalition: Coalition) -> Statistics:
        """Of the rows under label distributions (n, C), by the metric and the answers that count in a coalition."""
        return self._of_reported_classes(statistics(labels, self._predictions(coalition), metric=self._whole(coalition)))

    @cached_property
    def _classes(self) -> BoolArray:
        """Classes that occur as label or prediction in the reported score, (C,); averages over classes are over these
        throughout."""
        c = self.tables.elsewhere.shape[1]
        return np.bincount(self.tables.codes, minlength=c) + np.bincount(self.tables.predicted, minlength=c) > 0

    def _of_reported_classes(self, rows: Statistics) -> Statistics:
        if rows.right.shape[1] != len(self._classes) or self._classes.all():
            return rows
        return Statistics(*(part[:, self._classes] for part in _parts(rows)))

    @property
    def association_hidden(self) -> float:
        """By how much of itself, at most, what hangs on how a cue goes with labels may be larger than a review has it. Even noise
        of a rate e leaves 1 - e C / (C - 1) of an association; what the review says of all rows is left in those not read."""
        if self.reviewed is None:
            return 0.0
        c, codes = self.tables.elsewhere.shape[1], self.tables.codes
        rate = float(np.clip(1.0 - self.labels[np.arange(len(codes)), codes].mean(), 0.0, 1.0))
        kept = max(1.0 - rate * c / max(c - 1, 1), LEAST_KEPT)
        return float((1.0 - self.reviewed.seen.mean()) * (1.0 / kept - 1.0))

    @cached_property
    def inputs(self) -> Inputs:
        edits = self.contract.perturbation if self.contract else None
        return Inputs(self.tables, self.shortcuts, edits, self._population)

    @cached_property
    def weighing(self) -> Weighing:
        groups = self.contract.groups if self.contract else ()
        return Weighing(self.tables, self.reviewed, self.shortcuts, groups, self._population)

    def score_if(self, labels: FloatArray, coalition: Coalition) -> float:
        """The score of a coalition were these the label distributions, (n, C), by which cues are reweighted then too."""
        cues = [name for name, shortcut in self.shortcuts if shortcut.op == "reweight" and name in coalition]
        if self.reviewed is not None or not cues or "concept" in coalition:
            return replace(self, labels=labels)(coalition).score
        weights, labels = self.weighing.if_right(self._population, labels, coalition)
        totals = weights @ self.statistics_in(labels, coalition).stacked()
        return value(
            self.metric_in(coalition), np.where(np.tile(self._there["protocol" in coalition, True, False], 3), totals, 0.0)
        )

    def standing(self, coalition: Coalition) -> FloatArray:
        """Weights under which the rows that did not leak stand for the population, under toggles that weigh them, (n,)."""
        return self.weighing.weighted(self._population, self.labels, coalition)[0]

    @cached_property
    def _population(self) -> FloatArray:
        """Weights of the rows that did not leak under which they stand for the population, (n,)."""
        return self.projection[True] @ self.tables.people.target

    def _predictions(self, coalition: Coalition) -> Predictions:
        if self.too_few_unleaked and "leakage" in coalition:
            return ((self.tables.elsewhere.argmax(axis=1).astype(np.int64), 1.0),)  # fold models stand in for this one
        return self.inputs.predictions(coalition)

    def answers(self, coalition: Coalition) -> IntArray:
        """What the model says most under the coalition's input toggles, (n,)."""
        said = np.zeros(self.tables.elsewhere.shape)
        for codes, share in self._predictions(coalition):
            said[np.arange(len(codes)), codes] += share
        return np.asarray(said.argmax(axis=1), np.int64)

    def unsupported(self, player: str, beside: Sequence[str] = ()) -> str:
        """Why a toggle cannot be played, alone or with those beside it; empty where it can."""
        return self.inputs.unsupported(player) or self.weighing.unsupported(player, beside)

    def if_edits_break_labels(self, coalition: Coalition) -> tuple[float, float]:
        """`transfer.if_edits_break` of a coalition."""
        edits = self.contract.perturbation if self.contract else None
        if "fragility" not in coalition or edits is None or edits.valid == 1.0:
            return 0.0, 0.0
        weights, labels = self.weighing.weighted(self._population, self.labels, coalition)
        totals = weights @ self.statistics_in(labels, coalition).stacked()
        return if_edits_break(edits, totals, metric=self.metric_in(coalition))

    def filled_in(
        self, rows: Statistics, labels: FloatArray, projection: FloatArray, coalition: Coalition, *, easier: float = 0.0
    ) -> tuple[Statistics, FloatArray]:
        """Leaked rows get the score expected of fresh ones. Also how their statistics move with it, (n, 3W), 0 for fresh rows.
        easier: share of them more that is right."""
        people, leaked = self.tables.people, ~self.fresh
        if not leaked.any():
            return rows, np.zeros_like(rows.stacked())
        expected = np.clip(people.basis @ (projection.T @ rows.correctness) + easier, 0.0, 1.0)
        metric, elsewhere = self._whole(coalition), self.tables.elsewhere
        if credit_of(metric) is not None and not collapses(metric):
            said = statistics(labels, self._predictions(coalition), metric=metric).predicted
            elsewhere = answered_like(labels[self.fresh], said[self.fresh], labels)

        def filled(correctness: FloatArray) -> Statistics:
            return self._of_reported_classes(imputed(labels, correctness, elsewhere, metric=metric))

        parts = [np.where(leaked[:, None], new, old) for new, old in zip(_parts(filled(expected)), _parts(rows), strict=True)]
        moved = filled(np.ones(people.n)).stacked() - filled(np.zeros(people.n)).stacked()
        return Statistics(*parts), np.where(leaked[:, None], moved, 0.0)

    def deviation(self, expected: FloatArray, earned: FloatArray) -> FloatArray:
        """Standard deviation of what a fresh row earns, (n,). Right or wrong: binomial. With credit for nearly right answers a
        row varies less: as the fresh rows do, and one row more that varies as much as it could."""
        most = expected * (1 - expected)
        if credit_of(self._whole(frozenset(self.active))) is None:
            return np.asarray(np.sqrt(most))
        off = (earned - expected)[self.fresh]
        return np.asarray(np.sqrt((off @ off + most) / (len(off) + 1)))

    def luck(self, coalition: Coalition) -> float:
        """Standard deviation of what leaked rows would add to the value of a coalition without leakage were each as likely right
        as a fresh row like it; of few clusters, with one more that is right or wrong. That all of a dozen rows are right may be
        luck, although no residual of theirs shows it; that one row is wrong always may."""
        if self.too_few_unleaked or not self.tables.people.leaked.any():
            return 0.0
        people, (labels, own, _, slopes) = self.tables.people, self._linear(coalition)
        rows = self.statistics_in(labels, coalition)
        _, moved = self.filled_in(rows, labels, self.projection[True], coalition)
        expected = np.clip(people.basis @ (self.projection[True].T @ rows.correctness), 0.0, 1.0)
        most = own * (moved @ slopes)
        whole, spread = (
            np.bincount(people.member, each) ** 2 for each in (most, most * self.deviation(expected, rows.correctness))
        )
        few = len(np.unique(people.cluster[people.leaked])) < FEW_LEAKS
        return float(np.sqrt(spread.sum() + few * whole.max()))

    def pull(self, coalition: Coalition) -> FloatArray:
        """Derivative of the value with respect to the share of each class among a row's predictions, (n, 2**S, 1 + m, C): for
        each combination of cues, on the text and on each of its m edits. Weights, labels and what train rows lend are held."""
        tables = self.tables
        (n, c), rows = tables.elsewhere.shape, np.arange(len(tables.codes))
        found = np.zeros((n, 2 ** len(self.shortcuts), 1 + tables.transfer.edited.shape[2], c))
        if self.too_few_unleaked and "leakage" in coalition:
            return found  # fold models stand in for this one
        labels, own, fit, slopes = self._linear(coalition)
        right, _, predicted = (self._of_all_classes(part) for part in np.split(slopes, 3))
        credit = credit_of(self._whole(coalition))
        if credit is None:
            each = own[:, None] * (labels * right + predicted) + fit[:, None] * labels
        else:
            each = own[:, None] * ((labels * right) @ credit + predicted) + fit[:, None] * (labels @ credit)
        edits = self.contract.perturbation if self.contract and "fragility" in coalition else None
        rate = edits.rate if edits else 0.0
        for cues, share in self.inputs.cues(coalition):
            at = cue_number(cues)
            found[rows, at, 0] += share * (1 - rate) * each
            found[rows, at, 1:] += share * rate / max(found.shape[2] - 1, 1) * each[:, None]
        return found

    def bought(self, coalition: Coalition) -> FloatArray:
        """What each leaked row adds to the value of a coalition without leakage beyond what a fresh row like it would, (n,)."""
        labels, own, _, slopes = self._linear(coalition)
        rows = self.statistics_in(labels, coalition)
        if self.too_few_unleaked:
            fresh = self.statistics_in(labels, coalition | {"leakage"})
        else:
            fresh, _ = self.filled_in(rows, labels, self.projection[True], coalition)
        return np.where(self.tables.people.leaked, own * ((rows.stacked() - fresh.stacked()) @ slopes), 0.0)

    def relabelled(self, coalition: Coalition, labels: FloatArray) -> FloatArray:
        """What each row's label as given adds to a coalition without noise beyond label distributions (n, C), (n,)."""
        _, own, fit, slopes = self._linear(coalition)
        given, other = self.statistics_in(self.observed, coalition), self.statistics_in(labels, coalition)
        moved = (given.stacked() - other.stacked()) @ slopes
        return np.asarray(own * moved + fit * (given.correctness - other.correctness))

    def _linear(self, coalition: Coalition) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """(label distributions that count (n, C), weight of each row's own statistics (n,), weight of its correctness through
        rows filled in from it (n,), slope of the metric in the totals): the value as a linear function of the rows."""
        labels, people = self.labels if "noise" in coalition else self.observed, self.tables.people
        projection, sample = self.projection["leakage" in coalition], "sample" in coalition
        metric, even = self.metric_in(coalition), np.full(people.n, 1.0 / people.n)
        own, labels = self.weighing.weighted(projection @ people.target if sample else even, labels, coalition)
        rows = self.statistics_in(labels, coalition)
        if sample or "leakage" not in coalition:
            return labels, own, np.zeros(people.n), gradient(metric, own @ rows.stacked())
        rows, moved = self.filled_in(rows, labels, projection, coalition)
        slopes = gradient(metric, own @ rows.stacked())
        fit = projection @ ((own * (moved @ slopes)) @ people.basis)
        return labels, np.where(self.fresh, own, 0.0), fit, slopes

    def _of_all_classes(self, part: FloatArray) -> FloatArray:
        """A slope per class of the metric as one per class of the task, (C,)."""
        if len(part) == 1:
            return np.full(self.tables.elsewhere.shape[1], part[0])
        whole = np.zeros(self.tables.elsewhere.shape[1])
        whole[slice(None) if len(part) == len(whole) else self._classes] = part
        return whole

    def _no_review(self) -> FloatArray:
        """Deviations by stratum and by row, then of what train rows lend, then of the target's labels: all 0."""
        return np.zeros(len(self.reviewed.spread) + len(self.reviewed.own) + 2 if self.reviewed else 2)

    def _review(self, own: FloatArray, fit: FloatArray, totals: FloatArray, coalition: Coalition) -> FloatArray:
        """Standard deviations that unread labels bring, with their sign, as in `_no_review`. own, fit: as of `_linear`."""
        if self.reviewed is None:
            return self._no_review()
        moved = self.statistics_in(self.reviewed.change, coalition)
        moved = replace(moved, predicted=np.zeros_like(moved.predicted))  # what was said does not move with the labels
        each = own * (moved.stacked() @ gradient(self.metric_in(coalition), totals)) + fit * moved.correctness
        return self._unread(each * ~self.reviewed.seen, self.reviewed)

    def _unread(self, moved: FloatArray, reviewed: Reviewed) -> FloatArray:
        """moved: change of the score per unit of its stratum's share of wrong labels in each unread row, (n,).

        A row that was read is one of the sample and stands for unread rows as well; what it turns out to be moves the score both
        ways at once. With u of a stratum's rows unread and n read the mean varies with (u / n + 1)^2 n = u^2 / n + 2 u + n rows'
        variances: the first is the stratum's, the last is in the rows' influence, and the middle is twice that of unread rows.
        """
        by_stratum = np.bincount(reviewed.stratum, moved, minlength=len(reviewed.spread)) * reviewed.spread
        return np.concatenate([by_stratum, np.sqrt(2) * moved * reviewed.own, [0.0, 0.0]])

    def of_these_rows(self, share: Share) -> Share:
        """The share of `noise` as points of these very rows. That a read row is one of a sample is no doubt then, so an unread
        row's own label counts once and not twice as in `_unread`: u of a stratum's rows unread and n read, u^2 / n + u. What the
        population's mean may be is no doubt either: `off_the_count` holds by how much these rows differ from it."""
        if self.reviewed is None:
            return share
        share, n_strata = share.given(np.ones(self.tables.people.n, np.bool_)), len(self.reviewed.spread)
        own, review = np.s_[n_strata : n_strata + self.tables.people.n], share.drop.review.copy()
        review[own] /= np.sqrt(2)
        return replace(share, drop=replace(share.drop, review=review, slope=0 * share.drop.slope))

    def uncertainty(self) -> Uncertainty:
        people = self.tables.people
        return Uncertainty(people.cluster, people.target_covariance, people.basis.shape[1])


LEAST_KEPT = 0.4
"""Of an association, as much as is taken to be left by noise at least: 30 % even noise of two classes. Ours; no source."""


def _parts(rows: Statistics) -> tuple[FloatArray, FloatArray, FloatArray]:
    return rows.right, rows.true, rows.predicted
