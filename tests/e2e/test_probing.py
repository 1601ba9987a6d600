"""What a finished run's score hides, through the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHEAP = "calibration"


@pytest.fixture
def run(veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path) -> Path:
    train, test = files
    roles = ("--text", "text", "--label", "label", "--id", "id", "--probes", "none")
    assert veridical("run", train, "--test", test, *roles, "--no-repair", "--out", tmp_path / "run", "--quiet").code == 0
    return tmp_path / "run"


def test_probe_measures_and_keeps_what_it_measured(veridical: Callable[..., Any], run: Path) -> None:
    said = veridical("probe", run, "--only", CHEAP, "--budget", "quick")
    assert said.code == 0, said.err
    assert "Calibration" in said.out
    record = json.loads((run / "probes.json").read_text(encoding="utf-8"))
    (outcome,) = record["probes"]
    assert outcome["probe"] == CHEAP
    # 30 of the 120 test rows stand in train; the 90 others are too few to look at alone, and that is said. Labels are as given.
    assert (outcome["n_rows"], len(outcome["notes"])) == (120, 3)
    assert "near-equal text in train" in outcome["notes"][2]
    assert {m["name"] for m in outcome["measures"]} >= {"calibration_error", "overconfidence", "log_loss", "brier"}
    assert "Calibration" in (run / "report.html").read_text(encoding="utf-8")
    again = veridical("probe", run, "--only", CHEAP, "--budget", "quick", "--json")
    assert json.loads(again.out) == record  # kept, not done again


def test_probe_speaks_chinese(veridical: Callable[..., Any], run: Path) -> None:
    assert "校准" in veridical("probe", run, "--only", CHEAP, "--budget", "quick", "--lang", "zh").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--only", "calibratoin"), "Did you mean 'calibration'?"),
        (("--budget", "huge"), "quick, standard, thorough"),
        (("--lang", "xx"), "language"),
    ],
)
def test_what_probe_refuses(veridical: Callable[..., Any], run: Path, arguments: tuple[str, ...], says: str) -> None:
    said = (
        veridical("probe", run, "--budget", "quick", *arguments)
        if "--budget" not in arguments
        else veridical("probe", run, *arguments)
    )
    assert said.code == 2
    assert says in said.err
    assert "Traceback" not in said.err


def test_probe_refuses_a_folder_without_a_run(veridical: Callable[..., Any], tmp_path: Path) -> None:
    said = veridical("probe", tmp_path)
    assert said.code == 2
    assert "run.json" in said.err
