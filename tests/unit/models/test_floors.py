"""Floors: what rules without understanding reach."""

import numpy as np
import pytest

from veridical.audit._made_up import dataset, rows
from veridical.models.floors import floors


def test_the_rule_of_one_word_is_found():
    told = [(i, s, f"{t} {'good' if y == 'pos' else 'thing'}", y) for i, s, t, y in rows(200, seed=1)]
    found = floors(dataset(told), metric="accuracy", seed=0)
    assert found["one_word"].value == 1.0
    assert found["majority"].value == pytest.approx(0.5)
    assert set(found) == {"majority", "one_word", "partial_input", "bag_of_words"}


def test_copies_are_one_unit():
    plain = rows(200, seed=2)
    copies = [(f"copy-{i}", s, t, y) for i, s, t, y in plain if s == "test"]
    found = floors(dataset(plain + copies), metric="macro_f1", seed=0)["bag_of_words"]
    assert found.n == 2 * found.n_clusters


def test_no_test_rows_no_floors():
    data = dataset(rows(40, seed=3))
    assert floors(data.take(np.flatnonzero(data.splits == "train")), metric="accuracy", seed=0) == {}
