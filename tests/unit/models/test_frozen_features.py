"""Features of the frozen encoder: computed once, equal to computing them again, and enough for a head."""

import numpy as np
import pytest

from veridical.models import frozen_features as module
from veridical.models.frozen_features import fit_head, frozen_features
from veridical.models.weights import resolve


@pytest.fixture(scope="module")
def weights(tiny_bert):
    return resolve(tiny_bert)


def test_kept_features_equal_recomputed_ones(toy, weights, tmp_path, monkeypatch):
    inputs = [*toy.inputs(), *toy.inputs()[:7]]
    first = frozen_features(inputs, weights=weights, folder=tmp_path, max_length=32)
    assert first.shape == (len(inputs), 32)
    np.testing.assert_array_equal(first[-7:], first[:7])
    again = frozen_features(inputs, weights=weights, max_length=32)
    np.testing.assert_array_equal(again, first)
    one_by_one = np.concatenate([frozen_features([text], weights=weights, max_length=32) for text in inputs[:10]])
    np.testing.assert_allclose(one_by_one, first[:10], atol=1e-5)
    monkeypatch.setattr(module, "_encode", None)
    np.testing.assert_array_equal(frozen_features(inputs, weights=weights, folder=tmp_path, max_length=32), first)
    np.testing.assert_array_equal(frozen_features(inputs[4:9], weights=weights, folder=tmp_path, max_length=32), first[4:9])
    for other in ({"max_length": 31}, {"max_length": 32, "attention": "sdpa"}, {"max_length": 32, "dtype": "bfloat16"}):
        with pytest.raises(TypeError):  # other settings, another file: it would have to encode
            frozen_features(inputs, weights=weights, folder=tmp_path, **other)


def test_only_texts_that_were_never_met_are_encoded(toy, weights, tmp_path, monkeypatch):
    inputs, encode, asked = list(toy.inputs()), module._encode, []
    first = frozen_features(inputs[:20], weights=weights, folder=tmp_path, max_length=32)

    def counted(texts, *given, **settings):
        asked.extend(texts)
        return encode(texts, *given, **settings)

    monkeypatch.setattr(module, "_encode", counted)
    both = frozen_features([*inputs[10:20], "never met before", *inputs[:10]], weights=weights, folder=tmp_path, max_length=32)
    assert asked == ["never met before"]
    np.testing.assert_array_equal(both[:10], first[10:])
    np.testing.assert_array_equal(both[11:], first[:10])
    alone = frozen_features(["never met before"], weights=weights, max_length=32)
    np.testing.assert_allclose(both[10], alone[0], atol=1e-5)
    asked.clear()
    frozen_features([*inputs[:20], "never met before"], weights=weights, folder=tmp_path, max_length=32)
    assert asked == []
    met = module.Met()
    inside = [frozen_features(inputs[:n], weights=weights, met=met, max_length=32) for n in (5, 8)]
    assert asked == [*inputs[:5], *inputs[5:8]]
    np.testing.assert_allclose(inside[1], first[:8], atol=1e-5)
    assert frozen_features([], weights=weights, max_length=32).shape == (0, 32)


def test_pairs_differ_from_their_texts_joined(weights):
    pair = frozen_features([("good film", "bad film")], weights=weights, max_length=32)
    swapped = frozen_features([("bad film", "good film")], weights=weights, max_length=32)
    assert np.abs(pair - swapped).max() > 1e-4


def test_head_learns_and_respects_weights(toy, weights):
    features = frozen_features(toy.inputs(), weights=weights, max_length=32)
    train, test = toy.rows("train"), toy.rows("test")
    head = fit_head(features[train], toy.codes[train], n_classes=2)
    right = (head.predict(features[test]).argmax(1) == toy.codes[test]).mean()
    assert right >= 0.8
    heavy = fit_head(features[train], toy.codes[train], n_classes=2, weights=np.where(toy.codes[train] == 1, 20.0, 1.0))
    assert heavy.predict(features)[:, 1].mean() > head.predict(features)[:, 1].mean()
    absent = fit_head(features[train], toy.codes[train], n_classes=3).predict(features)
    np.testing.assert_allclose(absent.sum(1), 1)
    assert absent[:, 2].max() < 1e-6
