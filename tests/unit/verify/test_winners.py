"""Accepted repairs are applied one for each problem, measurement first, weights last."""

from veridical.core.estimate import Estimate
from veridical.core.run_record import Arm, RepairRecord
from veridical.verify.winners import winners


def arm(repair, points, *, outcome="accepted", kind="training"):
    gain = Estimate(points, points - 1, points + 1, 0.95, 400, 400, "made up")
    return Arm(repair, outcome, kind, "", 1, None, None, None, gain, None, None, None, None)


def test_one_for_each_problem_in_order():
    record = RepairRecord(
        arms=(
            arm("drop_leaks", -0.6, kind="measurement"),
            arm("keep_clusters_together", -0.2, kind="measurement"),
            arm("rebalance_weights", 5.0),
            arm("relabel_label_errors", 2.0),
            arm("set_aside_label_errors", 3.0),
            arm("set_aside_conflicts", 4.0, outcome="harmless"),
        )
    )
    assert winners(record) == ("keep_clusters_together", "set_aside_label_errors", "rebalance_weights")


def test_nothing_accepted_nothing_applied():
    assert winners(RepairRecord(arms=(arm("drop_leaks", 1.0, outcome="rejected"),))) == ()


def test_several_training_repairs_go_together_only_where_their_combination_is_better_than_untouched():
    from dataclasses import replace

    arms = (arm("drop_leaks", 0.1, kind="measurement"), arm("set_aside_label_errors", 3.0), arm("rebalance_weights", 5.0))
    both = arm("set_aside_label_errors + rebalance_weights", 1.0, outcome="harmless")
    together = winners(RepairRecord(arms=arms, combination=replace(both, p_untouched=0.04)))
    assert together == ("drop_leaks", "set_aside_label_errors", "rebalance_weights")
    assert winners(RepairRecord(arms=arms, combination=replace(both, p_untouched=0.06))) == ("drop_leaks", "rebalance_weights")
