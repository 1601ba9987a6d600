"""The account where an answer is more than one label: protocol, leakage, sample and, once answers were reviewed, noise, then what
a contract declares, from the same cached statistics.

Each test row holds two sets of statistics: those of the score as it is reported and those of the score that the task declares in
its place; the first player, protocol, switches between them. A leaked row's statistics are imputed from unleaked rows: what it
would get right as a rate of what there is to be found, and what it would say wrongly, both linear in the row's description.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, Ledger
from veridical.dataset.rows import BoolArray, Dataset
from veridical.ledger import notes, wording
from veridical.ledger.answer_review import AnswerReview, AnswerReviewParams, Changes, answer_frame, changes
from veridical.ledger.answer_transfer import AnswerTransfer
from veridical.ledger.ballots import of_votes
from veridical.ledger.bookkeeping import Books
from veridical.ledger.game import Coalition, Share, Value, coefficients, combine, shapley
from veridical.ledger.inference import Uncertainty
from veridical.ledger.population import Population
from veridical.ledger.rare_classes import lopsided
from veridical.ledger.reuse import best_of
from veridical.ledger.reweighting import (
    NOT_ASKED,
    Direct,
    Margin,
    beyond_reweighting,
    direct_score,
    group_margin,
    like_target,
    raked,
    residuals,
    target_unsupported,
    too_few_left,
)
from veridical.ledger.structured_contract import under_contract
from veridical.ledger.transfer import if_edits_break
from veridical.models.model import FloatArray
from veridical.tasks._contract import Margins, Measure, Structure
from veridical.tasks._totals import gradient, value

PLAYERS = ("protocol", "leakage", "sample")
NOT_OF_REVIEWS = 2
"""Places behind the strata in `Value.review`, for what classifiers borrow elsewhere."""
CALIBRATED, REVIEWED = "calibrated to the population, clusters resampled; ", "answers reviewed in part"


@dataclass(frozen=True, eq=False)
class Scored:
    """Statistics of the n test rows under one measure. edits: gives those of the answers to each draw of a contract's edits;
    turned: share of these that are other answers. target: statistics of its target's labelled rows."""

    measure: Measure
    rows: Margins
    edits: tuple[Callable[[], Margins], ...] = ()
    target: Margins | None = None
    turned: float = 0.0

    @cached_property
    def stacked(self) -> FloatArray:
        return self.rows.stacked()

    @cached_property
    def edited(self) -> FloatArray:
        """Mean over the draws, (n, 3W)."""
        return np.asarray(sum(draw().stacked() for draw in self.edits) / len(self.edits))


