"""Influence against what it stands for: training again without the row."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from veridical.explain.logistic import Logistic, of_head, standardised
from veridical.models.frozen_features import HEAD_C, Head, fit_head
from veridical.models.linear import softmax


def problem(*, n_classes, seed=0, n=80, d=4):
    rng = np.random.default_rng(seed)
    features, codes = rng.normal(size=(n, d)), rng.integers(n_classes, size=n)
    features[np.arange(n), codes] += 1.5
    return features, codes, rng.normal(size=(20, d)), rng.normal(size=(20, n_classes))


def fitted(features, codes, c, n_classes, weights=None):
    model = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(features, codes, sample_weight=weights)
    if n_classes == 2:
        coefficients = np.concatenate([0 * model.coef_, model.coef_])
        return coefficients, np.array([0.0, model.intercept_[0]])
    return model.coef_, model.intercept_


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("sparse", [False, True])
def test_influence_is_what_leaving_one_out_does(n_classes, sparse):
    features, codes, asked, pull = problem(n_classes=n_classes, n=400)
    row_weights = np.random.default_rng(1).uniform(0.5, 1.5, len(codes))

    def quantity(kept):
        weights, bias = fitted(features[kept], codes[kept], 1.0, n_classes, row_weights[kept])
        return float((pull * softmax(asked @ weights.T + bias)).sum())

    whole = np.arange(len(codes))
    weights, bias = fitted(features, codes, 1.0, n_classes, row_weights)
    form = sp.csr_matrix if sparse else np.asarray
    model = Logistic(form(features), codes, row_weights, weights, bias, 1.0)
    foreseen = model.influence(model.gradient(form(asked), pull))
    left_out = whole[::8]
    actual = np.array([quantity(whole) - quantity(np.delete(whole, row)) for row in left_out])
    # What is left out is second order in 1 / n.
    assert np.abs(foreseen[left_out] - actual).max() < 0.1 * np.abs(actual).max()
    assert np.corrcoef(foreseen[left_out], actual)[0, 1] > 0.995


def test_influence_on_a_head_is_what_leaving_one_out_does():
    features, codes, asked, pull = problem(n_classes=3, n=120)
    features, asked = features.astype(np.float32), asked.astype(np.float32)
    head = fit_head(features, codes, n_classes=3)

    def quantity(kept):
        # The head's scale belongs to the features; held, as an attribution of rows holds it.
        wide = standardised(head, features[kept])
        model = LogisticRegression(C=HEAD_C, tol=1e-10, max_iter=10_000).fit(wide, codes[kept])
        return float((pull * Head(head.mean, head.scale, model.coef_, model.intercept_).predict(asked)).sum())

    model = of_head(head, features, codes)
    foreseen = model.influence(model.gradient(standardised(head, asked), pull))
    whole = np.arange(len(codes))
    actual = np.array([quantity(whole) - quantity(np.delete(whole, row)) for row in whole])
    assert np.abs(foreseen - actual).max() < 0.1 * np.abs(actual).max()


def test_the_gradient_is_the_slope():
    features, codes, asked, pull = problem(n_classes=3)
    weights, bias = fitted(features, codes, 1.0, 3)
    slope = Logistic(features, codes, np.ones(len(codes)), weights, bias, 1.0).gradient(asked, pull)
    step = 1e-6
    moved = weights.copy()
    moved[1, 2] += step
    change = (pull * (softmax(asked @ moved.T + bias) - softmax(asked @ weights.T + bias))).sum() / step
    assert slope[1, 2] == pytest.approx(change, rel=1e-4)


def test_a_row_without_weight_has_no_influence():
    features, codes, asked, pull = problem(n_classes=2)
    weights, bias = fitted(features, codes, 1.0, 2)
    given = np.ones(len(codes))
    given[3] = 0.0
    model = Logistic(features, codes, given, weights, bias, 1.0)
    slope = model.gradient(asked, pull)
    assert model.influence(slope)[3] == 0.0
    assert np.count_nonzero(model.influence(slope)) == len(codes) - 1
