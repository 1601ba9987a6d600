"""Values of the game as estimates and components: intervals, bands, smallest visible effects. One way for every task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from veridical.core.estimate import Estimate
from veridical.core.ledger_record import Component, ComponentStatus, Interaction, Kind
from veridical.core.randomness import stream
from veridical.dataset.rows import BoolArray
from veridical.ledger import wording
from veridical.ledger.game import Coalition, Share, Value, interactions
from veridical.ledger.inference import (
    LEVEL,
    POWER_FACTOR,
    Uncertainty,
    beyond_even_votes,
    critical_of_mean,
    leaning,
    partially_identified,
    score_interval,
)
from veridical.ledger.reweighting import NOT_ASKED, Direct
from veridical.ledger.wording import BLIND_POINTS, FEWEST_CLUSTERS, FEWEST_UNITS

RULE_OF_THREE = 3.0
"""None among n rows means at most 3 / n of them at 95 %. Jovanovic and Levy 1997."""
DUST = 1e-6
"""Points under which a number is a rounding error."""


@dataclass(frozen=True, eq=False)
class Books:
    """n: test rows. worst: what the metric gives where nothing is right."""

    n: int
    uncertainty: Uncertainty
    worst: float
    seed: int

    @property
    def as_few(self) -> bool:
        """Whether rows enough to tell something hang together until they count as so few that they tell nothing."""
        return self.uncertainty.n_clusters < FEWEST_UNITS <= self.n

    def score(self, value: Value, score: float, bounds: tuple[float, float], method: str) -> Estimate:
        error = self.uncertainty.standard_error(value)
        n_clusters = self.uncertainty.n_clusters
        wide = partially_identified(score + bounds[0], score + bounds[1], standard_error=error) if bounds != (0.0, 0.0) else None
        critical = self.uncertainty.critical() if wide is None else wide * self.uncertainty.critical() / 1.96
        worst = self.worst
        low, _ = score_interval(score + bounds[0], error, worst=worst, critical=critical, n=n_clusters)
        _, high = score_interval(score + bounds[1], error, worst=worst, critical=critical, n=n_clusters)
        third = beyond_even_votes(self.uncertainty.third_moment(value), score, error, worst=worst)
        moved = leaning(third, error, critical=critical)
        low, high = low + moved, high + moved
        differs = value.lopsided()
        if differs is not None:  # in either case no shorter than that of even votes
            below, above = (critical * error * half for half in (differs.below, differs.above))
            low, high = min(low, score + bounds[0] - below), max(high, score + bounds[1] + above)
            low, high = low + min(differs.lean, 0.0), high + max(differs.lean, 0.0)
        low, high = max(low, worst), min(high, 1.0)
        if self.as_few:
            low, high = worst, 1.0
        return Estimate(score, min(low, score), max(high, score), LEVEL, self.n, n_clusters, method)

    @staticmethod
    def unreviewed(estimate: Estimate, bounds: tuple[float, float]) -> float:
        """Share of an interval's width that is the range between its bounds, 0..1."""
        return min((bounds[1] - bounds[0]) / estimate.width, 1.0) if estimate.width > 0 else 0.0

    def unplayed(self, player: str, reason: str, on_target: Callable[[BoolArray | slice], Direct]) -> Component:
        """A player that a contract declares and that cannot be played. on_target: the score on the target's labelled rows."""
        if player != "concept" or reason == NOT_ASKED:
            return wording.unsupported(player, reason)
        found = on_target(slice(None))
        critical = critical_of_mean(found.n_clusters - 1)
        low, high = score_interval(found.score, found.error, worst=self.worst, critical=critical, n=found.n_clusters)
        return wording.untold(reason, Estimate(found.score, low, high, LEVEL, found.n_rows, found.n_clusters, "as given"))

    def interactions(self, players: Sequence[str], value: Callable[[Coalition], Value], *, untold: str = "") -> list[Interaction]:
        """Pairs whose interaction's band, simultaneous over the pairs of the block, excludes 0. untold: a player known within
        bounds only, so that nothing is said of its pairs."""
        pairs = {pair: index for pair, index in interactions(players, value).items() if untold not in pair}
        critical = self.uncertainty.simultaneous_critical(list(pairs.values()), rng=stream(self.seed, "interactions"))
        found = []
        for (first, second), pair in pairs.items():
            half, middle = 100 * critical * self.uncertainty.standard_error(pair), 100 * pair.score
            if abs(middle) > max(half, DUST):
                points = Estimate(
                    middle,
                    middle - half,
                    middle + half,
                    LEVEL,
                    self.n,
                    self.uncertainty.n_clusters,
                    "Shapley interaction index",
                )
                found.append(Interaction(first, second, points))
        return found

    def variance(self, value: Value, *, draws: float = 0.0) -> dict[str, float]:
        """Shares of a score's variance, by source, summing to 1; empty where there is none. draws: what of it the drawn edits
        make, which the spread of the test rows holds too."""
        parts = self.uncertainty.parts(value)
        if draws:
            parts["perturbation draws"] = min(draws, parts["test rows"])
            parts["test rows"] -= parts["perturbation draws"]
        total = sum(parts.values())
        return {name: part / total for name, part in parts.items()} if total > 0 else {}

    def critical(self, shares: dict[str, Share]) -> float:
        drops = [share.drop for share in shares.values()]
        return self.uncertainty.simultaneous_critical(drops, rng=stream(self.seed, "bands"))

    def component(
        self,
        name: str,
        kind: Kind,
        share: Share,
        critical: float,
        said: wording.Said,
        *,
        bounds: tuple[float, float] = (0.0, 0.0),
        luck: float = 0.0,
        drawn: bool = False,
        beside: bool = False,
    ) -> Component:
        """beside: the bounds are a doubt beside that of the rows, and make a range of the component only where they are wider.
        luck: a standard deviation, or a known distance, that the rows' own residuals do not show, a share. drawn: the player
        is the luck of the draw: what these very rows scored is known, and all of its doubt is that of the score without it."""
        doubted = share.left if drawn else share.drop
        error = float(np.hypot(self.uncertainty.standard_error(doubted), luck))
        value, moved = 100 * share.drop.score, leaning(self.uncertainty.third_moment(doubted), error, critical=critical)
        # A higher honest score means fewer points lost: the bounds change sides.
        low = value - 100 * bounds[1] + 100 * (moved - critical * error)
        high = value - 100 * bounds[0] + 100 * (moved + critical * error)
        # Where every row says the same there is no variance to read off: rule of three, one row in three hundredths of them.
        slack = 100 * RULE_OF_THREE / max(self.uncertainty.n_clusters, 1) if said.slack is None else said.slack
        unseen = 100 * error < DUST
        if unseen:
            low, high = min(low, value - slack), max(high, value + slack)
        points = Estimate(value, low, high, LEVEL, self.n, self.uncertainty.n_clusters, said.method)
        status: ComponentStatus = "measured" if low > 0 or high < 0 else "not_detected"
        if self.as_few and status == "measured":
            low, high, status = min(low, value - BLIND_POINTS), max(high, value + BLIND_POINTS), "bounded"
            points = Estimate(value, low, high, LEVEL, self.n, self.uncertainty.n_clusters, said.method)
        if bounds != (0.0, 0.0) and not (beside and bounds[1] - bounds[0] <= 2 * critical * error):
            status = "bounded"
        mde = slack if unseen else 100 * POWER_FACTOR * error
        mde = max(mde, 50 * (bounds[1] - bounds[0]))  # an identified range hides effects up to half its width
        if status != "measured" and mde >= BLIND_POINTS:
            if abs(value) < DUST:  # it counts nothing, for want of anything to be seen
                return wording.unseen(
                    name, kind, said, n_clusters=self.uncertainty.n_clusters, needed=self._needed(mde, unseen=unseen)
                )
            status = "bounded"  # left out, what it takes away would stand in the honest score again
        return Component(
            name=name, kind=kind, status=status, points=points, mde=mde, rows=said.rows, why=said.why,
            order_low=100 * share.order_low, order_high=100 * share.order_high, details=said.details,
        )  # fmt: skip

    def _needed(self, mde: float, *, unseen: bool) -> int:
        """Distinct test texts with which an effect smaller than the whole scale would be seen."""
        n = self.uncertainty.n_clusters
        return FEWEST_CLUSTERS if unseen else max(FEWEST_CLUSTERS, int(np.ceil(n * (mde / BLIND_POINTS) ** 2)) + 1)