@dataclass(frozen=True, eq=False)
class StructuredGame:
    """reported, declared: the score as it is reported, and the one that belongs in its place (the same where it counts nothing
    that is no achievement). review: what was read of the answers given, None without. transfer: what a contract asks, None
    without; its players act on top of all others: groups and shift on weights, fragility on answers, concept is an offset."""

    people: Population
    reported: Scored
    declared: Scored
    review: AnswerReview | None = None
    transfer: AnswerTransfer | None = None

    @property
    def players(self) -> tuple[str, ...]:
        return PLAYERS if self.review is None else (*PLAYERS, "noise")

    @property
    def too_few_unleaked(self) -> bool:
        return bool(self.people.leaked.any() and self.people.fresh.all())

    @cached_property
    def _projection(self) -> dict[bool, FloatArray]:
        people = self.people
        return {leakage: people.projection(people.fresh if leakage else np.ones(people.n, bool)) for leakage in (False, True)}

    def __call__(self, coalition: Coalition) -> Value:
        """Value of a set of players."""
        people, metric, given = self.people, self._scored(coalition).measure.metric, self._rows(coalition)
        if "sample" in coalition:
            projection, rows, weights = self._projection["leakage" in coalition], given.stacked(), self._carried(coalition)
            totals = weights @ rows
            slopes = gradient(metric, totals)
            start, margins = self._before_raking(projection @ people.target, coalition)
            influence, slope, cells = residuals(
                rows @ slopes, weights, start, basis=people.basis, projection=projection, margins=margins,
                shifted="shift" in coalition,
            )  # fmt: skip
            found = Value(value(metric, totals), influence, slope, self._read(coalition, slopes), cells)
            if "concept" in coalition:
                found = combine([found, self.concept], [1.0, 1.0])
            return replace(found, lopsided=partial(lopsided, metric, totals, n_votes=people.votes(weights)))
        weights, moved = np.full(people.n, 1.0 / people.n), np.zeros(people.n)
        filled = _Filled(people, given) if self._fills(coalition) else None
        rows = given.stacked() if filled is None else filled.rows
        totals = rows.sum(axis=0) if filled is None else weights @ rows
        reached, slopes = value(metric, totals), gradient(metric, weights @ rows)
        if filled is not None:
            moved = filled.influence(weights, slopes)
        score = rows @ slopes
        influence = weights * (score - weights @ score) + moved
        own = weights if filled is None else np.where(people.fresh, weights, 0.0)
        return Value(
            reached, influence, np.zeros(people.basis.shape[1]), self._read(coalition, slopes),
            lopsided=partial(lopsided, metric, weights @ rows, n_votes=people.votes(own)),
        )  # fmt: skip

    def _scored(self, coalition: Coalition) -> Scored:
        return self.declared if "protocol" in coalition else self.reported

    def _fills(self, coalition: Coalition) -> bool:
        """Whether statistics of leaked rows are imputed in a coalition without sample."""
        return "leakage" in coalition and not self.too_few_unleaked and bool(self.people.leaked.any())

    def _carried(self, coalition: Coalition) -> FloatArray:
        """Weight with which each row's own statistics enter the totals of a coalition, (n,); where leaked rows are filled in, an
        unleaked one enters through them too."""
        people = self.people
        even = np.full(people.n, 1.0 / people.n)
        if "sample" in coalition:
            return self._reweighted(self._projection["leakage" in coalition] @ people.target, coalition)
        if not self._fills(coalition):
            return even
        leaked = np.where(people.fresh, 0.0, even)
        return np.asarray(even - leaked + self._projection[True] @ (leaked @ people.basis))

    def _rows(self, coalition: Coalition) -> Margins:
        """Statistics as given, or as they stand after the review; of texts as they are, or as they arrive."""
        edits = self._edits(coalition)
        if self.review is None or "noise" not in coalition:
            scored = self._scored(coalition)
            mixed = (1 - edits) * scored.stacked + edits * scored.edited if edits else None
            return scored.rows if mixed is None else Margins(*np.split(mixed, 3, axis=1))
        return self.review.corrected(self._carried(coalition), protocol="protocol" in coalition, edits=edits)

    def _edits(self, coalition: Coalition) -> float:
        """Share of the rows that arrives edited."""
        edits = self.transfer.contract.perturbation if self.transfer else None
        return edits.rate if edits and "fragility" in coalition else 0.0

    @cached_property
    def _groups(self) -> Margin:
        """Group of each row, and the contract's share of each."""
        assert self.transfer is not None
        return group_margin(self.transfer.group, [share for _, share in self.transfer.contract.groups])

    def _reweighted(self, weights: FloatArray, coalition: Coalition) -> FloatArray:
        """The weights under the contract's toggles: the target's density first, then the groups raked to their shares."""
        return raked(*self._before_raking(weights, coalition))

    def _before_raking(self, weights: FloatArray, coalition: Coalition) -> tuple[FloatArray, list[Margin]]:
        """(weights like the target's where the coalition asks for that, what they are then to be raked to)."""
        if "shift" in coalition and self.transfer is not None:
            weights = like_target(weights, self.transfer.ratio)
        return weights, [self._groups] if "groups" in coalition else []

    def unsupported(self, player: str, beside: Sequence[str] = ()) -> str:
        """Why a player of the contract cannot be played, alone or with those beside it; empty where it can."""
        assert self.transfer is not None
        if player == "fragility":
            return "" if self.transfer.asked else NOT_ASKED
        if player == "groups":
            seen = set(self.transfer.group[self.people.fresh].tolist())
            named = enumerate(self.transfer.contract.groups)
            missing = [name for code, (name, share) in named if share > 0 and code not in seen]
            if missing:
                return f"no unleaked test row belongs to group {missing[0]!r}"
        if player == "shift" and (far := target_unsupported(self.transfer)):
            return far

        def weighted(players: Coalition) -> FloatArray:
            return self._reweighted(self._projection[True] @ self.people.target, players)

        return too_few_left(weighted, player, beside, ids=self.transfer.ids)

    @cached_property
    def concept(self) -> Value:
        """What the target's labels show beyond the reweighted test rows, on texts that both sides hold."""
        assert self.transfer is not None
        return beyond_reweighting(self(frozenset((*self.players, "shift"))), self.on_target(self.transfer.target_inside))

    def on_target(self, among: BoolArray | slice) -> Direct:
        """The score on labelled rows of the target themselves, on those `among` them, (t,)."""
        scored = self._scored(frozenset(self.players))
        assert self.transfer is not None
        assert scored.target is not None
        rows, cluster = scored.target.stacked()[among], self.transfer.target_cluster[among]
        return direct_score(rows, cluster=cluster, metric=scored.measure.metric)

    def if_edits_break_labels(self, coalition: Coalition) -> tuple[float, float]:
        """`transfer.if_edits_break` of a coalition."""
        edits = self.transfer.contract.perturbation if self.transfer else None
        if "fragility" not in coalition or edits is None or edits.valid == 1.0:
            return 0.0, 0.0
        totals = self._carried(coalition) @ self._rows(coalition).stacked()
        return if_edits_break(edits, totals, metric=self._scored(coalition).measure.metric)

    def with_draw(self, draw: int) -> "StructuredGame":
        """The same with one draw of the edits alone, labels as given."""
        one = [replace(scored, edits=scored.edits[draw : draw + 1]) for scored in (self.reported, self.declared)]
        return replace(self, reported=one[0], declared=one[1], review=None)

    def _read(self, coalition: Coalition, slopes: FloatArray) -> FloatArray:
        """`Value.review` of a coalition."""
        if self.review is None:
            return np.zeros(NOT_OF_REVIEWS)
        n_strata = len(self.review.frame.names)
        if "noise" not in coalition:
            return np.zeros(n_strata + NOT_OF_REVIEWS)
        protocol, edits = "protocol" in coalition, self._edits(coalition)
        spread = self.review.spread(self._carried(coalition), slopes, protocol=protocol, edits=edits)
        return np.concatenate([spread, np.zeros(NOT_OF_REVIEWS)])

    def luck(self, coalition: Coalition) -> float:
        """Standard deviation of what leaked rows would add to the value of a coalition without leakage were they fresh: a dozen
        rows may all be right by luck, although no residual of theirs shows it."""
        people = self.people
        if self.too_few_unleaked or not people.leaked.any():
            return 0.0
        rows, weights = self._rows(coalition).stacked(), self._carried(coalition)
        score = rows @ gradient(self._scored(coalition).measure.metric, weights @ rows)
        spread = float(score[people.fresh].std())
        _, member = np.unique(people.cluster[people.leaked], return_inverse=True)
        return float(np.sqrt((np.bincount(member, np.abs(weights[people.leaked]) * spread) ** 2).sum()))

    def bought(self, coalition: Coalition) -> FloatArray:
        """What each leaked row adds to the value of a coalition without leakage beyond what a fresh row like it would, (n,)."""
        people = self.people
        if self.too_few_unleaked or not people.leaked.any():
            return np.zeros(people.n)
        given, weights = self._rows(coalition), self._carried(coalition)
        fresh, rows = _Filled(people, given).rows, given.stacked()
        slopes = gradient(self._scored(coalition).measure.metric, weights @ rows)
        return np.where(people.leaked, weights * ((rows - fresh) @ slopes), 0.0)

    def righted(self, coalition: Coalition) -> FloatArray:
        """What the right answer of each reviewed row adds to the value of a coalition without noise, (n,)."""
        if self.review is None:
            return np.zeros(self.people.n)
        changes = self.review.declared if "protocol" in coalition else self.review.reported
        weights = self._carried(coalition)
        slopes = gradient(self._scored(coalition).measure.metric, weights @ changes.stacked)
        return np.where(self.review.seen & self.review.changed, weights * (changes.found @ slopes), 0.0)

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


