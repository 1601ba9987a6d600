"""Parts of a score against hand-computed answers, and the sum that must hold whatever the probabilities are."""

import numpy as np
import pytest

from veridical.probe._score_parts import brier_parts, log_parts, recalibrated, tied


def parts(how, probabilities, codes, weights=None):
    labels = np.eye(probabilities.shape[1])[codes]
    weights = np.ones(len(codes)) if weights is None else weights
    return how(probabilities, recalibrated(tied(probabilities), labels, weights), labels, weights)


TWO = np.array([[0.8, 0.2]] * 5 + [[0.3, 0.7]] * 5)
CODES = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, 0])


def test_brier_parts_by_hand():
    found = parts(brier_parts, TWO, CODES)
    assert found.score == pytest.approx((4 * 0.08 + 1.28 + 3 * 0.18 + 2 * 0.98) / 10)
    assert found.uncertainty == pytest.approx(1 - 0.6**2 - 0.4**2)
    # The first five are right in 4 of 5, as they say; of the others 3 in 5 are of the second class, and 0.7 was said.
    assert found.reliability == pytest.approx(2 * 0.5 * (0.7 - 0.6) ** 2)
    assert found.resolution == pytest.approx(2 * 0.5 * ((0.8 - 0.6) ** 2 + (0.4 - 0.6) ** 2))


def test_log_parts_by_hand():
    def entropy(share):
        return -share * np.log(share) - (1 - share) * np.log(1 - share)

    found = parts(log_parts, TWO, CODES)
    assert found.uncertainty == pytest.approx(entropy(0.6))
    assert found.resolution == pytest.approx(entropy(0.6) - (entropy(0.8) + entropy(0.4)) / 2)
    assert found.reliability == pytest.approx(0.5 * (0.6 * np.log(0.6 / 0.7) + 0.4 * np.log(0.4 / 0.3)))


@pytest.mark.parametrize("how", [brier_parts, log_parts])
@pytest.mark.parametrize("seed", range(20))
def test_the_parts_add_up_and_reliability_is_not_below_zero(how, seed):
    rng = np.random.default_rng(seed)
    n_classes = int(rng.integers(2, 7))
    probabilities = rng.dirichlet(np.ones(n_classes), 300).round(int(rng.integers(1, 4)) + 1) + 1e-9
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = parts(how, probabilities, rng.integers(n_classes, size=300), rng.random(300) + 0.1)
    assert found.score == pytest.approx(found.reliability - found.resolution + found.uncertainty, abs=1e-12)
    if how is brier_parts or n_classes == 2:
        assert found.reliability >= -1e-12
        assert found.resolution >= -1e-12


def test_what_a_rising_function_of_the_probability_changes_is_reliability_alone():
    rng = np.random.default_rng(0)
    honest = rng.random(400)
    codes = (rng.random(400) < honest).astype(np.int64)
    sharp = honest**4 / (honest**4 + (1 - honest) ** 4)
    for how in (brier_parts, log_parts):
        calm, sure = (parts(how, np.stack([1 - p, p], axis=1), codes) for p in (honest, sharp))
        assert (sure.resolution, sure.uncertainty) == (pytest.approx(calm.resolution), pytest.approx(calm.uncertainty))
        assert sure.reliability > 3 * calm.reliability
