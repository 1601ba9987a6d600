"""The most memory held since a moment, not since the process began."""

import numpy as np
import pytest

from veridical.core.surroundings import PeakMemory


def test_it_counts_what_is_held_from_now_on():
    before = PeakMemory()
    if before.more_mb() is None:
        pytest.skip("this system does not say")
    large = np.ones(25_000_000)  # 191 MiB, all of it written
    assert 180 <= before.more_mb() <= 260
    del large
    assert before.more_mb() >= 180
    again = PeakMemory()
    small = np.ones(2_500_000)
    assert 15 <= again.more_mb() <= 60
    assert small.sum() == 2_500_000
