"""Progress goes to the error stream and is short where nobody watches."""

import re
from pathlib import Path

import pytest

import veridical
from veridical.cli import _progress
from veridical.report.wording import words


def test_plain_lines_name_each_stage_once_and_then_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 1.0, 2.0, 9.0, 9.5])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    with _progress.shown(quiet=False) as progress:
        for stage, done in (("load", 0), ("load", 10), ("load", 20), ("load", 50), ("train", 0)):
            progress(stage, done, 100)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["load", "load 50 %", "train"]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.shown(quiet=True) as progress:
        progress("load", 0, 1)
    assert capsys.readouterr() == ("", "")


def test_bars_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress.sys.stderr, "isatty", lambda: True, raising=False)
    with _progress.shown(quiet=False) as progress:
        progress("load", 0, 0)
        progress("train", 1, 2)
    assert capsys.readouterr().out == ""


def test_stages_are_named_in_the_language(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.shown(quiet=False, lang="zh") as progress:
        progress("near-duplicates", 0, 1)
    assert capsys.readouterr().err == "近似重复\n"
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(veridical.__file__).parent.rglob("*.py"))
    stages = set(re.findall(r'progress\("([^"]+)"', code))
    assert stages <= {key.removeprefix("progress.") for key in words("zh").table if key.startswith("progress.")}


def test_two_stages_in_turn_are_not_a_line_each_time(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.1, 0.2, 0.3, 6.0, 6.1])
    monkeypatch.setattr(_progress.time, "monotonic", lambda: next(clock))
    with _progress.shown(quiet=False) as progress:
        for done in range(3):
            progress("attack", done, 4)
            progress("ask the endpoint", 0, 10)
    assert capsys.readouterr().err.splitlines() == ["attack", "ask the endpoint", "attack 50 %", "ask the endpoint"]
