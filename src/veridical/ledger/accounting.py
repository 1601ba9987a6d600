"""The account: from the reported score to the honest one, and to the honest one under a contract; every point with its
interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from veridical.audit._evidence import Evidence
from veridical.core import plugins
from veridical.core.estimate import Estimate
from veridical.core.finding import AuditRecord
from veridical.core.ledger_record import Component, ContractScore, Ledger
from veridical.core.probe_record import ProbeRecord
from veridical.dataset.rows import IntArray
from veridical.ledger import notes, wording
from veridical.ledger.ballots import of_votes
from veridical.ledger.bookkeeping import Books
from veridical.ledger.borrowing import Borrowed, BorrowParams, borrowed
from veridical.ledger.candidates import candidates as found_by_data
from veridical.ledger.coalitions import Coalitions
from veridical.ledger.contract import Contract, Shortcut, refuse_absent
from veridical.ledger.game import Coalition, Share, Value, coefficients, off_the_count, shapley
from veridical.ledger.noise_range import held_possible
from veridical.ledger.reading import frame_of
from veridical.ledger.reuse import Chosen, chosen_among
from veridical.ledger.review import UNSURE, Review, Reviewed, ReviewParams, apply_answers
from veridical.ledger.reweighting import supported, with_concept
from veridical.ledger.tables import Tables, build_tables
from veridical.models.model import FloatArray
from veridical.tasks._class_metrics import collapses, credit_of
from veridical.tasks._confusion_metrics import accuracy
from veridical.tasks._contract import Bound, Metric, Task
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


@dataclass(frozen=True, slots=True)
class Counting:
    """How a task's score is counted. name, metric: as reported. instead, declared: what belongs in its place, and why; None where
    it counts nothing that is no achievement."""

    name: str
    metric: Metric
    instead: str
    declared: Metric | None
    why: str


def counting(task: str, name: str | None, labels: tuple[str, ...]) -> Counting:
    """The metric called `name` of a task, by default the one it declares. Raises UnknownName."""
    record: Task = plugins.get("veridical.tasks", "task", task)
    chosen = name or record.declared
    metric, found = record.metric(chosen, labels), record.metrics[chosen]
    instead = record.belongs(chosen)
    declared = record.metric(instead, labels) if instead != chosen else None
    return Counting(chosen, metric, instead, declared, found.why if isinstance(found, Bound) else "")


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
    probes: ProbeRecord | None = None,
) -> Ledger:
    """Pure arithmetic on stored tables: no text and no model is touched. candidates: what the check of label words wrote of each
    word; with what probes found these stand beside the account, without points."""
    counted = counting(task, metric, labels)
    game = game_of(tables, task=task, labels=labels, contract=contract, review=review, metric=metric)
    reviewed = game.reviewed
    helped = _borrowed(game, labels=labels, review=review)
    game = replace(game, borrowed=helped.borrowed)
    books = Books(tables.people.n, game.uncertainty(), game.worst, seed)
    account_of = _Account(game, books, counted)
    active = frozenset(game.active)
    value = cache(game.__call__)  # shares and interactions are of the same coalitions
    measurement = shapley(game.active, value)
    empty, full = value(frozenset()), value(active)
    bounds = _noise_bounds(game, active, value)
    components = account_of.measurement(measurement, value, bounds=bounds)
    found = books.interactions(game.active, value, untold="" if reviewed else "noise")
    honest = empty.score - sum(c.points.value for c in components if c.points) / 100
    scored = None
    players, abstained = transfer_players(game)
    transfer = [books.unplayed(player, reason, game.on_target) for player, reason in abstained]
    if contract and players:
        played = shapley(players, lambda c: value(active | c))
        transfer = [*account_of.transfer(played, game, value), *transfer]
        noisy = reviewed is None and tables.noise.seen  # then groups are known within bounds only
        found += books.interactions(players, lambda c: value(active | c), untold="groups" if noisy else "")
        under = honest - sum(c.points.value for c in transfer if c.points) / 100
        left_out = tuple(player for player, _ in abstained)
        scored = account_of.under(contract, played, under, value, left_out=left_out)
    declared = {component.name.partition(":")[0] for component in transfer}
    transfer += found_by_data(candidates, probes, declared=declared)
    scored_honest = account_of.estimate(full, honest, bounds, active)
    return Ledger(
        metric=counted.name,
        votes=contract.votes if contract else "clusters",
        reported=account_of.reported(empty),
        honest=scored_honest,
        contract=scored,
        components=(*components, *transfer),
        floors=floors,
        notes=_notes(game, full, review, labels) + helped.notes,
        interactions=tuple(found),
        variance=books.variance(full),
        unreviewed=books.unreviewed(scored_honest, _both(bounds, game.leaks.reach(active))),
    )


def _both(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Two doubts (<= 0, >= 0) that may add up."""
    return first[0] + second[0], first[1] + second[1]


