"""Which accepted repairs to apply together: one for each problem, in an order in which none undoes another."""

from veridical.core.plugins import get
from veridical.core.run_record import Arm, RepairRecord
from veridical.repair._contract import Repair
from veridical.repair._runner import FOLDER, NOUN
from veridical.verify.verdict import ALPHA


def winners(record: RepairRecord) -> tuple[str, ...]:
    """Names of the repairs to apply. Of accepted repairs that answer the same check, the one with the larger locked gain.

    Several training repairs are taken together only where their combination was tested and is better than untouched; else the
    best of them is taken alone. Measurement repairs come first, because they decide what is train; weights come last, because
    they count what is left.
    """
    accepted = [arm for arm in record.arms if arm.outcome == "accepted"]
    best = sorted(accepted, key=lambda arm: (-_gain(arm), arm.repair))
    taken: list[Arm] = []
    answered: set[str] = set()
    for arm in best:
        plug_in: Repair = get(FOLDER, NOUN, arm.repair)
        if answered.isdisjoint(plug_in.answers):
            taken.append(arm)
            answered.update(plug_in.answers)
    together = record.combination
    if together is not None and (together.p_untouched is None or together.p_untouched > ALPHA):
        training = [arm for arm in taken if arm.kind == "training"]
        taken = [arm for arm in taken if arm not in training[1:]]
    return tuple(arm.repair for arm in sorted(taken, key=_place))


def _gain(arm: Arm) -> float:
    return arm.gain_over_untouched.value if arm.gain_over_untouched else 0.0


def _place(arm: Arm) -> tuple[bool, bool, str]:
    return arm.kind != "measurement", "weights" in arm.repair, arm.repair
