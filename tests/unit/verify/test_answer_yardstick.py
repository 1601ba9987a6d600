"""Statistics of answers with more than one label: by hand, as the tasks' own scores, and as two compared runs count them."""

import json

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.tasks._structures import needed_structure
from veridical.verify.answer_yardstick import answer_yardstick
from veridical.verify.answered_rows import answered_rows
from veridical.verify.comparison import compare
from veridical.verify.judging import judging_of, known
from veridical.verify.scoring import gain, log_loss_gain, recall_gains, score_draws, scored, value


def array(answers):
    return np.array(list(answers), dtype=object)


def ruler(task, name, gold, *, names, votes="rows", clusters=None):
    at = np.arange(len(gold)) if clusters is None else clusters
    measure = needed_structure(task).measures[name]
    return answer_yardstick(np.arange(len(gold)), array(gold), at, measure=measure, names=names, votes=votes)


def tagged(n, seed, *, right=1.0):
    """Gold tags of n rows of six words, and tags that hold each entity with chance `right`."""
    rng, gold, said = np.random.default_rng(seed), [], []
    for _ in range(n):
        row, told = ["O"] * 6, ["O"] * 6
        for at in rng.choice(6, int(rng.integers(0, 3)), replace=False):
            row[at] = f"B-{rng.choice(['LOC', 'PER'])}"
            told[at if rng.random() < right else (at + 1) % 6] = row[at]
        gold.append(" ".join(row))
        said.append(" ".join(told))
    return gold, said


def test_the_table_by_hand():
    """Two rows of one cluster share one vote: LOC 1 right of 2, PER 0 of 1, said LOC 1.5, PER 0."""
    gold = ["B-LOC O B-PER", "B-LOC I-LOC O", "O O"]
    said = ["B-LOC O O", "B-LOC O O", "B-LOC O"]
    on = ruler("ner", "entity_f1", gold, names=("LOC", "PER"), votes="clusters", clusters=np.array([4, 4, 9]))
    arm = scored(array(said)[None], on)
    assert arm.table.tolist() == [[0.5, 0, 1, 0.5, 1, 0], [0, 0, 0, 0, 1, 0]]
    assert value(arm, on) == pytest.approx(2 * 0.5 / (1.5 + 2))
    assert arm.log_loss is None
    assert log_loss_gain(arm, arm, on, stream(0, "test")) is None
    assert on.agrees(array(said)).tolist() == [False, False, False]
    assert on.agrees(array(gold)).tolist() == [True, True, True]
    assert [on.holds(column).tolist() for column in (0, 1)] == [[True, True, False], [True, False, False]]


TASKS = [
    ("ner", ("LOC", "PER"), *tagged(60, 1, right=0.6)),
    (
        "multilabel",
        ("a", "b"),
        [json.dumps(x) for x in (["a"], ["a", "b"], [], ["b", "z"], ["a"])],
        [json.dumps(x) for x in (["a", "b"], ["a"], [], ["b"], [])],
    ),
    (
        "qa",
        (),
        [json.dumps([[x, -1]]) for x in ("the red house", "Paris", "in 1914", "none of it")],
        [json.dumps([[x, -1]]) for x in ("red house", "London", "1914 or so", "of it")],
    ),
]


@pytest.mark.parametrize(("task", "names", "gold", "said"), TASKS, ids=lambda value: value if isinstance(value, str) else "")
def test_scores_are_those_of_the_task(task, names, gold, said):
    for name, measure in needed_structure(task).measures.items():
        rows = measure.margins(gold, said, names)
        on = ruler(task, name, gold, names=names)
        arm = scored(array(said)[None], on)
        totals = [part.sum(axis=0) for part in (rows.right, rows.true, rows.predicted)]
        assert value(arm, on) == pytest.approx(measure.metric(*totals), abs=1e-12), name
        assert on.n_named == (len(names) if measure.by_name else 0)


def test_a_gain_is_the_difference_that_two_compared_runs_show():
    gold, poor = tagged(300, 2, right=0.4)
    _, good = tagged(300, 2, right=1.0)
    on = ruler("ner", "entity_f1", gold, names=("LOC", "PER"))
    a, b = (scored(array(said)[None], on) for said in (good, poor))
    found = gain(a, b, on, stream(0, "test"))
    other = answered_rows(
        needed_structure("ner"), gold=tuple(gold), said=(tuple(poor), tuple(good)), names=("LOC", "PER"), metric="entity_f1",
        clusters=np.arange(300),
    )  # fmt: skip
    pair = compare(other).pairs[0].reported
    assert found.points.value == pytest.approx(pair.points.value)
    assert found.points.low == pytest.approx(pair.points.low, abs=1.5)
    assert found.p_better < 0.01 < 0.99 < found.p_worse
    recalls = recall_gains(a, b, on, stream(0, "test"))
    assert set(recalls) == {0, 1}
    assert all(each.low > 20 for each in recalls.values())
    equal = gain(a, a, on, stream(0, "test"))
    assert (equal.points.value, equal.p_better, equal.p_worse) == (0.0, 1.0, 1.0)


def test_two_equally_good_taggers_are_seldom_told_apart():
    """30 pairs at one-sided .05: more than 5 come about in under 1 %."""
    told = 0
    for seed in range(30):
        gold, first = tagged(80, seed, right=0.6)
        second = [_again(g, np.random.default_rng(1000 + seed * 100 + at)) for at, g in enumerate(gold)]
        on = ruler("ner", "entity_f1", gold, names=("LOC", "PER"))
        arms = [scored(array(said)[None], on) for said in (first, second)]
        told += gain(*arms, on, stream(seed, "test")).p_better <= 0.05
    assert told <= 5


def _again(gold, rng):
    row, told = gold.split(" "), ["O"] * 6
    for at, tag in enumerate(row):
        if tag != "O":
            told[at if rng.random() < 0.6 else (at + 1) % 6] = tag
    return " ".join(told)


def test_names_that_one_set_of_rows_alone_holds_keep_draws_in_step():
    """Test sets before and after a repair may hold different names that no train row has."""
    first = ruler("ner", "entity_f1", ["B-LOC O", "O B-NEW"], names=("LOC",))
    second = ruler("ner", "entity_f1", ["B-LOC O", "O O"], names=("LOC",))
    arms = [scored(array(["B-LOC O", "O O"])[None], on) for on in (first, second)]
    assert [arm.table.shape[1] for arm in arms] == [6, 3]
    draws = score_draws(arms, first, stream(0, "test"))
    assert set(np.unique(draws[:, 1])) <= {0.0, 1.0}
    assert value(arms[0], first) == pytest.approx(2 / 3)


def test_rows_without_an_answer_are_not_scored_and_a_broken_answer_is_an_input_error():
    gold = array(["[]", None, '["a"]'])
    assert known(gold).tolist() == [True, False, True]
    judging = judging_of("multilabel", metric="hamming_score", labels=("a",), right=gold, clusters=np.arange(3))
    assert judging.name == "micro_f1"
    on = judging.ruler(np.arange(3), votes="rows")
    assert on.rows.tolist() == [0, 2]
    with pytest.raises(InputError, match="cannot be read"):
        scored(array(["[]", "[a"])[None], on)
