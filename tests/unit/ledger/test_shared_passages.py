"""Different texts under one long passage look like copies of one text; that is said, and not of what is no such thing."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import account, made

from veridical.audit._made_up import dataset, nonsense
from veridical.ledger.notes import few_rows
from veridical.ledger.population import _crowded


def _under(share: float, *, passages: int):
    """A made-up world in which a share of all rows ends with one of a few passages of 120 words."""
    world, rng = made(seed=0, n_train=600, n_test=400), np.random.default_rng(0)
    added = [nonsense(rng, 120) for _ in range(passages)]
    rows = [
        (r["id"], r["split"], f"{r['text']} {added[rng.integers(passages)]}" if rng.random() < share else r["text"], r["label"])
        for r in world.data.table.to_pylist()
    ]
    return replace(world, data=dataset(rows))


def _said(world) -> list[str]:
    return [note for note in account(world).notes if "share a long passage" in note or "count as" in note]


def test_texts_under_one_passage_are_named():
    (one,) = _said(_under(0.5, passages=4))
    assert " of 400 test rows stand in large families of near-equal texts" in one
    assert 150 < int(one.split()[0]) < 250
    assert "count as 1, so the honest score may be anything" in _said(_under(1.0, passages=1))[0]


def test_texts_without_one_are_not():
    assert _said(_under(0.0, passages=1)) == []
    assert _said(_under(0.04, passages=1)) == []  # a family of 4 % is no crowd that moves a score


@pytest.mark.parametrize(
    ("n", "sizes", "crowded"),
    [
        (1000, (20,), 20),  # as many rows and as large a share as a crowd has
        (1000, (19,), 0),
        (1001, (20,), 0),  # under 2 %
        (2000, (39, 40, 60), 100),
    ],
)
def test_a_crowd_is_a_family_of_many_rows_and_of_a_share_of_them(n, sizes, crowded):
    families = np.concatenate([np.full(size, k) for k, size in enumerate(sizes)] + [np.arange(n - sum(sizes)) + len(sizes)])
    assert _crowded(np.random.default_rng(0).permutation(families)) == crowded


def test_crowds_are_said_from_a_tenth_of_the_rows():
    people = made(seed=0, n_train=200, n_test=200).tables().people
    said = [sum("share a long passage" in note for note in few_rows(replace(people, crowded=k))) for k in (19, 20)]
    assert said == [0, 1]


def test_rows_that_count_as_few_tell_nothing_with_all_their_labels_read():
    """One passage under all: whatever is read, the score may be anything, and no part of the gap is found."""
    world = _under(1.0, passages=1)
    found = account(world, answers=world.right)
    assert (found.honest.low, found.honest.high) == (0.0, 1.0)
    parts = {component.name: component.status for component in found.components}
    assert {parts["leakage"], parts["sample"]} <= {"bounded", "skipped"}
    apart = account(_under(0.0, passages=1), answers=world.right)
    assert apart.honest.width < 0.2
