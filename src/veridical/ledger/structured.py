"""The measurement block where an answer is more than one label: protocol, leakage, sample, from the same cached statistics.

Each test row holds two sets of statistics: those of the score as it is reported and those of the score that the task declares in
its place; the first player, protocol, switches between them. A leaked row's statistics are imputed from unleaked rows: what it
would get right as a rate of what there is to be found, and what it would say wrongly, both linear in the row's description.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, Ledger
from veridical.dataset.rows import Dataset
from veridical.ledger import wording
from veridical.ledger.bookkeeping import Books
from veridical.ledger.game import Coalition, Value, coefficients, shapley
from veridical.ledger.inference import Uncertainty
from veridical.ledger.population import BoolArray, Population
from veridical.ledger.reuse import best_of
from veridical.models.model import FloatArray
from veridical.tasks._contract import Margins, Measure, Structure
from veridical.tasks._totals import gradient, value

PLAYERS = ("protocol", "leakage", "sample")
NO_REVIEW = np.zeros(2)


@dataclass(frozen=True, eq=False)
class Scored:
    """Statistics of the n test rows under one measure."""

    measure: Measure
    rows: Margins

    @cached_property
    def stacked(self) -> FloatArray:
        return self.rows.stacked()


@dataclass(frozen=True, eq=False)
class StructuredGame:
    """reported, declared: the score as it is reported, and the one that belongs in its place (the same where it counts nothing
    that is no achievement)."""

    people: Population
    reported: Scored
    declared: Scored

    @property
    def too_few_unleaked(self) -> bool:
        return bool(self.people.leaked.any() and self.people.fresh.all())

    @cached_property
    def _projection(self) -> dict[bool, FloatArray]:
        people = self.people
        return {leakage: people.projection(people.fresh if leakage else np.ones(people.n, bool)) for leakage in (False, True)}

    def __call__(self, coalition: Coalition) -> Value:
        """Value of a set of PLAYERS."""
        scored, leakage, people = self.declared if "protocol" in coalition else self.reported, "leakage" in coalition, self.people
        metric, rows = scored.measure.metric, scored.stacked
        if "sample" in coalition:
            projection = self._projection[leakage]
            weights = projection @ people.target
            totals = weights @ rows
            score = rows @ gradient(metric, totals)
            slope = projection.T @ score
            return Value(value(metric, totals), weights * (score - people.basis @ slope), slope, NO_REVIEW)
        weights, moved = np.full(people.n, 1.0 / people.n), np.zeros(people.n)
        filled = _Filled(people, scored.rows) if leakage and not self.too_few_unleaked and people.leaked.any() else None
        if filled is not None:
            rows = filled.rows
        totals = rows.sum(axis=0) if filled is None else weights @ rows
        reached, slopes = value(metric, totals), gradient(metric, weights @ rows)
        if filled is not None:
            moved = filled.influence(weights, slopes)
        score = rows @ slopes
        influence = weights * (score - weights @ score) + moved
        return Value(reached, influence, np.zeros(people.basis.shape[1]), NO_REVIEW)

    def luck(self, coalition: Coalition) -> float:
        """Standard deviation of what leaked rows would add to the value of a coalition without leakage were they fresh: a dozen
        rows may all be right by luck, although no residual of theirs shows it."""
        people, scored = self.people, self.declared if "protocol" in coalition else self.reported
        if self.too_few_unleaked or not people.leaked.any():
            return 0.0
        rows = scored.stacked
        weights = self._projection[False] @ people.target if "sample" in coalition else np.full(people.n, 1.0 / people.n)
        score = rows @ gradient(scored.measure.metric, weights @ rows)
        spread = float(score[people.fresh].std())
        _, member = np.unique(people.cluster[people.leaked], return_inverse=True)
        return float(np.sqrt((np.bincount(member, np.abs(weights[people.leaked]) * spread) ** 2).sum()))

    def bought(self, coalition: Coalition) -> FloatArray:
        """What each leaked row adds to the value of a coalition without leakage beyond what a fresh row like it would, (n,)."""
        people, scored = self.people, self.declared if "protocol" in coalition else self.reported
        if self.too_few_unleaked or not people.leaked.any():
            return np.zeros(people.n)
        weights = self._projection[False] @ people.target if "sample" in coalition else np.full(people.n, 1.0 / people.n)
        fresh = _Filled(people, scored.rows).rows
        slopes = gradient(scored.measure.metric, weights @ scored.stacked)
        return np.where(people.leaked, weights * ((scored.stacked - fresh) @ slopes), 0.0)

    def uncertainty(self) -> Uncertainty:
        people = self.people
        return Uncertainty(people.cluster, people.target_covariance, people.basis.shape[1])


class _Filled:
    """Statistics with those of leaked rows imputed, and how unleaked rows move them through the two regressions."""

    def __init__(self, people: Population, rows: Margins) -> None:
        self.people, self.given = people, rows
        fresh, basis = people.fresh, people.basis
        found, true, said = (part.sum(axis=1) for part in (rows.right, rows.true, rows.predicted))
        self.right = _Rate(basis * true[:, None], found, fresh, people)
        scale = true + 1.0
        self.wrong = _Rate(basis * scale[:, None], said - found, fresh, people)
        extra = np.maximum(rows.predicted - rows.right, 0.0)[fresh].sum(axis=0)
        self.spread = extra / extra.sum() if extra.sum() > 0 else np.full(rows.true.shape[1], 1.0 / rows.true.shape[1])
        rate = np.clip(basis @ self.right.coefficients, 0.0, 1.0)
        wrongly = np.maximum(self.wrong.design @ self.wrong.coefficients, 0.0)
        right = rows.true * rate[:, None]
        made = np.concatenate([right, rows.true, right + wrongly[:, None] * self.spread], axis=1)
        self.rows = np.where(fresh[:, None], rows.stacked(), made)

    def influence(self, weights: FloatArray, slopes: FloatArray) -> FloatArray:
        """What each unleaked row adds to the score through the rows that were filled in from it, (n,)."""
        right, _, said = np.split(slopes, 3)
        leaked = np.where(self.people.fresh, 0.0, weights)
        by_rate = (leaked * (self.given.true @ (right + said))) @ self.people.basis
        by_wrong = (leaked * float(said @ self.spread)) @ self.wrong.design
        return np.asarray(self.right.influence @ by_rate + self.wrong.influence @ by_wrong)


class _Rate:
    """A vote-weighted ridge of a total on a design (n, q), fitted on the unleaked rows. influence: of each row on the
    coefficients, (n, q)."""

    def __init__(self, design: FloatArray, total: FloatArray, fresh: BoolArray, people: Population) -> None:
        vote = np.where(fresh, people.vote, 0.0)
        vote = vote / vote.sum()
        penalty = people.params.ridge_rows / max(int(fresh.sum()), 1) * design.var(axis=0)
        penalty[0] = 0.0
        inverse = np.linalg.pinv((design * vote[:, None]).T @ design + np.diag(penalty), hermitian=True)
        self.design = design
        self.coefficients = inverse @ ((design * vote[:, None]).T @ total)
        self.influence = (design * (vote * (total - design @ self.coefficients))[:, None]) @ inverse


def scored_rows(data: Dataset, structure: Structure, people: Population, *, said: list[str], metric: str) -> StructuredGame:
    """The game of the test rows' answers. said: of all rows of the data set. metric: name of the score as it is reported."""
    gold = [str(data.answers[row]) for row in people.rows]
    found = [said[row] for row in people.rows]

    def scored(name: str) -> Scored:
        measure = structure.measures[name]
        return Scored(measure, measure.margins(gold, found, data.labels))

    reported = scored(metric)
    instead = structure.measures[metric].stands_for
    return StructuredGame(people, reported, scored(instead) if instead else reported)


