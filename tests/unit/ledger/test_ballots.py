"""What answers about rows that hang together count for, against made-up answers of which it is known how alike they are."""

import numpy as np
import pytest

from veridical.ledger.ballots import PAIRS, Ballots, one_each

HERE = np.zeros(200, np.int64)


def answered(alike: float, *, size: int, seed: int, n: int = 200, share: float = 0.3) -> tuple[Ballots, np.ndarray]:
    """(ballots of clusters of a size with one vote each, what each row is off the mean): a share of the rows takes its cluster's
    answer, the others one of their own."""
    rng = np.random.default_rng(seed)
    cluster = np.arange(n) // size
    own, of_cluster = rng.random(n) < share, (rng.random(n) < share)[cluster]
    hit = np.where(rng.random(n) < np.sqrt(alike), of_cluster, own).astype(float)
    return Ballots(np.full(n, 1 / size), cluster), hit - hit.mean()


@pytest.mark.parametrize("alike", [0.0, 0.3, 1.0])
def test_the_answers_tell_how_alike_rows_of_one_cluster_are(alike: float) -> None:
    every = np.ones(200, bool)
    found = [ballots.alike(left, every, HERE) for ballots, left in (answered(alike, size=20, seed=s) for s in range(40))]
    assert np.mean(found) == pytest.approx(alike, abs=0.05)


@pytest.mark.parametrize("n_documents", [2, 4, 10])
@pytest.mark.parametrize("alike", [0.0, 0.3])
def test_few_documents_in_eight_cells_hide_hardly_how_alike_they_are(n_documents: int, alike: float) -> None:
    """Fifteen rows read of each of eight cells: what they are off their cell's mean has the mean of few clusters taken off."""
    found = []
    for seed in range(150):
        rng = np.random.default_rng([seed, n_documents])
        cell, cluster = np.repeat(np.arange(8), 15), rng.integers(n_documents, size=120)
        shared = np.sqrt(alike) * rng.standard_normal((8, n_documents))[cell, cluster]
        off = shared + np.sqrt(1 - alike) * rng.standard_normal(120)
        off -= (np.bincount(cell, off) / 15)[cell]
        found.append(Ballots(np.ones(120), cluster).alike(off, np.ones(120, bool), cell))
    assert np.mean(found) == pytest.approx(alike, abs=0.13)
    assert alike == 0 or np.mean(found) > 0.18


def test_one_cluster_tells_nothing_of_how_alike_its_rows_are() -> None:
    off = np.random.default_rng(0).standard_normal(200)
    assert Ballots(np.ones(200), np.zeros(200, np.int64)).alike(off - off.mean(), np.ones(200, bool), HERE) == 1.0


def test_few_pairs_and_answers_that_do_not_differ_tell_nothing() -> None:
    unlike = np.array([0.5, -0.5] * 2)
    two = Ballots(np.ones(4), np.array([0, 0, 1, 1]))
    two_pairs, every = 2, np.ones(4, bool)
    assert two.alike(unlike, every, np.zeros(4, np.int64)) == pytest.approx((PAIRS - two_pairs) / (PAIRS + two_pairs))
    assert two.alike(np.zeros(4), every, np.zeros(4, np.int64)) == 1.0
    assert two.alike(unlike, np.zeros(4, bool), np.zeros(4, np.int64)) == 1.0
    assert one_each(4).alike(unlike, every, np.zeros(4, np.int64)) == 1.0
    # Those of other cells are not compared with each other.
    assert two.alike(unlike, every, np.array([0, 1, 0, 1])) == 1.0


def test_answers_are_rows_where_none_hang_together_clusters_where_all_are_alike_and_between_elsewhere() -> None:
    """Eighty edits of one row, and fifteen rows of their own, each cluster with one vote."""
    cluster = np.concatenate([np.zeros(80, np.int64), np.arange(1, 16)])
    box, of, cell = Ballots(1 / np.bincount(cluster)[cluster], cluster), np.ones(95, bool), np.zeros(95, np.int64)
    assert box.answers(of, cell, 1, alike=1.0) == pytest.approx([16.0])
    assert box.answers(of, cell, 1, alike=0.0) == pytest.approx([16**2 / (15 + 80 / 80**2)])
    by_rows = Ballots(np.ones(95), cluster)
    assert by_rows.answers(of, cell, 1, alike=0.0) == pytest.approx([95.0])
    assert by_rows.answers(of, cell, 1, alike=1.0) == pytest.approx([95**2 / (80**2 + 15)])
    assert one_each(95).answers(of, np.arange(95) % 2, 2, alike=1.0) == pytest.approx([48.0, 47.0])


def test_the_variance_of_a_weighted_sum_is_that_of_simulated_answers() -> None:
    """Over many made-up answers with a known likeness inside clusters and a cell each."""
    rng = np.random.default_rng(0)
    n, alike = 60, 0.4
    cluster, cell, weight = np.arange(n) // 6, (np.arange(n) // 2) % 2, rng.random(n)
    of = rng.random(n) < 0.7
    shared = np.sqrt(alike) * rng.standard_normal((20_000, 10, 2))[:, cluster, cell]
    drawn = shared + np.sqrt(1 - alike) * rng.standard_normal((20_000, n))
    sums = np.stack([(drawn * np.where(of & (cell == h), weight, 0.0)).sum(axis=1) for h in (0, 1)])
    found = Ballots(np.ones(n), cluster).squared(weight, of, cell, 2, alike=alike)
    assert found == pytest.approx(sums.var(axis=1), rel=0.05)


def test_rows_of_a_document_with_one_vote_are_as_many_answers_as_they_are_unlike() -> None:
    box, _ = answered(0.0, size=50, seed=0)
    of = np.arange(200) % 4 == 0
    assert box.evidence(of, alike=0.0)[of].sum() == pytest.approx(50.0)
    assert np.array_equal(box.evidence(np.zeros(200, bool), alike=1.0), box.vote)
    assert box.evidence(of, alike=1.0)[of].sum() == pytest.approx(4.0, abs=0.05)  # as many of each, nearly