def scored_rows(
    data: Dataset,
    structure: Structure,
    people: Population,
    *,
    said: list[str],
    metric: str,
    transfer: AnswerTransfer | None = None,
) -> StructuredGame:
    """The game of the test rows' answers. said: of all rows of the data set. metric: name of the score as it is reported."""
    gold, own = [str(data.answers[row]) for row in people.rows], [said[row] for row in people.rows]
    return scored_answers(structure, people, gold=gold, said=own, names=data.labels, metric=metric, transfer=transfer)


def scored_answers(
    structure: Structure,
    people: Population,
    *,
    gold: Sequence[str],
    said: Sequence[str],
    names: tuple[str, ...],
    metric: str,
    transfer: AnswerTransfer | None = None,
) -> StructuredGame:
    """gold, said: answers given, and those of the model, of the n test rows. names: what answers are made of."""

    def scored(name: str) -> Scored:
        measure = structure.measures[name]
        edits, target = transfer.edited if transfer else (), None
        if transfer and transfer.target_gold:
            target = measure.margins(transfer.target_gold, transfer.target_said, names)
        drawn = tuple(partial(measure.margins, gold, answers, names) for answers in edits)
        turned = transfer.changed(said) if transfer else 0.0
        return Scored(measure, measure.margins(gold, said, names), drawn, target, turned)

    reported = scored(metric)
    instead = structure.measures[metric].stands_for
    return StructuredGame(people, reported, scored(instead) if instead else reported, transfer=transfer)


