"""The figures of one arm from what its models said of the locked rows; the same function computes and checks them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from veridical.core.estimate import Estimate
from veridical.core.power import minimum_detectable_effect
from veridical.core.randomness import stream
from veridical.core.run_record import Arm
from veridical.verify.scoring import Scored, Yardstick, gain, log_loss_gain, recall_gains, score_draws, score_estimate, value


@dataclass(frozen=True, slots=True)
class Figures:
    """One arm before any correction over arms: its p values are raw. recall: label -> gain over untouched in points."""

    arm: Arm
    recall: dict[str, Estimate]


def against_untouched(
    arm: Arm, after: Scored, before: Scored, ruler: Yardstick, *, seed: int, one_model: bool = False
) -> tuple[Arm, float]:
    """The arm with its scores, its gain over untouched and the smallest visible effect; and the p value that it is worse.
    one_model: see `scoring.gain`."""
    over = gain(after, before, ruler, stream(seed, f"verify/{arm.repair}/untouched"), one_model=one_model)
    filled = replace(
        arm,
        before=_score(before, ruler, seed=seed),
        after=_score(after, ruler, seed=seed),
        gain_over_untouched=over.points,
        p_untouched=over.p_better,
        mde=100 * minimum_detectable_effect(over.standard_error),
        log_loss_gain=log_loss_gain(after, before, ruler, stream(seed, f"verify/{arm.repair}/log loss")),
    )
    return filled, over.p_worse


def against_placebo(arm: Arm, after: Scored, placebo: Scored, ruler: Yardstick, *, seed: int) -> Arm:
    over = gain(after, placebo, ruler, stream(seed, f"verify/{arm.repair}/placebo"))
    return replace(arm, placebo=_score(placebo, ruler, seed=seed), gain_over_placebo=over.points, p_placebo=over.p_better)


def recall(
    name: str, after: Scored, before: Scored, ruler: Yardstick, labels: Sequence[str], *, seed: int
) -> dict[str, Estimate]:
    found = recall_gains(after, before, ruler, stream(seed, f"verify/{name}/recall"))
    return {labels[code]: gained for code, gained in found.items()}


def _score(arm: Scored, ruler: Yardstick, *, seed: int) -> Estimate:
    draws = score_draws([arm], ruler, stream(seed, "verify/score"))[:, 0]
    n = len(arm.per_seed)
    method = f"{'one model' if n == 1 else f'mean of {n} models'} on the locked fold, cluster bootstrap"
    return score_estimate(value(arm, ruler), draws, ruler, method=method)
