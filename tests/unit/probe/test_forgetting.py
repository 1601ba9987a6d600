"""Forgetting: likeness of feature spaces, swapped words, and a model that keeps nothing but the label."""

import numpy as np
import pytest

from veridical.probe._forgotten import _swap
from veridical.probe._runner import run_probe
from veridical.probe.forgetting import cka, probe


def test_likeness_of_feature_spaces():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    assert cka(features, features) == 1.0
    assert cka(features, 3 * features @ turn + 1) == pytest.approx(1.0)
    assert cka(features, rng.normal(size=(400, 6))) < 0.1
    assert cka(features, np.zeros((400, 6))) == 0.0


def test_two_neighbours_are_swapped():
    rng = np.random.default_rng(0)
    for _ in range(20):
        said = str(_swap("a b c d", rng)).split()
        assert sorted(said) == ["a", "b", "c", "d"]
        moved = [at for at in range(4) if said[at] != "abcd"[at]]
        assert len(moved) == 2
        assert moved[1] == moved[0] + 1
    assert _swap("alone", rng) == "alone"


def test_what_is_kept_is_not_called_forgotten():
    toys = probe.toys()
    honest = run_probe("forgetting", probe, subject=toys.honest)
    assert {m.estimate.value for m in honest.measures if m.name.startswith("forgot_")} == {0.0}
    cheat = run_probe("forgetting", probe, subject=toys.cheat)
    length = cheat.measure("forgot_length")
    assert length is not None
    assert length.estimate.low > 0.3