def reviewed_answers(
    structure: Structure,
    people: Population,
    *,
    ids: list[str],
    gold: Sequence[str],
    said: Sequence[str],
    right: Sequence[str | None],
    unsure: BoolArray,
    names: tuple[str, ...],
    metric: str,
    edited: Sequence[Sequence[str]] = (),
) -> AnswerReview:
    """right: the right answer of each test row where a person gave one, as it is stored. unsure: rows that a person could not
    judge, (n,). edited: what the model says of each draw of edits."""
    measure = structure.measures[metric]
    instead = structure.measures[measure.stands_for] if measure.stands_for else measure

    def both(answers: Sequence[str]) -> tuple[Changes, Changes]:
        found = changes(measure, gold=gold, said=answers, right=right, names=names)
        return found, found if instead is measure else changes(instead, gold=gold, said=answers, right=right, names=names)

    reported, declared = both(said)
    drawn: tuple[Changes, Changes] | None = None
    for number, answers in enumerate(edited):  # their mean, one at a time
        one = both(answers)
        mean = [before.mixed(now, 1 / (number + 1)) for before, now in zip(drawn or one, one, strict=True)]
        drawn = (mean[0], mean[1])
    params = AnswerReviewParams()
    strata = answer_frame(declared, ids=ids, leaked=people.leaked, params=params)
    seen = np.array([answer is not None for answer in right], bool)
    changed = np.array([answer is not None and answer != label for answer, label in zip(right, gold, strict=True)], bool)
    ballots = of_votes(people.vote, people.cluster)
    return AnswerReview(strata, seen, unsure & ~seen, changed, reported, declared, params, ballots, drawn)


