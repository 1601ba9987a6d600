"""Fold models of two families, joined where an encoder gives features, and left as they are where it has met the rows' labels."""

import numpy as np
import pytest
from tests.unit.ledger.made_up_world import LABELS

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset


def world(seed, n_train=600, n_test=300):
    """Rows whose label hangs on words and on something that only features tell; (data, features (N, 12))."""
    rng = np.random.default_rng(seed)
    n = n_train + n_test
    lean = np.random.default_rng(7).normal(size=300)
    chosen, told = rng.integers(300, size=(n, 6)), rng.normal(size=n)
    codes = (lean[chosen].sum(axis=1) / 2 + 1.5 * told + rng.logistic(size=n) > 0).astype(np.int64)
    rows = [
        (f"r{i}", "train" if i < n_train else "test", " ".join(f"w{k}" for k in words), LABELS[codes[i]])
        for i, words in enumerate(chosen)
    ]
    features = rng.normal(size=(n, 12))
    features[:, 0] += told * 2
    return dataset(rows), features.astype(np.float32)


def test_joined_families_know_more_than_either():
    gained = []
    for seed in range(3):
        data, features = world(seed)
        evidence = Evidence(data, seed=0, encoded=lambda features=features: features)
        test = data.rows("test")
        alone, both = evidence.folds.probabilities[test], evidence.foresight.probabilities[test]
        rows = np.arange(len(test))
        gained.append(np.log(both[rows, data.codes[test]]).mean() - np.log(alone[rows, data.codes[test]]).mean())
        np.testing.assert_allclose(both.sum(axis=1), 1.0)
    assert min(gained) > 0.05


def test_features_without_news_change_next_to_nothing():
    data, features = world(0)
    noise = np.random.default_rng(1).normal(size=features.shape).astype(np.float32)
    evidence = Evidence(data, seed=0, encoded=lambda: noise)
    test = data.rows("test")
    codes, rows = data.codes[test], np.arange(len(test))
    alone, both = evidence.folds.probabilities[test], evidence.foresight.probabilities[test]
    assert np.log(both[rows, codes]).mean() > np.log(alone[rows, codes]).mean() - 0.02


@pytest.mark.parametrize("flipped", [0.0, 0.3])
def test_an_encoder_that_met_the_train_labels_is_left_out_and_wrong_test_labels_look_like_no_such_thing(flipped):
    data, features = world(0)
    rng = np.random.default_rng(2)
    test = data.rows("test")
    labels = np.array([LABELS[code] for code in data.codes], dtype=object)
    turned = rng.choice(test, int(flipped * len(test)), replace=False)
    labels[turned] = [LABELS[1 - data.codes[row]] for row in turned]
    data = data.with_column("label", labels.tolist())
    fair = Evidence(data, seed=0, encoded=lambda: features)
    assert fair.foresight is not fair.folds
    assert not fair.foresight.met
    told = features.copy()
    train = data.rows("train")
    told[train, 1] += 3 * (2 * data.codes[train] - 1)  # what tuning on these rows writes into features of train, not of test
    met = Evidence(data, seed=0, encoded=lambda: told)
    assert met.foresight.met
    np.testing.assert_array_equal(met.foresight.probabilities, met.folds.probabilities)


def test_without_an_encoder_or_test_rows_the_folds_stand():
    data, features = world(0)
    plain = Evidence(data, seed=0)
    assert plain.foresight is plain.folds
    untested = data.take(data.rows("train"))
    alone = Evidence(untested, seed=0, encoded=lambda: features[: len(untested)])
    assert alone.foresight is alone.folds
