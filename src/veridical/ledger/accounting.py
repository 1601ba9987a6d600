"""The account: from the reported score to the honest one, and to the honest one under a contract; every point with its
interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core import plugins
from veridical.core.errors import UnknownName
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Component, ContractScore, Interaction, Ledger
from veridical.core.randomness import stream
from veridical.dataset.rows import IntArray
from veridical.ledger import wording
from veridical.ledger.borrowing import Borrowed, BorrowParams, borrowed
from veridical.ledger.coalitions import ACTIVE, Coalitions
from veridical.ledger.contract import Contract, Shortcut, refuse_absent
from veridical.ledger.game import Coalition, Share, Value, coefficients, interactions, shapley
from veridical.ledger.inference import LEVEL, POWER_FACTOR, Uncertainty, partially_identified, score_interval
from veridical.ledger.label_noise import undone
from veridical.ledger.reuse import Chosen, chosen_among
from veridical.ledger.review import UNSURE, Review, Reviewed, ReviewParams, apply_answers, frame
from veridical.ledger.score_table import collapses
from veridical.ledger.tables import Tables, build_tables
from veridical.tasks._contract import Metric, Task
from veridical.train.trained import Trained


def account(
    trained: Trained,
    *,
    evidence: Evidence,
    audit: AuditRecord | None = None,
    contract: Contract | None = None,
    review: Review | None = None,
    metric: str | None = None,
    floors: dict[str, Estimate] | None = None,
    seed: int = 0,
) -> Ledger:
    """The ledger of `trained` on the test rows of `evidence.data`. See `account_tables` for what happens after a review."""
    tables = tables_of(trained, evidence=evidence, contract=contract, seed=seed)
    candidates = [finding.evidence for finding in audit.findings("label_words")] if audit else []
    return account_tables(
        tables, task=evidence.data.task, labels=evidence.data.labels, contract=contract, review=review, metric=metric,
        floors=floors or {}, candidates=candidates, seed=seed,
    )  # fmt: skip


def tables_of(trained: Trained, *, evidence: Evidence, contract: Contract | None, seed: int) -> Tables:
    """The cached tables of one scored model. Refuses a contract that names a word of no row."""
    if contract:
        refuse_absent(contract, evidence.data)
    return build_tables(
        evidence=evidence, probabilities=trained.probabilities, model=trained.model, contract=contract,
        votes=contract.votes if contract else "clusters", seed=seed,
    )  # fmt: skip


def metric_of(task: str, name: str | None) -> tuple[str, Metric]:
    """The metric called `name` of a task, by default the one it declares. Raises UnknownName."""
    record: Task = plugins.get("veridical.tasks", "task", task)
    chosen = name or record.declared
    if chosen not in record.metrics:
        raise UnknownName("metric", chosen, list(record.metrics), "Give it as --metric NAME.")
    return chosen, record.metrics[chosen]


def account_tables(
    tables: Tables,
    *,
    task: str,
    labels: tuple[str, ...],
    contract: Contract | None,
    review: Review | None,
    metric: str | None,
    floors: dict[str, Estimate],
    candidates: Sequence[str],
    seed: int,
) -> Ledger:
    """Pure arithmetic on stored tables: no text and no model is touched."""
    name, _ = metric_of(task, metric)
    game = game_of(tables, task=task, labels=labels, contract=contract, review=review, metric=metric)
    reviewed, shortcuts = game.reviewed, game.shortcuts
    helped = _borrowed(game, labels=labels, review=review)
    game = replace(game, borrowed=helped.borrowed)
    account_of = _Account(game, game.uncertainty(), seed)
    measurement = shapley(ACTIVE, game)
    empty, full = game(frozenset()), game(frozenset(ACTIVE))
    bounds = _noise_bounds(game, full) if reviewed is None else (0.0, 0.0)
    components = account_of.measurement(measurement, bounds=bounds)
    found = account_of.interactions(ACTIVE, game)
    honest = empty.score - sum(c.points.value for c in components if c.points) / 100
    transfer: list[Component] = []
    scored = None
    players, abstained = transfer_players(game)
    transfer += [wording.unsupported(player, reason) for player, reason in abstained]
    if contract and players:
        played = shapley(players, lambda c: game(frozenset(ACTIVE) | c))
        transfer = [*account_of.transfer(played, game), *transfer]
        found += account_of.interactions(players, lambda c: game(frozenset(ACTIVE) | c))
        last = game(frozenset(ACTIVE) | frozenset(players))
        under = honest - sum(c.points.value for c in transfer if c.points) / 100
        edits = game.if_edits_break_labels(frozenset(ACTIVE) | frozenset(players))
        allowed = (bounds[0] + edits[0], bounds[1] + edits[1])
        estimate = account_of.estimate(last, under, allowed, "contract")
        scored = ContractScore(contract.name, contract.sha256, estimate, tuple(player for player, _ in abstained))
    if not shortcuts:
        transfer.append(wording.shortcut_candidates(candidates))
    return Ledger(
        metric=name,
        votes=contract.votes if contract else "clusters",
        reported=account_of.reported(empty),
        honest=account_of.estimate(full, honest, bounds, "honest"),
        contract=scored,
        components=(*components, *transfer),
        floors=floors,
        notes=_notes(game, review) + helped.notes,
        interactions=tuple(found),
        variance=account_of.variance(full),
    )


def _notes(game: Coalitions, review: Review | None) -> tuple[str, ...]:
    """What a reader must know beside the figures; a review of test rows that decided nothing is said too."""
    tables, answers = game.tables, review.answers if review else {}
    asked = sum(str(row) in answers for row in tables.ids)
    decided_nothing = (wording.undecided(asked),) if asked and game.reviewed is None else ()
    return (*wording.notes(tables, game.reviewed), *wording.chosen_leaks(game), *decided_nothing)


def game_of(
    tables: Tables, *, task: str, labels: tuple[str, ...], contract: Contract | None, review: Review | None, metric: str | None
) -> Coalitions:
    """The game on stored tables, before train rows lend anything."""
    reviewed = _reviewed(tables, labels=labels, review=review)
    corrected = reviewed.labels if reviewed else tables.noise.inverted(tables.codes)
    function = metric_of(task, metric)[1]
    return Coalitions(tables, function, corrected, reviewed, shortcuts=_players(contract), contract=contract)


def transfer_players(game: Coalitions) -> tuple[list[str], list[tuple[str, str]]]:
    """(players of the transfer block, those that abstain with the reason), as the contract declares them."""
    contract = game.contract
    if contract is None:
        return [], []
    wanted = [name for name, _ in game.shortcuts]
    wanted += ["groups"] * bool(contract.groups) + ["fragility"] * (contract.perturbation is not None)
    wanted += ["shift"] * bool(len(game.tables.transfer.ratio))
    reasons = [(player, game.unsupported(player)) for player in wanted]
    players = [player for player, reason in reasons if not reason]
    if len(game.tables.transfer.target_codes):
        players.append("concept")
    return players, [(player, reason) for player, reason in reasons if reason]


def _players(contract: Contract | None) -> tuple[tuple[str, Shortcut], ...]:
    if contract is None:
        return ()
    single = len(contract.shortcuts) == 1
    return tuple(("shortcut" if single else f"shortcut:{s.word}", s) for s in contract.shortcuts)


def _reviewed(tables: Tables, *, labels: tuple[str, ...], review: Review | None) -> Reviewed | None:
    if review is None or not review.answers:
        return None
    params = ReviewParams()
    truth = _truth(tables.ids, labels=labels, review=review)
    if not np.any(truth >= 0):
        return None  # nothing was answered, or nothing but `unsure`
    drawn = frame(
        tables.noise, ids=[str(i) for i in tables.ids], codes=tables.codes, predicted=tables.predicted,
        leaked=tables.people.leaked, params=params,
    )  # fmt: skip
    return apply_answers(tables.noise, drawn, truth=truth, codes=tables.codes, predicted=tables.predicted, params=params)


@dataclass(frozen=True, slots=True)
class _Help:
    """What train rows bring, if anything, and what the user is told of it."""

    borrowed: Borrowed | None
    notes: tuple[str, ...]


def _borrowed(game: Coalitions, *, labels: tuple[str, ...], review: Review | None) -> _Help:
    """Train rows whose labels were reviewed lend their accuracy, if it fits that of the test rows."""
    train = game.tables.train
    if review is None or not collapses(game.metric) or not game.tables.people.includes_train:
        return _Help(None, ())
    found = borrowed(train, _truth(train.ids, labels=labels, review=review))
    if found is None:
        return _Help(None, ())
    test = game.fold_accuracy()
    gap = found.accuracy - test.score
    z = gap / float(np.hypot(found.standard_error, game.uncertainty().standard_error(test)))
    return _Help(found if abs(z) <= BorrowParams().max_z else None, (wording.borrowing(found, gap=gap, z=z),))


def _truth(ids: npt.NDArray[Any], *, labels: tuple[str, ...], review: Review) -> IntArray:
    """Code of each row's reviewed label, -1 where not reviewed, -2 where unsure."""
    # Where a class is really called so, the answer means that class.
    code = {UNSURE: -2} | {label: k for k, label in enumerate(labels)}
    return np.array([code.get(review.answers.get(str(row), ""), -1) for row in ids], dtype=np.int64)