def account_structured(
    game: StructuredGame,
    *,
    metric: str,
    has_train: bool,
    looks: list[Margins],
    same: int,
    floors: dict[str, Estimate],
    seed: int,
) -> Ledger:
    """The ledger of a task whose answers are structures. looks: statistics, as reported, of other models known to have been
    scored on these rows; same: how many more said what this one does."""
    uncertainty = game.uncertainty()
    books = Books(game.people.n, uncertainty, 0.0, seed)
    shares = shapley(PLAYERS, game)
    shares["leakage"] = shares["leakage"].given(game.people.leaked & ~game.people.fresh)
    critical = books.critical(shares)
    empty, full = game(frozenset()), game(frozenset(PLAYERS))
    tables = [game.reported.stacked, *(look.stacked() for look in looks)]
    chosen = best_of(tables, same=same, cluster=game.people.cluster, metric=game.reported.measure.metric, seed=seed)
    luck = sum(abs(weight) * game.luck(coalition) for coalition, weight in coefficients("leakage", PLAYERS))
    components = (
        _protocol(game, metric, books.component("protocol", "measurement", shares["protocol"], critical, _counted(game, metric))),
        books.component("leakage", "measurement", shares["leakage"], critical, _leakage(game, has_train=has_train), luck=luck),
        books.component("sample", "measurement", shares["sample"], critical, wording.sample(game.people), drawn=True),
        wording.unreviewed(),
        wording.reuse(chosen, uncertainty.standard_error(full), n=game.people.n, n_clusters=uncertainty.n_clusters),
    )
    honest = empty.score - sum(c.points.value for c in components if c.points) / 100
    return Ledger(
        metric=metric,
        votes="clusters",
        reported=books.score(empty, empty.score, (0.0, 0.0), "cluster bootstrap, rows as given"),
        honest=books.score(full, honest, (0.0, 0.0), "calibrated to the population, clusters resampled; labels as given"),
        contract=None,
        components=components,
        floors=floors,
        notes=(*wording.few_rows(game.people), wording.LABELS_AS_GIVEN),
        interactions=tuple(books.interactions(PLAYERS, game)),
        variance=books.variance(full),
    )


def _counted(game: StructuredGame, metric: str) -> wording.Said:
    measure = game.reported.measure
    if not measure.stands_for:
        return wording.Said("The metric was computed as the task declares it.", "identity", game.people.n, slack=0.0)
    return wording.counted(metric, instead=measure.stands_for, why=measure.why, n=game.people.n)


def _protocol(game: StructuredGame, metric: str, found: Component) -> Component:
    """Where the score is reported as declared, the player is exactly 0."""
    if game.reported.measure.stands_for:
        return found
    n_clusters = game.uncertainty().n_clusters
    zero = Estimate(0.0, 0.0, 0.0, 0.95, game.people.n, n_clusters, "identity")
    return Component("protocol", "measurement", "measured", zero, 0.0, game.people.n, found.why, 0.0, 0.0)


def _leakage(game: StructuredGame, *, has_train: bool) -> wording.Said:
    rows = game.reported.rows
    wrong = 1.0 - float(rows.right.sum() / max(rows.true.sum(), 1e-12))
    return wording.leakage_of(game.people, has_train=has_train, wrong=wrong, too_few=game.too_few_unleaked, stand_in=False)
