"""Runs of answers compared: their own scores, equal runs, a level that holds on families of rows, and two ways of counting."""

import json

import numpy as np
import pytest

from veridical.core.errors import InputError
from veridical.tasks._structures import needed_structure
from veridical.verify.answered_rows import answered_rows
from veridical.verify.comparison import compare

NER = needed_structure("ner")


def tags(rng, n, *, right):
    """Gold tags of rows of eight words, and tags that hold each entity with chance `right`, (gold, said)."""
    gold, said = [], []
    for share in np.broadcast_to(right, n):
        row, told = ["O"] * 8, ["O"] * 8
        for at in rng.choice(8, 2, replace=False):
            row[at] = "B-X"
            told[at if rng.random() < share else (at + 1) % 8] = "B-X"
        gold.append(" ".join(row))
        said.append(" ".join(told))
    return gold, said


def rows(gold, *said, metric="entity_f1", clusters=None):
    alone = np.arange(len(gold))
    return answered_rows(
        NER, gold=tuple(gold), said=tuple(tuple(one) for one in said), names=("X",), metric=metric,
        clusters=alone if clusters is None else clusters,
    )  # fmt: skip


def test_scores_and_rows_wholly_right_by_hand():
    gold = ["B-X O B-X", "O O", "B-X I-X"]
    first, second = ["B-X O B-X", "O O", "B-X O"], ["B-X O O", "O B-X", "B-X I-X"]
    found = compare(rows(gold, first, second))
    assert [score.value for score in found.reported] == pytest.approx([2 * 2 / 6, 2 * 2 / 6])
    (pair,) = found.pairs
    assert (pair.discordance.first_only, pair.discordance.second_only) == (2, 1)
    assert found.stability is None
    assert found.honest is None


def test_equal_runs_and_a_difference_that_is_there():
    rng = np.random.default_rng(0)
    gold, good = tags(rng, 150, right=0.9)
    poor = [g if rng.random() < 0.4 else "O " * 7 + "O" for g in gold]
    same, told = compare(rows(gold, good, good)).pairs[0], compare(rows(gold, good, poor)).pairs[0]
    assert (same.reported.p, same.reported.points.value, same.reported.told) == (1.0, 0.0, False)
    assert told.reported.told
    assert told.reported.points.high < 0


@pytest.mark.parametrize("size", [1, 5])
def test_two_equally_good_taggers_are_seldom_told_apart_on_families_of_rows(size):
    rng, told = np.random.default_rng(size), 0
    clusters = np.repeat(np.arange(60), size)
    for _ in range(40):
        first, second = (np.repeat(rng.beta(4, 2, 60), size) for _ in range(2))
        state = int(rng.integers(2**32))
        gold, one = tags(np.random.default_rng(state), len(clusters), right=first)
        draw = np.random.default_rng(state + 1)
        other = [_said_of(g, share, draw) for g, share in zip(gold, second, strict=True)]
        told += compare(rows(gold, one, other, clusters=clusters)).pairs[0].reported.told
    assert told <= 6  # 2 are expected; 6 or fewer are seen in 99.7 % of 40 at 5 %


def _said_of(gold, share, rng):
    row, told = gold.split(" "), ["O"] * 8
    for at in (at for at, tag in enumerate(row) if tag != "O"):
        told[at if rng.random() < share else (at + 1) % 8] = "B-X"
    return " ".join(told)


def test_a_metric_that_counts_what_is_no_achievement_is_replaced_in_honest_terms():
    found = rows(["B-X O O O"], ["O O O O"], metric="token_accuracy")
    assert found.counted(0, None, terms="reported")[0].sum() > 0
    assert found.metric_of("honest") is NER.measures["entity_f1"].metric
    with pytest.raises(InputError, match="Other labels"):
        found.counted(0, np.eye(1), terms="honest")


def test_a_name_that_one_run_alone_says_keeps_the_tables_in_step():
    sets = needed_structure("multilabel")
    gold, one, other = [json.dumps(["a"])] * 4, [json.dumps(["a"])] * 4, [json.dumps(["b"])] * 4
    found = answered_rows(
        sets, gold=tuple(gold), said=(tuple(one), tuple(other)), names=("a", "b"), metric="micro_f1", clusters=np.arange(4)
    )
    assert [score.value for score in compare(found).reported] == [1.0, 0.0]
