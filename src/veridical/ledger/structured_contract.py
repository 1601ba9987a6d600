"""The transfer block where an answer is more than one label: groups, fragility, shift and concept, on top of all of the
measurement block. Weights act on whole rows, so the share of a group is one of rows, not of entities or labels."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from veridical.core.ledger_record import Component, ContractScore, Interaction
from veridical.ledger import wording
from veridical.ledger.bookkeeping import Books
from veridical.ledger.game import Coalition, shapley
from veridical.ledger.reweighting import supported, with_concept

if TYPE_CHECKING:
    from veridical.ledger.structured import StructuredGame


@dataclass(frozen=True, slots=True)
class Under:
    """What a contract adds to a ledger. score: None without a contract, and where none of its players could be played."""

    score: ContractScore | None = None
    components: tuple[Component, ...] = ()
    interactions: tuple[Interaction, ...] = ()


def under_contract(game: "StructuredGame", books: Books, *, honest: float, open_ended: bool, method: str) -> Under:
    """honest: the score that the measurement block ends with; open_ended: it may be anything. method: how it was had."""
    if game.transfer is None:
        return Under()
    contract, active = game.transfer.contract, frozenset(game.players)
    players, abstained = transfer_players(game)
    skipped = [books.unplayed(player, reason, game.on_target) for player, reason in abstained]
    if not players:
        return Under(components=tuple(skipped))
    played = cache(lambda coalition: game(active | coalition))  # shares and interactions are of the same coalitions
    shares = shapley(players, played)
    critical = books.critical(shares)
    made = [
        books.component(
            player, "transfer", share, critical, _said(player, game), bounds=game.if_edits_break_labels(active | {player})
        )
        for player, share in shares.items()
    ]
    whole: Coalition = active | frozenset(players)
    last, edits = played(whole), game.if_edits_break_labels(whole)
    value = honest - sum(c.points.value for c in made if c.points) / 100
    bounds = (-value, 1.0 - value) if open_ended else edits
    estimate = books.score(last, value, bounds, f"{method}; under the contract")
    variance = books.variance(last, draws=_of_draws(game, whole))
    held = game.transfer.share_like if "shift" in players else 1.0
    score = ContractScore(
        contract.name,
        contract.sha256,
        estimate,
        tuple(player for player, _ in abstained),
        variance,
        held,
        books.unreviewed(estimate, edits),
    )
    found = books.interactions(players, played)
    return Under(score, (*made, *skipped), tuple(found))


def transfer_players(game: "StructuredGame") -> tuple[list[str], list[tuple[str, str]]]:
    """(players of the transfer block, those that abstain with the reason), as the contract declares them."""
    transfer = game.transfer
    assert transfer is not None
    declared = {
        "groups": bool(transfer.contract.groups),
        "fragility": transfer.contract.perturbation is not None,
        "shift": len(transfer.ratio) > 0,
    }
    return with_concept(
        supported([player for player, there in declared.items() if there], game.unsupported),
        labelled=max(transfer.target_labelled, len(transfer.target_gold)), asked=transfer.asked,
        cluster=transfer.target_cluster[transfer.target_inside],
    )  # fmt: skip


def _said(player: str, game: "StructuredGame") -> wording.Said:
    transfer = game.transfer
    assert transfer is not None
    if player == "groups":
        return wording.groups(transfer.contract, transfer.group)
    if player == "fragility":
        edits = transfer.contract.perturbation
        assert edits is not None
        return wording.fragility(edits, changed=game.reported.turned, n=game.people.n)
    if player == "shift":
        return wording.shift(rows=transfer.target_rows, like=transfer.target_like, auc=transfer.auc)
    return wording.concept(transfer.target_inside, reviewed=game.review is not None)


def _of_draws(game: "StructuredGame", coalition: Coalition) -> float:
    """What of a score's variance comes from which edits were drawn; 0 without edits, and with one draw of them."""
    m = len(game.reported.edits)
    if "fragility" not in coalition or m < 2:
        return 0.0
    uncertainty = game.uncertainty()
    told = coalition - {"concept"}  # of other rows
    alone = [uncertainty.by_cluster([game.with_draw(draw)(told)])[:, 0] for draw in range(m)]
    return float(np.var(alone, axis=0, ddof=1).sum() / m)
