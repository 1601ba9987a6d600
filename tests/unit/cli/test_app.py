"""The front door: help, version, verbs, and what a bug looks like."""

from pathlib import Path

import pytest

import veridical
from veridical.cli import _app, main
from veridical.core import plugins


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_without_arguments_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _said(capsys)
    assert (code, err) == (0, "")
    for verb in _app.verbs():
        assert f"  {verb} " in out
    assert _said(capsys, "--help")[1] == out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _said(capsys, "--version") == (0, f"veridical {veridical.__version__}\n", "")


@pytest.mark.parametrize("verb", _app.verbs())
def test_every_verb_has_help_for_every_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _said(capsys, verb, "--help")
    assert code == 0
    assert f"Usage: veridical {verb}" in out


def test_a_bug_leaves_a_file_and_one_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(package: str) -> list[str]:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("veridical.cli.list.names", planted)
    code, _, err = _said(capsys, "list", "checks")
    assert code == 70
    assert len(err.splitlines()) == 1
    file = Path(err.split()[-1])
    assert "ZeroDivisionError: planted" in file.read_text(encoding="utf-8")
    file.unlink()


def test_no_memory_is_the_surroundings(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(package: str) -> list[str]:
        raise MemoryError

    monkeypatch.setattr("veridical.cli.list.names", planted)
    code, _, err = _said(capsys, "list", "checks")
    assert code == 3
    assert "memory" in err


def test_list_shows_a_line_for_each_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    out = _said(capsys, "list")[1]
    for package in ("veridical.audit", "veridical.repair", "veridical.train.countermeasures", "veridical.tasks"):
        for name in plugins.names(package):
            line = next(line for line in out.splitlines() if line.split()[:1] == [name])
            assert len(line.split()) > 2, line


@pytest.mark.parametrize(("option", "offered"), [("--tset", "Did you mean '--test'?"), ("--frobnicate", "")])
def test_an_unknown_option_is_answered_with_a_near_one_and_no_list(
    capsys: pytest.CaptureFixture[str], option: str, offered: str
) -> None:
    code, out, err = _said(capsys, "run", "a.csv", option, "x")
    assert (code, out) == (2, "")
    wanted = f"Unknown option '{option}'. {offered} See: veridical run --help"
    assert err.strip() == " ".join(wanted.split())