def _noise_bounds(game: Coalitions, full: Value) -> tuple[float, float]:
    """How far the honest score can lie below (<= 0) and above (>= 0) its value, over the noise that the data allow."""
    noise, codes = game.tables.noise, game.tables.codes
    scores = [full.score]
    for transition in noise.range():
        other = replace(game, labels=undone(transition, codes))
        scores.append(min(other(frozenset(ACTIVE)).score, 1.0))
    return min(scores) - full.score, max(scores) - full.score


RULE_OF_THREE = 3.0
"""None among n rows means at most 3 / n of them at 95 %. Jovanovic and Levy 1997."""
DUST = 1e-6
"""Points under which a number is a rounding error."""
TRANSFER_WORDS: dict[str, Callable[[Coalitions], wording.Said]] = {
    "groups": wording.groups,
    "fragility": wording.fragility,
    "shift": wording.shift,
    "concept": wording.concept,
}


@dataclass(frozen=True, eq=False)
class _Account:
    """Turns values into estimates and components."""

    game: Coalitions
    uncertainty: Uncertainty
    seed: int

    def reported(self, empty: Value) -> Estimate:
        return self._share(empty, empty.score, (0.0, 0.0), "cluster bootstrap, rows as given")

    def estimate(self, value: Value, score: float, bounds: tuple[float, float], which: str) -> Estimate:
        method = "calibrated to the population, clusters resampled"
        if self.game.reviewed:
            method += ", reviewed labels"
        elif bounds != (0.0, 0.0):
            method += ", label noise bounded (Imbens-Manski)"
        return self._share(value, score, bounds, method if which == "honest" else f"{method}; under the contract")

    def _share(self, value: Value, score: float, bounds: tuple[float, float], method: str) -> Estimate:
        people = self.game.tables.people
        error = self.uncertainty.standard_error(value)
        n_clusters = self.uncertainty.n_clusters
        wide = partially_identified(score + bounds[0], score + bounds[1], standard_error=error) if bounds != (0.0, 0.0) else None
        critical = self.uncertainty.critical() if wide is None else wide * self.uncertainty.critical() / 1.96
        worst = self.game.worst
        low, _ = score_interval(score + bounds[0], error, worst=worst, critical=critical, n=n_clusters)
        _, high = score_interval(score + bounds[1], error, worst=worst, critical=critical, n=n_clusters)
        return Estimate(score, min(low, score), max(high, score), LEVEL, people.n, n_clusters, method)

    def measurement(self, shares: dict[str, Share], *, bounds: tuple[float, float]) -> tuple[Component, ...]:
        critical = self._critical(shares)
        tables, reviewed = self.game.tables, self.game.reviewed
        return (
            wording.protocol(tables, n_clusters=self.uncertainty.n_clusters),
            self._component("leakage", "measurement", shares["leakage"], critical, wording.leakage(self.game), luck=self._luck()),
            self._component("sample", "measurement", shares["sample"], critical, wording.sample(tables)),
            self._component("noise", "measurement", shares["noise"], critical, wording.noise(tables, reviewed), bounds=bounds),
            wording.reuse(
                self.chosen(),
                self.uncertainty.standard_error(self.game(frozenset(ACTIVE))),
                n=tables.people.n,
                n_clusters=self.uncertainty.n_clusters,
            ),
        )

    def chosen(self) -> Chosen:
        """What the choice among the logged looks does to the score as reported."""
        tables = self.game.tables
        return chosen_among(
            tables.predicted, tables.looks, codes=tables.codes, cluster=tables.people.cluster, metric=self.game.metric,
            n_classes=tables.elsewhere.shape[1], seed=self.seed,
        )  # fmt: skip

    def transfer(self, shares: dict[str, Share], game: Coalitions) -> list[Component]:
        critical = self._critical(shares)
        positions = {player: k for k, (player, _) in enumerate(game.shortcuts)}
        listed = []
        for player, share in shares.items():
            if player in positions:
                said = wording.shortcut(game, positions[player], game.shortcuts[positions[player]][1])
            else:
                said = TRANSFER_WORDS[player](game)
            bounds = game.if_edits_break_labels(frozenset((*ACTIVE, player)))
            listed.append(self._component(player, "transfer", share, critical, said, bounds=bounds))
        return listed

    def interactions(self, players: Sequence[str], value: Callable[[Coalition], Value]) -> list[Interaction]:
        """Pairs whose interaction's band, simultaneous over the pairs of the block, excludes 0."""
        pairs = interactions(players, value)
        critical = self.uncertainty.simultaneous_critical(list(pairs.values()), rng=stream(self.seed, "interactions"))
        found = []
        for (first, second), pair in pairs.items():
            half, middle = 100 * critical * self.uncertainty.standard_error(pair), 100 * pair.score
            if abs(middle) > max(half, DUST):
                people = self.game.tables.people
                points = Estimate(
                    middle,
                    middle - half,
                    middle + half,
                    LEVEL,
                    people.n,
                    self.uncertainty.n_clusters,
                    "Shapley interaction index",
                )
                found.append(Interaction(first, second, points))
        return found

    def variance(self, value: Value) -> dict[str, float]:
        """Shares of the honest score's variance, by source, summing to 1; empty where there is none."""
        parts = self.uncertainty.parts(value)
        total = sum(parts.values())
        return {name: part / total for name, part in parts.items()} if total > 0 else {}

    def _critical(self, shares: dict[str, Share]) -> float:
        drops = [share.drop for share in shares.values()]
        return self.uncertainty.simultaneous_critical(drops, rng=stream(self.seed, "bands"))

    def _luck(self) -> float:
        """`Coalitions.luck` averaged over the coalitions as Shapley does."""
        return sum(abs(weight) * self.game.luck(coalition) for coalition, weight in coefficients("leakage", ACTIVE))

    def _component(
        self,
        name: str,
        kind: str,
        share: Share,
        critical: float,
        said: wording.Said,
        *,
        bounds: tuple[float, float] = (0.0, 0.0),
        luck: float = 0.0,
    ) -> Component:
        """luck: a standard deviation that the rows' own residuals do not show, a share."""
        error = float(np.hypot(self.uncertainty.standard_error(share.drop), luck))
        value = 100 * share.drop.score
        # A higher honest score means fewer points lost: the bounds change sides.
        low = value - 100 * bounds[1] - 100 * critical * error
        high = value - 100 * bounds[0] + 100 * critical * error
        people = self.game.tables.people
        # Where every row says the same there is no variance to read off: rule of three, one row in three hundredths of them.
        slack = 100 * RULE_OF_THREE / max(self.uncertainty.n_clusters, 1) if said.slack is None else said.slack
        unseen = 100 * error < DUST
        if unseen:
            low, high = min(low, value - slack), max(high, value + slack)
        points = Estimate(value, low, high, LEVEL, people.n, self.uncertainty.n_clusters, said.method)
        status = "measured" if low > 0 or high < 0 else "not_detected"
        if bounds != (0.0, 0.0):
            status = "bounded"
        mde = slack if unseen else 100 * POWER_FACTOR * error
        mde = max(mde, 50 * (bounds[1] - bounds[0]))  # an identified range hides effects up to half its width
        return Component(
            name=name, kind=kind, status=status, points=points, mde=mde, rows=said.rows, why=said.why,  # type: ignore[arg-type]
            order_low=100 * share.order_low, order_high=100 * share.order_high, details=said.details,
        )  # fmt: skip
