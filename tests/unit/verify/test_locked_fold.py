"""The locked fold is a function of content: whole clusters, labels in proportion, the same rows whatever the order."""

import numpy as np
from number_world import world

from veridical.audit._made_up import dataset
from veridical.verify.locked_fold import locked_fold


def locked_ids(data, clusters):
    return {data.ids[r] for r in locked_fold(data, clusters, min_rows=0).rows}


def test_row_order_ids_of_clusters_and_the_name_of_rows_do_not_matter():
    data = world(600, d=3, flipped=0, seed=0, n_test=200).data
    clusters = np.arange(800) // 2
    order = np.random.default_rng(1).permutation(800)
    renumbered = np.random.default_rng(2).permutation(400)[clusters]
    expected = locked_ids(data, clusters)
    assert locked_ids(data.take(order), renumbered[order]) == expected
    texts = {data.texts[i] for i in range(800) if data.ids[i] in expected}
    renamed = data.with_column("id", [f"other-{i}" for i in range(800)])
    assert {renamed.texts[r] for r in locked_fold(renamed, clusters, min_rows=0).rows} == texts


def test_whole_clusters_in_proportion_from_train_and_unleaked_test():
    data = world(900, d=3, flipped=0, seed=3, n_test=300).data
    clusters = np.arange(1200) // 3
    fold = locked_fold(data, clusters)
    inside = np.isin(np.arange(1200), fold.rows)
    assert all(inside[clusters == c].all() or not inside[clusters == c].any() for c in range(400))
    assert fold.n_clusters == len(np.unique(clusters[fold.rows]))
    assert abs(fold.n_clusters - 60) <= 2
    assert abs(np.mean(data.splits[fold.rows] == "test") - 0.25) < 0.02


def test_labels_keep_their_shares():
    data = world(2000, d=3, flipped=0, seed=4).data
    rare = data.with_column("label", ["pos" if i % 20 == 0 else "neg" for i in range(2000)])
    fold = locked_fold(rare, np.arange(2000))
    assert np.mean(rare.codes[fold.rows]) == 0.05
    assert len(fold.rows) == 300
    assert fold.skipped == ""


def test_a_leaked_cluster_counts_as_train_and_validation_rows_are_not_locked():
    data = world(40, d=3, flipped=0, seed=5, n_test=40).data
    split = data.with_column("split", ["train"] * 40 + ["valid"] * 40)
    assert all(split.splits[r] == "train" for r in locked_fold(split, np.arange(80), min_rows=0).rows)
    leaked = np.concatenate([np.arange(40), np.arange(40)])
    fold = locked_fold(data, leaked, min_rows=0)
    assert fold.n_clusters == 6
    assert len(fold.rows) == 12


def test_a_small_fold_is_skipped_and_says_what_it_could_not_see():
    fold = locked_fold(world(400, d=3, flipped=0, seed=6).data, np.arange(400))
    assert len(fold.rows) == 60
    assert "60 rows, under 300" in fold.skipped
    assert f"{fold.mde:.1f} points" in fold.skipped
    assert 10 < fold.mde < 12  # 2.8 * sqrt(.1 / 60) is 11.4, a little less for the effect itself


def test_rare_labels_together_get_their_share():
    rows = [
        (f"{label}-{k}", "train", f"text {label} {k} " + "x" * label, f"l{label:03d}") for label in range(200) for k in range(3)
    ]
    data = dataset(rows)
    assert len(locked_fold(data, np.arange(len(rows)), min_rows=0).rows) == 90  # 15 % of 600, though 15 % of 3 rounds to none


def test_of_a_model_that_is_not_trained_here_half_of_the_unleaked_test_rows_are_locked():
    rows = [(f"{split}{k}", split, f"{split} text {k}", "a" if k % 2 else "b") for split in ("train", "test") for k in range(40)]
    data = dataset(rows)
    clusters = np.arange(80)
    clusters[40:50] = np.arange(10)  # ten test rows stand in train
    fold = locked_fold(data, clusters, fixed=True, min_rows=0)
    assert len(fold.rows) == 15
    assert set(fold.rows.tolist()) <= set(range(50, 80))


def test_large_families_of_unlike_texts_are_locked_as_often_as_single_rows():
    rows = [
        (f"r{family}-{k}", "train", f"text {family} {k}", "a") for family in range(400) for k in range(20 if family < 200 else 1)
    ]
    data = dataset(rows)
    clusters = np.array([int(row[0][1:].split("-")[0]) for row in rows])
    locked = np.unique(clusters[locked_fold(data, clusters, min_rows=0).rows])
    assert len(locked) == 60
    assert abs(int((locked < 200).sum()) - 30) < 12  # three standard deviations of 60 drawn from two halves
