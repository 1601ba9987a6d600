"""What an interruption is said to leave."""

import pytest

from veridical import cli
from veridical.cli import _app


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["probe", "run"], "The same command goes on where it stopped."),
        (["probe", "run", "--fresh"], "The same command starts over; without --fresh it goes on from what is there."),
        (["probe", "run", "--fresh", "--lang", "zh"], "再次给出同一命令会重新开始"),
    ],
)
def test_what_the_same_command_does_is_said(monkeypatch, capsys, given, said):
    def interrupted(*_args, **_given):
        raise KeyboardInterrupt

    monkeypatch.setattr(_app, "app", lambda: interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main(given)
    assert ended.value.code == cli.INTERRUPTED
    assert said in capsys.readouterr().err
