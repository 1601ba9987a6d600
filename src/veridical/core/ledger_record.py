"""The account from the reported score to the honest one, as it stands in run.json. Computed in `ledger/`, drawn in `report/`."""

from dataclasses import dataclass, field
from typing import Any, Literal

from veridical.core.estimate import Estimate

Kind = Literal["measurement", "transfer"]
ComponentStatus = Literal["measured", "bounded", "not_detected", "candidate", "skipped"]
IN_THE_SUM: frozenset[str] = frozenset({"measured", "bounded", "not_detected"})


@dataclass(frozen=True, slots=True)
class Component:
    """One signed part of the gap, in percentage points; > 0: the number before was too high by that much.

    points: value with its *simultaneous* band (over all components of the block). None for `candidate` and `skipped`,
    which do not enter the sum. mde: smallest effect seen with 80 % power at this size, points. rows: how many rows it rests on.
    order_low/order_high: smallest and largest value over all orders of removing the block's components (points).
    why: one sentence on how the number was obtained or why there is none.
    """

    name: str
    kind: Kind
    status: ComponentStatus
    points: Estimate | None
    mde: float | None
    rows: int
    why: str
    order_low: float | None = None
    order_high: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two components of one block that take more together than apart (points > 0), or less; its band excludes 0."""

    first: str
    second: str
    points: Estimate


@dataclass(frozen=True, slots=True)
class ContractScore:
    """The honest score under a named contract; never shown without `name`. unmeasured: players that the contract declares and
    that could not be played, so that the score holds without them; a contract of which none could be played has no score."""

    name: str
    sha256: str
    honest: Estimate
    unmeasured: tuple[str, ...] = ()
    variance: dict[str, float] = field(default_factory=dict)
    """Shares of its variance by source, summing to 1."""
    target_share: float = 1.0
    """Share of the rows of the contract's target that it holds for: those that have test rows like them, 0..1."""
    unreviewed: float = 0.0
    """Share of its interval's width that is open for what nobody looked at (labels, whether edits keep them) or no row tells
    (leaks chosen by their labels), 0..1: no number of such test rows narrows it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """reported - sum(measurement points)/100 == honest; honest - sum(transfer points)/100 == contract.honest."""

    metric: str
    votes: str
    reported: Estimate
    honest: Estimate
    contract: ContractScore | None
    components: tuple[Component, ...]
    floors: dict[str, Estimate]
    notes: tuple[str, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    variance: dict[str, float] = field(default_factory=dict)
    """Shares of the honest score's variance by source, summing to 1."""
    unreviewed: float = 0.0
    """As that of a contract, of the honest score."""