def account_structured(
    game: StructuredGame,
    *,
    metric: str,
    has_train: bool,
    looks: list[Margins],
    same: int,
    floors: dict[str, Estimate],
    seed: int,
    reuse: Component | None = None,
) -> Ledger:
    """The ledger of a task whose answers are structures. looks: statistics, as reported, of other models known to have been
    scored on these rows; same: how many more said what this one does. reuse: that component where it was counted before."""
    uncertainty, players = game.uncertainty(), game.players
    books = Books(game.people.n, uncertainty, 0.0, seed)
    value = cache(game.__call__)  # shares and interactions are of the same coalitions
    shares = shapley(players, value)
    shares["leakage"] = shares["leakage"].given(game.people.leaked & ~game.people.fresh)
    if game.review is not None:  # answers that nobody read are the doubt, and the review's own variance holds it
        shares["noise"] = shares["noise"].given(np.ones(game.people.n, np.bool_))
    critical = books.critical(shares)
    empty, full = value(frozenset()), value(frozenset(players))
    luck = sum(abs(weight) * game.luck(coalition) for coalition, weight in coefficients("leakage", players))
    components = (
        _protocol(game, metric, books.component("protocol", "measurement", shares["protocol"], critical, _counted(game, metric))),
        books.component("leakage", "measurement", shares["leakage"], critical, _leakage(game, has_train=has_train), luck=luck),
        books.component("sample", "measurement", shares["sample"], critical, wording.sample(game.people), drawn=True),
        _noise(game, books, shares, critical),
        reuse or _reuse(game, looks, same=same, standard_error=uncertainty.standard_error(full), seed=seed),
    )
    honest = empty.score - sum(c.points.value for c in components if c.points) / 100
    open_ended = (-honest, 1.0 - honest) if game.too_few_unleaked else (0.0, 0.0)
    method = f"{CALIBRATED}{'labels as given' if game.review is None else REVIEWED}"
    under = under_contract(game, books, honest=honest, open_ended=game.too_few_unleaked, method=method)
    return Ledger(
        metric=metric,
        votes=game.transfer.contract.votes if game.transfer else "clusters",
        reported=books.score(empty, empty.score, (0.0, 0.0), "cluster bootstrap, rows as given"),
        honest=books.score(full, honest, open_ended, method),
        contract=under.score,
        components=(*components, *under.components),
        floors=floors,
        notes=_notes(game, full),
        interactions=(*books.interactions(players, value), *under.interactions),
        variance=books.variance(full),
    )


def _notes(game: StructuredGame, honest: Value) -> tuple[str, ...]:
    all_leaked = (notes.ALL_LEAKED,) if game.too_few_unleaked else ()
    thin = notes.leaning(honest)
    return (*all_leaked, *notes.few_rows(game.people), *thin, *((notes.LABELS_AS_GIVEN,) if game.review is None else ()))


def honest_width(game: StructuredGame, *, seed: int) -> float:
    """Width of the honest score's interval, a share, without the account around it."""
    full = game(frozenset(game.players))
    return Books(game.people.n, game.uncertainty(), 0.0, seed).score(full, full.score, (0.0, 0.0), "").width


def _noise(game: StructuredGame, books: Books, shares: dict[str, Share], critical: float) -> Component:
    if game.review is None:
        return wording.unreviewed()
    found = wording.reviewed_answers(game.review, n=game.people.n)
    return books.component("noise", "measurement", shares["noise"], critical, found)


def _reuse(game: StructuredGame, looks: list[Margins], *, same: int, standard_error: float, seed: int) -> Component:
    tables = [game.reported.stacked, *(look.stacked() for look in looks)]
    chosen = best_of(tables, same=same, cluster=game.people.cluster, metric=game.reported.measure.metric, seed=seed)
    return wording.reuse(chosen, standard_error, n=game.people.n, n_clusters=game.uncertainty().n_clusters)


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
