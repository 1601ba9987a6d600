"""Calibration measures against hand-computed answers and simulation."""

import numpy as np
import pytest

from veridical.probe.calibration import brier_parts, log_loss, squared_error, temperature


def test_the_debiased_error_is_right_on_average():
    rng = np.random.default_rng(0)
    even = np.ones(500)
    calm, off = [], []
    for _ in range(400):
        confidence = rng.uniform(0.5, 1.0, 500)
        calm.append(squared_error(confidence, (rng.random(500) < confidence) * 1.0, even, bins=15))
        off.append(squared_error(confidence, (rng.random(500) < confidence - 0.1) * 1.0, even, bins=15))
    assert abs(np.mean(calm)) < 3 * np.std(calm) / 20
    # A constant shift of 0.1 is a squared error of 0.01; the naive estimator adds about 15 x 0.17 / 500 = 0.005.
    assert np.mean(off) == pytest.approx(0.01, abs=3 * np.std(off) / 20)


def test_weights_count_as_that_many_rows_in_the_bins():
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    right = np.array([1.0, 0.0, 1.0, 1.0])
    one_bin = squared_error(confidence, right, np.ones(4), bins=1)
    # mean confidence 0.75, accuracy 0.75, variance 0.1875 / 3
    assert one_bin == pytest.approx(-0.0625)


def test_brier_parts_add_up_where_bins_are_pure():
    probabilities = np.array([[0.8, 0.2]] * 5 + [[0.3, 0.7]] * 5)
    codes = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0])
    score, reliability, resolution, uncertainty = brier_parts(probabilities, codes, np.ones(10), bins=2)
    assert score == pytest.approx((4 * 0.08 + 1.28 + 3 * 0.18 + 2 * 0.98) / 10)
    assert uncertainty == pytest.approx(1 - 0.6**2 - 0.4**2)
    assert reliability == pytest.approx(2 * 0.5 * (0.7 - 0.6) ** 2)
    assert score == pytest.approx(reliability - resolution + uncertainty)


def test_temperature_finds_the_planted_one():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 3))
    truth = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    codes = np.array([rng.choice(3, p=row) for row in truth])
    sharp = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(1, keepdims=True)
    assert temperature(sharp, codes) == pytest.approx(2.5, rel=0.1)
    assert log_loss(np.log(np.array([[0.25, 0.75]])), np.array([1]))[0] == pytest.approx(-np.log(0.75))