def _variance_of_draws(game: Coalitions, players: Sequence[str]) -> float:
    """What of the contract score's variance comes from which edits were drawn, from the spread of the draws of each cluster; 0
    without edits, and with one draw, whose part cannot be told from that of the rows."""
    transfer = game.tables.transfer
    m = transfer.edited.shape[2]
    if "fragility" not in players or m < 2:
        return 0.0
    coalition, uncertainty, alone = frozenset(game.active) | frozenset(players), game.uncertainty(), []
    for draw in range(m):
        one = replace(transfer, edited=transfer.edited[:, :, draw : draw + 1])
        value = replace(game, tables=replace(game.tables, transfer=one))(coalition)
        alone.append(uncertainty.by_cluster([value])[:, 0])
    return float(np.var(alone, axis=0, ddof=1).sum() / m)


def _notes(game: Coalitions, honest: Value, review: Review | None, labels: tuple[str, ...]) -> tuple[str, ...]:
    """What a reader must know beside the figures; a review of test rows that decided nothing is said too."""
    tables, answers = game.tables, review.answers if review else {}
    asked = sum(str(row) in answers for row in tables.ids)
    decided_nothing = (notes.undecided(asked),) if asked and game.reviewed is None else ()
    thin = notes.leaning(honest)
    chosen = notes.chosen_leaks(game, labels=labels)
    return (*notes.of_rows(tables, game.reviewed, labels=labels), *thin, *chosen, *decided_nothing)


def game_of(
    tables: Tables, *, task: str, labels: tuple[str, ...], contract: Contract | None, review: Review | None, metric: str | None
) -> Coalitions:
    """The game on stored tables, before train rows lend anything."""
    counted = counting(task, metric, labels)
    graded = credit_of(counted.declared or counted.metric) is not None
    reviewed = _reviewed(tables, labels=labels, review=review, graded=graded)
    corrected = reviewed.labels if reviewed else tables.noise.inverted(tables.codes)
    return Coalitions(
        tables, counted.metric, corrected, reviewed, shortcuts=_players(contract), contract=contract, declared=counted.declared
    )


def transfer_players(game: Coalitions) -> tuple[list[str], list[tuple[str, str]]]:
    """(players of the transfer block, those that abstain with the reason), as the contract declares them."""
    contract = game.contract
    if contract is None:
        return [], []
    wanted = [name for name, _ in game.shortcuts]
    wanted += ["groups"] * bool(contract.groups) + ["fragility"] * (contract.perturbation is not None)
    wanted += ["shift"] * bool(len(game.tables.transfer.ratio))
    transfer = game.tables.transfer
    return with_concept(
        supported(wanted, game.unsupported),
        labelled=max(transfer.target_labelled, len(transfer.target_codes)), asked=game.tables.asked,
        cluster=transfer.target_cluster[transfer.target_inside],
    )  # fmt: skip


def counted_rows(
    tables: Tables, *, task: str, labels: tuple[str, ...], contract: Contract | None, metric: str | None
) -> FloatArray:
    """What each test row counts for in the honest score, and in that under the contract, as far as labels that nobody read let it
    be played, (1 or 2, n)."""
    people = tables.people
    if people.leaked.all():
        return people.vote[None]
    game = game_of(tables, task=task, labels=labels, contract=contract, review=None, metric=metric)
    players = frozenset(transfer_players(game)[0])
    return np.stack([game.standing(frozenset()), *([game.standing(players)] if players else [])])


