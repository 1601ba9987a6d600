"""Relation scores: against the rules of SemEval's scorer written out row by row, and by hand."""

import re
from collections import Counter

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.tasks._class_metrics import among, collapses, scored
from veridical.tasks.relation import is_relation, task

NAMES = ("Cause(e1,e2)", "Cause(e2,e1)", "Other", "Whole(e1,e2)", "Whole(e2,e1)")


def _base(label):
    return re.sub(r"\(e[12],e[12]\)$", "", label)


def official(true, said):
    """semeval2010_task8_scorer-v1.2.pl, (9+1)-way with directions: macro and micro F1 over the relations of the key."""
    right, given, turned, key = Counter(), Counter(), Counter(), Counter()
    for t, s in zip(true, said, strict=True):
        key[_base(t)] += 1
        right[_base(t)] += t == s
        if t != s and _base(t) == _base(s):
            turned[_base(t)] += 1  # WRONG_DIR: counts as said, for this relation
        else:
            given[_base(s)] += 1
    relations = [name for name in key if name != "Other"]
    f1 = [2 * right[r] / (key[r] + given[r] + turned[r]) for r in relations]
    pooled = 2 * sum(right[r] for r in relations) / sum(key[r] + given[r] + turned[r] for r in relations)
    return sum(f1) / len(f1), pooled


def score(name, true, said, names=NAMES):
    code = {label: k for k, label in enumerate(names)}
    codes = [np.array([code[label] for label in side]) for side in (true, said)]
    return scored(*codes, n_classes=len(names), metric=task.metric(name, names))


@pytest.mark.parametrize("seed", range(20))
def test_scores_are_those_of_the_official_scorer(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 60))
    true = rng.choice(NAMES, n).tolist()
    said = [t if rng.random() < 0.5 else s for t, s in zip(true, rng.choice(NAMES, n).tolist(), strict=True)]
    macro, micro = official(true, said)
    assert score("relation_macro_f1", true, said) == pytest.approx(macro, abs=1e-12)
    assert score("relation_micro_f1", true, said) == pytest.approx(micro, abs=1e-12)


def test_by_hand():
    true = ["Cause(e1,e2)", "Cause(e1,e2)", "Cause(e2,e1)", "Whole(e1,e2)", "Other", "Other"]
    said = ["Cause(e1,e2)", "Cause(e2,e1)", "Other", "Whole(e1,e2)", "Whole(e1,e2)", "Other"]
    # Cause: 1 right of 3 in the key and 2 said; Whole: 1 right of 1 in the key and 2 said.
    assert score("relation_macro_f1", true, said) == pytest.approx((2 / 5 + 2 / 3) / 2)
    assert score("relation_micro_f1", true, said) == pytest.approx(2 * 2 / (4 + 4))
    # Cause(e1,e2): 1 of 2, 1 said; Cause(e2,e1): 0 of 1, 1 said; Whole(e1,e2): 1 of 1, 2 said.
    assert score("directed_macro_f1", true, said) == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
    assert score("accuracy", true, said) == pytest.approx(3 / 6)


def test_leaving_all_without_a_relation_earns_nothing():
    true = ["Other"] * 90 + ["Cause(e1,e2)"] * 10
    assert score("accuracy", true, ["Other"] * 100) == 0.9
    assert score("relation_macro_f1", true, ["Other"] * 100) == 0.0
    assert score("relation_micro_f1", true, ["Other"] * 100) == 0.0


def test_a_relation_that_the_key_lacks_is_not_averaged_in():
    true, said = ["Cause(e1,e2)", "Other"], ["Cause(e1,e2)", "Whole(e1,e2)"]
    assert score("relation_macro_f1", true, said) == 1.0


def test_names_of_no_relation_and_of_directions():
    assert not is_relation("no_relation")
    assert not is_relation("Other")
    assert not is_relation("无关系")
    assert is_relation("Another")
    # TACRED's labels have no direction: each is a relation of its own.
    names = ("no_relation", "org:founded_by", "per:age")
    assert score("relation_macro_f1", ["per:age", "org:founded_by"], ["per:age", "per:age"], names) == pytest.approx(
        (2 / 3 + 0) / 2
    )
    with pytest.raises(InputError, match=r"All labels \(NA, Other\) say that there is no relation"):
        task.metric("relation_macro_f1", ("NA", "Other"))


def test_classes_that_do_not_occur_may_be_left_out():
    metric = task.metric("relation_macro_f1", NAMES)
    kept = np.array([True, False, True, True, False])
    full = [np.array([3.0, 0, 5, 2, 0]), np.array([4.0, 0, 6, 3, 0]), np.array([4.0, 0, 6, 3, 0])]
    assert among(metric, kept)(*(part[kept] for part in full)) == metric(*full)


def test_what_counts_other_stands_for_what_does_not():
    assert task.belongs("relation_macro_f1") == "relation_macro_f1"
    assert {name for name in task.metrics if task.belongs(name) != name} == {"accuracy", "micro_f1", "macro_f1"}
    assert all(task.belongs(name) in task.metrics for name in task.metrics)
    assert collapses(task.metric("accuracy", NAMES))
