"""Threads, memory and telemetry."""

import os

import pytest

from veridical.core import surroundings


def test_threads_follow_the_user_or_the_free_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert surroundings.threads() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(surroundings, "cores", lambda: 4)
    for busy, free in ((0.1, 4), (1.9, 2), (9.0, 1)):
        monkeypatch.setattr(surroundings, "_busy_cores", lambda busy=busy: busy)
        assert surroundings.threads() == free


def test_cores_are_at_least_one_and_not_more_than_the_machine_has() -> None:
    assert 1 <= surroundings.cores() <= (os.cpu_count() or 1)


def test_a_setting_of_the_users_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    monkeypatch.setenv("DAFT_ANALYTICS_ENABLED", "1")
    surroundings.use_threads(2)
    surroundings.opt_out_of_telemetry()
    assert (os.environ["OMP_NUM_THREADS"], os.environ["MKL_NUM_THREADS"]) == ("7", "2")
    assert (os.environ["DO_NOT_TRACK"], os.environ["DAFT_ANALYTICS_ENABLED"]) == ("1", "1")


def test_peak_memory_counts_what_was_held() -> None:
    before = surroundings.peak_rss_mb()
    held = bytearray(os.urandom(1)) * (before + 64) * 2**20
    assert surroundings.peak_rss_mb() >= before + 32
    assert len(held)