def _players(contract: Contract | None) -> tuple[tuple[str, Shortcut], ...]:
    if contract is None:
        return ()
    single = len(contract.shortcuts) == 1
    return tuple(("shortcut" if single else f"shortcut:{s.word}", s) for s in contract.shortcuts)


def _reviewed(tables: Tables, *, labels: tuple[str, ...], review: Review | None, graded: bool) -> Reviewed | None:
    if review is None or not review.answers:
        return None
    truth = _truth(tables.ids, labels=labels, review=review)
    if not np.any(truth >= 0):
        return None  # nothing was answered, or nothing but `unsure`
    people = tables.people
    ballots = of_votes(people.vote, people.cluster)
    return apply_answers(
        tables.noise, frame_of(tables), truth=truth, codes=tables.codes, predicted=tables.predicted, params=ReviewParams(),
        graded=graded, ballots=ballots,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Help:
    """What train rows bring, if anything, and what the user is told of it."""

    borrowed: Borrowed | None
    notes: tuple[str, ...]


def _borrowed(game: Coalitions, *, labels: tuple[str, ...], review: Review | None) -> _Help:
    """Train rows whose labels were reviewed lend their accuracy, if it fits that of the test rows."""
    train = game.tables.train
    if review is None:
        return _Help(None, ())
    read = sum(str(row) in review.answers for row in train.ids)
    nothing = _Help(None, (notes.lends_nothing(read),) if read else ())
    if game.metric_in(frozenset(game.active)) is not accuracy or not game.tables.people.includes_train:
        return nothing
    found = borrowed(train, _truth(train.ids, labels=labels, review=review))
    if found is None:
        return nothing
    test = game.fold_accuracy()
    gap = found.accuracy - test.score
    z = gap / float(np.hypot(found.standard_error, game.uncertainty().standard_error(test)))
    return _Help(found if abs(z) <= BorrowParams().max_z else None, (notes.borrowing(found, gap=gap, z=z),))


def _truth(ids: npt.NDArray[Any], *, labels: tuple[str, ...], review: Review) -> IntArray:
    """Code of each row's reviewed label, -1 where not reviewed, -2 where unsure."""
    # Where a class is really called so, the answer means that class.
    code = {UNSURE: -2} | {label: k for k, label in enumerate(labels)}
    return np.array([code.get(review.answers.get(str(row), ""), -1) for row in ids], dtype=np.int64)


def _noise_bounds(game: Coalitions, coalition: Coalition, value: Callable[[Coalition], Value]) -> tuple[float, float]:
    """How far the value of a coalition can lie below (<= 0) and above (>= 0), over the noise that the data allow; no way once
    labels were reviewed. value: of the game as it is."""
    if game.reviewed is not None:
        return 0.0, 0.0
    noise, codes = game.tables.noise, game.tables.codes
    scores = [now := min(value(coalition).score, 1.0)]
    fewer_than_none = bool((game.labels.sum(axis=0) < 0).any())  # no noise made these labels so
    if fewer_than_none and not collapses(game.metric_in(coalition)):
        return game.worst - now, 1.0 - now
    for labels in held_possible(noise, codes, game.answers(coalition)):
        scores.append(min(game.score_if(labels, coalition), 1.0))
    low, high = min(scores) - now, max(scores) - now
    if coalition == frozenset(game.active):
        return low, high
    apart_low, apart_high = _group_noise_bounds(game, lambda labels: min(game.score_if(labels, coalition), 1.0), now)
    return min(low, apart_low), max(high, apart_high)


def _group_noise_bounds(game: Coalitions, of: Callable[[FloatArray], float], now: float) -> tuple[float, float]:
    """The same of a figure of label distributions where there is noise: how far it can move down and up when each group has as
    little or as much of it as its own rows allow. Labels that seem right, or were reviewed, leave none. now: the figure."""
    noise = game.tables.noise
    if game.reviewed is not None or not len(noise.reach_of):
        return 0.0, 0.0
    low, high = 0.0, 0.0
    for pair in noise.group_extremes(game.tables.codes):
        moved = [of(labels) - now for labels in pair]
        low, high = low + min(0.0, *moved), high + max(0.0, *moved)
    return low, high


def _drop_if(labels: FloatArray, player: str, players: Sequence[str], game: Coalitions) -> float:
    """A player's share of the transfer block, were these the label distributions, (n, C)."""
    active = frozenset(game.active)
    score = cache(lambda coalition: game.score_if(labels, active | coalition))
    return sum(weight * (score(c) - score(c | {player})) for c, weight in coefficients(player, players))


def _cue_bounds(player: str, shares: dict[str, Share], game: Coalitions) -> tuple[float, float]:
    """How far the share of a reweighted cue can lie below (<= 0) and above (>= 0) over the noise that the data allow: rows whose
    label and cue disagree count for more, and more of their labels are wrong. After a review, for what is left in rows unread."""
    drop = shares[player].drop.score
    if game.reviewed is not None:
        more = drop * game.association_hidden
        return min(more, 0.0), max(more, 0.0)
    noise, codes = game.tables.noise, game.tables.codes
    said = game.answers(frozenset((*game.active, *shares)))
    moves = [0.0, *(_drop_if(labels, player, tuple(shares), game) - drop for labels in held_possible(noise, codes, said))]
    low, high = _group_noise_bounds(game, lambda labels: _drop_if(labels, player, tuple(shares), game), drop)
    return min(*moves, low), max(*moves, high)


def _said_of(player: str, game: Coalitions) -> wording.Said:
    """What is said of a player of the transfer block."""
    contract, tables = game.contract, game.tables
    transfer = tables.transfer
    assert contract is not None
    if player == "groups":
        noisy = game.reviewed is None and len(tables.noise.names) > 0
        return wording.groups(contract, transfer.group, noisy=noisy, doubted=tables.noise.doubted.tolist() if noisy else ())
    if player == "fragility":
        assert contract.perturbation is not None
        changed = float((tables.edited(tables.cue_present) != tables.predicted[:, None]).mean())
        return wording.fragility(contract.perturbation, changed=changed, n=tables.people.n)
    if player == "shift":
        return wording.shift(rows=transfer.target_rows, like=transfer.target_like, auc=transfer.auc)
    return wording.concept(transfer.target_inside, reviewed=game.reviewed is not None)


@dataclass(frozen=True, eq=False)
class _Account:
    """The components of a classifier's score and the words for them."""

    game: Coalitions
    books: Books
    counted: Counting

    def reported(self, empty: Value) -> Estimate:
        return self.books.score(empty, empty.score, (0.0, 0.0), "cluster bootstrap, rows as given")

    def estimate(self, value: Value, score: float, bounds: tuple[float, float], coalition: Coalition) -> Estimate:
        """The score of a coalition of all that is measured. bounds: of its labels and edits, beside which chosen leaks count."""
        method, leaks = "calibrated to the population, clusters resampled", self.game.leaks.reach(coalition)
        if self.game.reviewed:
            method += ", reviewed labels"
        elif bounds != (0.0, 0.0):
            method += ", label noise bounded (Imbens-Manski)"
        if leaks != (0.0, 0.0):
            method += ", leaks chosen by their labels bounded"
        if coalition != frozenset(self.game.active):
            method += "; under the contract"
        return self.books.score(value, score, _both(bounds, leaks), method)

    def measurement(
        self, shares: dict[str, Share], value: Callable[[Coalition], Value], *, bounds: tuple[float, float]
    ) -> tuple[Component, ...]:
        tables, reviewed = self.game.tables, self.game.reviewed
        people = tables.people
        shares = {**shares, "leakage": shares["leakage"].given(people.leaked & ~people.fresh)}
        shares["noise"] = self.game.of_these_rows(shares["noise"])
        books, critical = self.books, self.books.critical(shares)
        off = off_the_count("noise", "sample", value) if reviewed else 0.0
        return (
            self.protocol(shares, critical),
            books.component(
                "leakage",
                "measurement",
                shares["leakage"],
                critical,
                wording.leakage(self.game),
                bounds=self.game.leaks.reach(frozenset(self.game.active)),
                luck=self._luck(),
            ),
            books.component("sample", "measurement", shares["sample"], critical, wording.sample(tables.people), drawn=True),
            books.component(
                "noise", "measurement", shares["noise"], critical, wording.noise(tables, reviewed), bounds=bounds, luck=off
            ),
            wording.reuse(
                self.chosen(),
                books.uncertainty.standard_error(self.game(frozenset(self.game.active))),
                n=tables.people.n,
                n_clusters=books.uncertainty.n_clusters,
            ),
        )

    def protocol(self, shares: dict[str, Share], critical: float) -> Component:
        """Where the score is reported as declared, the player is exactly 0."""
        tables, counted = self.game.tables, self.counted
        if "protocol" not in shares:
            return wording.protocol(tables, n_clusters=self.books.uncertainty.n_clusters)
        said = wording.counted(counted.name, instead=counted.instead, why=counted.why, n=tables.people.n)
        return self.books.component("protocol", "measurement", shares["protocol"], critical, said)

    def chosen(self) -> Chosen:
        """What the choice among the logged looks does to the score as reported."""
        tables = self.game.tables
        return chosen_among(
            tables.predicted, tables.looks, codes=tables.codes, cluster=tables.people.cluster, metric=self.game.metric,
            n_classes=tables.elsewhere.shape[1], seed=self.books.seed,
        )  # fmt: skip

    def transfer(self, shares: dict[str, Share], game: Coalitions, value: Callable[[Coalition], Value]) -> list[Component]:
        critical = self.books.critical(shares)
        positions = {player: k for k, (player, _) in enumerate(game.shortcuts)}
        listed = []
        for player, share in shares.items():
            if player in positions:
                said = wording.shortcut(game, positions[player], game.shortcuts[positions[player]][1])
            else:
                said = _said_of(player, game)
            bounds = game.if_edits_break_labels(frozenset((*self.game.active, player)))
            if player == "concept":  # wrong labels of the test set would pass for changed ones
                lower, upper = _noise_bounds(game, frozenset((*game.active, "shift")), value)
                bounds = -upper, -lower
            reweighted = player in positions and game.shortcuts[positions[player]][1].op == "reweight"
            if reweighted:
                lower, upper = _cue_bounds(player, shares, game)
                bounds = -upper, -lower
            if player == "groups":  # more wrong labels in one group would pass for a harder one
                of = partial(_drop_if, player=player, players=tuple(shares), game=game)
                lower, upper = _group_noise_bounds(game, of, share.drop.score)
                bounds = -upper, -lower
            beside = reweighted or (player == "groups" and not game.tables.noise.seen)
            listed.append(self.books.component(player, "transfer", share, critical, said, bounds=bounds, beside=beside))
        return listed

    def under(
        self,
        contract: Contract,
        played: dict[str, Share],
        score: float,
        value: Callable[[Coalition], Value],
        *,
        left_out: tuple[str, ...],
    ) -> ContractScore:
        """The score under the contract, of which these players were played and those left out could not be."""
        game, books, players = self.game, self.books, tuple(played)
        whole = frozenset((*game.active, *players))
        last, edits = value(whole), game.if_edits_break_labels(whole)
        noise = _noise_bounds(game, whole, value)  # labels of the target leave nothing of it
        for name in (name for name, shortcut in game.shortcuts if shortcut.op == "reweight" and name in played):
            if game.reviewed is not None:
                lower, upper = _cue_bounds(name, played, game)
                noise = _both(noise, (-upper, -lower))
                continue
            # More labels may be wrong than leave something of each cue with each label: these count as in the honest score.
            whatever = _noise_bounds(game, frozenset(game.active), value)
            noise = min(noise[0], whatever[0]), max(noise[1], whatever[1])
        bounds = _both(noise, edits)
        estimate = self.estimate(last, score, bounds, whole)
        shares = books.variance(last, draws=_variance_of_draws(game, players))
        held = game.tables.transfer.share_like if "shift" in players else 1.0
        left_open = books.unreviewed(estimate, _both(bounds, game.leaks.reach(whole)))
        return ContractScore(contract.name, contract.sha256, estimate, left_out, shares, held, left_open)

    def _luck(self) -> float:
        """`Coalitions.luck` averaged over the coalitions as Shapley does."""
        return sum(abs(weight) * self.game.luck(coalition) for coalition, weight in coefficients("leakage", self.game.active))
