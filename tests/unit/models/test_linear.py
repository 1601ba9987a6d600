"""The linear model learns, keeps its word after a round trip, refuses a damaged folder; fold models see no row of a cluster."""

import numpy as np
import pytest

from veridical.audit._made_up import dataset
from veridical.core.errors import InputError
from veridical.models.linear import softmax, train_linear
from veridical.models.out_of_fold import deal_clusters, out_of_fold
from veridical.models.stored import open_model

LABELS = ("neg", "pos")


def toy(n=60, *, seed=0, good="lovely", bad="awful"):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % 2
    filler = ["table", "room", "food", "price", "street"]
    return [f"{rng.choice(filler)} {good if c else bad} {rng.choice(filler)}" for c in codes], codes.astype(np.int64)


@pytest.mark.parametrize(("good", "bad"), [("lovely", "awful"), ("很好", "太差")])
def test_learns_in_both_languages(good, bad):
    texts, codes = toy(good=good, bad=bad)
    model = train_linear(texts, codes, labels=LABELS)
    fresh, truth = toy(seed=1, good=good, bad=bad)
    assert (model.predict(fresh).argmax(axis=1) == truth).all()
    assert model.predict(fresh).sum(axis=1) == pytest.approx(1.0)


def test_round_trip_gives_the_same_probabilities(tmp_path):
    texts, codes = toy()
    for n_classes in (2, 3):
        labelled = codes if n_classes == 2 else np.arange(len(codes)) % 3
        model = train_linear(texts, labelled, labels=("a", "b", "c")[:n_classes])
        model.save(tmp_path / str(n_classes))
        again = open_model(tmp_path / str(n_classes))
        assert again.labels == model.labels
        assert np.array_equal(again.predict([*texts, "never seen"]), model.predict([*texts, "never seen"]))


def test_a_class_without_training_rows_is_never_predicted():
    texts, codes = toy()
    probability = train_linear(texts, codes, labels=("neg", "pos", "rare")).predict(texts)
    assert probability.shape == (60, 3)
    assert probability[:, 2].max() < 1e-6


def test_one_class_alone_is_predicted():
    assert train_linear(["a b", "a c"], np.array([1, 1]), labels=LABELS).predict(["a"]).argmax() == 1


def test_weights_act():
    texts, codes = ["same text"] * 20, np.array([0, 1] * 10)
    heavy = np.where(codes == 1, 1.9, 0.1)
    assert train_linear(texts, codes, labels=LABELS, weights=heavy).predict(["same text"])[0, 1] > 0.8


def test_damaged_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no model\.json"):
        open_model(tmp_path)
    texts, codes = toy()
    train_linear(texts, codes, labels=LABELS).save(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "linear", "labels": ["only"]}')
    with pytest.raises(InputError, match="do not belong"):
        open_model(tmp_path)
    (tmp_path / "model.json").write_text('{"kind": "forest"}')
    with pytest.raises(InputError, match="forest"):
        open_model(tmp_path)


def test_softmax_survives_large_scores():
    assert softmax(np.array([[1000.0, 0.0]])).tolist() == [[1.0, 0.0]]


def test_fold_models_never_see_a_rows_cluster():
    # Each cluster of five rows has a word of its own and a random label: only a model that saw the cluster can know it.
    rng = np.random.default_rng(3)
    labels = rng.choice(["neg", "pos"], 80)
    listed = [
        (f"{k}-{i}", "train" if i < 4 else "test", f"unique{k}word common text", str(labels[k]))
        for k in range(80)
        for i in range(5)
    ]
    data = dataset(listed)
    clusters = np.repeat(np.arange(80), 5).astype(np.int64)
    found = out_of_fold(data, clusters, seed=0)
    right = found.probabilities.argmax(axis=1) == data.codes
    inside = train_linear(data.texts, data.codes, labels=data.labels).predict(data.texts).argmax(axis=1) == data.codes
    assert inside.mean() > 0.95
    assert right.mean() < 0.65
    assert len({(c, f) for c, f in zip(clusters, found.fold, strict=True)}) == 80


def test_folds_are_even_and_follow_the_seed():
    clusters = np.arange(103) // 2
    first = deal_clusters(clusters, n_folds=5, rng=np.random.default_rng(0))
    assert np.array_equal(first, deal_clusters(clusters, n_folds=5, rng=np.random.default_rng(0)))
    per_fold = [len(np.unique(clusters[first == k])) for k in range(5)]
    assert max(per_fold) - min(per_fold) <= 1
