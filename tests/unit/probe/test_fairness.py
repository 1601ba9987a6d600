"""The fairness probe on worlds whose disparities are known."""

from dataclasses import replace

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Skipped
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.fairness import Params, probe, run

LABELS = ("a", "b", "c")


def _subject(*, n=500, groups=("x", "y", "z"), shares=(0.9, 0.9, 0.9), seed=0, copies=1):
    """A model right with the share of the row's group; the answer stands in the text, the label beside it."""
    rng, rows, names = np.random.default_rng(seed), [], []
    for i in range(n):
        group = int(rng.integers(len(groups)))
        label = int(rng.integers(3))
        said = label if rng.random() < shares[group] else (label + int(rng.integers(1, 3))) % 3
        text = f"{LABELS[said]} {nonsense(rng, 8)}"
        for copy in range(copies):
            rows.append((f"{i}-{copy}", "test", text, LABELS[label]))
            names.append(groups[group])
    rows += [(f"t{k}", "train", f"{k} {nonsense(rng, 8)}", k) for k in LABELS]
    data = dataset(rows).with_column("group", [*names, None, None, None])
    return subject_of(data, ToyModel(LABELS, lambda text: [4.0 * (str(text)[0] == k) for k in LABELS]), budget="quick")


def test_a_group_that_is_wrong_more_often_is_found_with_its_score():
    found = run_probe("fairness", probe, subject=_subject(shares=(0.95, 0.95, 0.7)))
    assert found.status == "found"
    worst, gap = found.measure("worst_group"), found.measure("metric_gap")
    assert worst.estimate.low <= 0.7 <= worst.estimate.high
    assert gap.status == "found"
    assert gap.estimate.low <= 0.25 <= gap.estimate.high
    assert found.measure("equalized_odds_difference: a") is not None


def test_the_summary_says_the_lowest_groups_own_score_and_rows():
    found = run_probe("fairness", probe, subject=_subject(shares=(0.95, 0.95, 0.7)))
    own, corrected = found.measure("accuracy of z").estimate, found.measure("worst_group").estimate
    said = f"the lowest (z) at {100 * own.value:.1f} % [{100 * own.low:.1f}, {100 * own.high:.1f}] (n = {own.n})"
    assert said in found.summary
    assert own.n < 500
    assert f", corrected for having been picked {100 * corrected.value:.1f} % [" in found.summary
    assert corrected.n == own.n


def test_false_alarms_stay_rare():
    alarms = [run_probe("fairness", probe, subject=_subject(n=300, seed=seed)).status == "found" for seed in range(12)]
    assert sum(alarms) <= 2  # 5 % of 12; three would come once in 50 times


def test_chance_disparity_is_said_beside_the_value():
    gap = run_probe("fairness", probe, subject=_subject()).measure("metric_gap")
    assert gap.null > 0.01
    assert gap.mde > 0.02
    assert gap.estimate.low == 0.0
    assert f"{gap.null:.3f}" in gap.about


def test_copies_of_a_text_are_one_vote_and_one_unit():
    once, often = (run_probe("fairness", probe, subject=_subject(n=200, copies=copies)) for copies in (1, 3))
    for name in ("accuracy of x", "metric_gap"):
        assert once.measure(name).estimate.value == pytest.approx(often.measure(name).estimate.value)
    assert often.measure("accuracy of x").estimate.n_clusters == once.measure("accuracy of x").estimate.n_clusters
    assert often.measure("accuracy of x").estimate.width == pytest.approx(once.measure("accuracy of x").estimate.width, rel=0.15)


def test_small_groups_are_left_out_and_named():
    subject = _subject(n=400, groups=("x", "y", "z"), shares=(0.9, 0.9, 0.9))
    names = subject.data.table.column("group").to_pylist()
    names[:8] = ["tiny"] * 8
    names[8:12] = [None] * 4
    data = subject.data.with_column("group", names)
    found = run_probe("fairness", probe, subject=replace(subject, evidence=type(subject.evidence)(data, seed=0)))
    assert found.measure("accuracy of tiny") is None
    assert any("tiny" in note for note in found.notes)
    assert any("4 rows without a group" in note for note in found.notes)


def test_without_groups_it_says_how_to_name_them():
    subject = _subject(n=120)
    bare = subject.data.with_column("group", [None] * len(subject.data))
    found = run(replace(subject, evidence=type(subject.evidence)(bare, seed=0)), Params(), np.random.default_rng(0))
    assert isinstance(found, Skipped)
    assert "--group COLUMN" in found.why
    authors = subject.data.with_column("group", [f"author {i // 5}" for i in range(len(subject.data))])
    units = run(replace(subject, evidence=type(subject.evidence)(authors, seed=0)), Params(), np.random.default_rng(0))
    assert isinstance(units, Skipped)
    assert "authors or documents" in units.why
    few = run(subject, Params(fewest=80), np.random.default_rng(0))
    assert isinstance(few, Skipped)
    assert "Fewer than two groups" in few.why


def test_a_small_group_that_is_all_right_is_not_said_to_be_so_for_sure():
    found = run_probe("fairness", probe, subject=_subject(n=120, shares=(1.0, 1.0, 0.8)))
    seen = [measure for measure in found.measures if measure.name.endswith((" of x", " of y")) and measure.unit == "share"]
    sure = [measure.estimate for measure in seen if measure.estimate.value in (0.0, 1.0)]
    assert len(sure) > 3
    for estimate in sure:
        assert estimate.width >= 0.99 * (1 - 0.025 ** (1 / estimate.n_clusters)), estimate
