"""An interruption that a library swallows is not lost; handlers of others are left alone."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from veridical.cli import _app, main
from veridical.cli._progress import shown
from veridical.core import interruption


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """SIGINT is heard, whatever started these tests (a shell has it ignored in its background), and nothing is remembered."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
    interruption.forget()


def _swallowed() -> None:
    with contextlib.suppress(BaseException):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass


def _ends(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Any]) -> int | str | None:
    monkeypatch.setattr(_app, "app", lambda: lambda *_, **__: work())
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    return ended.value.code


@pytest.mark.parametrize("quiet", [True, False])
def test_where_the_work_goes_on_it_is_raised_again(monkeypatch: pytest.MonkeyPatch, *, quiet: bool) -> None:
    reached: list[str] = []

    def work() -> int:
        with shown(quiet=quiet) as progress:
            progress("checks", 0, 1)
            _swallowed()
            reached.append("went on")
            progress("checks", 1, 1)
            reached.append("to the end")
        return 0

    assert _ends(monkeypatch, work) == 130
    assert reached == ["went on"]


def test_swallowed_at_the_very_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _ends(monkeypatch, _swallowed) == 130


def test_a_library_that_fails_of_being_half_loaded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        _swallowed()
        raise AttributeError("partially initialized module")

    assert _ends(monkeypatch, work) == 130
    assert "bug" not in capsys.readouterr().err


def test_a_second_one_is_heard_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        _swallowed()
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass
        pytest.fail("the second was not heard")

    assert _ends(monkeypatch, work) == 130


def test_the_handlers_of_the_program_around_it_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert _ends(monkeypatch, _swallowed) == 130
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert not interruption.remembered()


def test_an_ignored_interrupt_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert _ends(monkeypatch, _swallowed) == 0
    finally:
        signal.signal(signal.SIGINT, before)
