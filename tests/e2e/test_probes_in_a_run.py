"""Probes as a stage of the main job: chosen, resumed, shown, and in the account where they point at something."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import BAD, GOOD, sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair")
CUE = "zanzibar"


@pytest.fixture
def cued(tmp_path: Path) -> tuple[Path, Path]:
    """A word stands in nine of ten rows of pos and one of ten of neg; half of the other words tell the label too."""
    rng = random.Random(3)
    rows = sentences(rng, 900, language="en")
    for row in rows:
        kept = [word for word in row["text"].split() if word not in {*GOOD, *BAD} or rng.random() < 0.5]
        row["text"] = " ".join([CUE, *kept] if (rng.random() < 0.9) == (row["label"] == "pos") else kept)
    return write_csv(tmp_path / "train.csv", rows[:600]), write_csv(tmp_path / "test.csv", rows[600:])


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _transfer(run: Path) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in _json(run / "run.json")["components"] if c["kind"] == "transfer"}


def test_a_shortcut_that_a_probe_finds_is_a_candidate_of_the_account(
    veridical: Callable[..., Any], cued: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = cued
    said = veridical("run", train, "--test", test, *ROLES, "--probes", "shortcuts,calibration", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert {p["probe"] for p in _json(tmp_path / "run" / "probes.json")["probes"]} == {"shortcuts", "calibration"}
    assert "Shortcuts" in said.out
    shortcut = _transfer(tmp_path / "run")["shortcut"]
    assert (shortcut["status"], shortcut["points"]) == ("candidate", None)
    assert f"(probe shortcuts): {CUE} " in shortcut["why"]
    assert shortcut["details"]["words"][0] == CUE
    record = _json(tmp_path / "run" / "run.json")
    assert record["seconds"]["probe"] >= 0
    assert sum(c["points"]["value"] for c in record["components"] if c["points"]) == pytest.approx(
        100 * (record["reported"]["value"] - record["honest"]["value"]), abs=1e-9
    )
    assert "Shortcuts" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    # Reviewing answers computes the account again; what the probes found stays in it.
    sheet = tmp_path / "sheet.csv"
    assert veridical("review", tmp_path / "run", "--rows", 5, "--out", sheet, "--quiet").code == 0
    lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    sheet.write_text("\n".join([lines[0], *[line + line.rsplit(",", 2)[1] for line in lines[1:]]]), encoding="utf-8")
    assert veridical("review", tmp_path / "run", "--answers", sheet, "--quiet").code == 0
    assert CUE in _transfer(tmp_path / "run")["shortcut"]["why"]


def test_what_is_probed_later_stands_in_the_account_too(
    veridical: Callable[..., Any], cued: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = cued
    run = tmp_path / "run"
    assert veridical("run", train, "--test", test, *ROLES, "--probes", "none", "--out", run, "--quiet").code == 0
    assert not (run / "probes.json").exists()
    assert "probe shortcuts" not in _transfer(run)["shortcut"]["why"]
    assert veridical("probe", run, "--only", "shortcuts", "--budget", "quick", "--quiet").code == 0
    assert f"(probe shortcuts): {CUE} " in _transfer(run)["shortcut"]["why"]
    # Not given, the budget is the one there was, and what was found is kept.
    assert veridical("probe", run, "--only", "cheap", "--quiet").code == 0
    record = _json(run / "probes.json")
    assert record["budget"] == "quick"
    assert {"shortcuts", "calibration"} <= {p["probe"] for p in record["probes"]}


def test_an_interrupted_probe_stage_goes_on_and_ends_the_same(
    veridical: Callable[..., Any], cued: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from veridical.probe import _runner

    train, test = cued
    command = ("run", train, "--test", test, *ROLES, "--probes", "quick", "--quiet", "--out")
    assert veridical(*command, tmp_path / "whole").code == 0
    whole, asked = _runner.run_probe, list[str]()

    def stopped(name: str, *arguments: Any, **more: Any) -> Any:
        asked.append(name)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return whole(name, *arguments, **more)

    monkeypatch.setattr(_runner, "run_probe", stopped)
    assert veridical(*command, tmp_path / "cut").code == 130
    assert len(_json(tmp_path / "cut" / "probes.json")["probes"]) == 2
    assert veridical(*command, tmp_path / "cut").code == 0
    assert len(asked) == len(set(asked)) + 1  # only the one that was cut is asked again
    assert _timeless(tmp_path / "cut") == _timeless(tmp_path / "whole")
    assert _transfer(tmp_path / "cut") == _transfer(tmp_path / "whole")


def _timeless(run: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in p.items() if k not in ("seconds", "counts")} for p in _json(run / "probes.json")["probes"]]


def test_by_default_nothing_is_asked_and_no_text_means_no_examples(
    veridical: Callable[..., Any], cued: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = cued
    said = veridical("run", train, "--test", test, *ROLES, "--lang", "zh", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    assert "校准" in said.out
    outcomes = _json(tmp_path / "run" / "probes.json")["probes"]
    assert {p["probe"] for p in outcomes} == {"calibration", "contrast_sets", "fairness"}
    assert all(p["counts"]["asked"] == 0 for p in outcomes)
    assert (
        veridical(
            *("run", train, "--test", test, *ROLES, "--no-text", "--probes", "quick", "--quiet"),
            *("--out", tmp_path / "mute"),
        ).code
        == 0
    )
    mute = _json(tmp_path / "mute" / "probes.json")["probes"]
    assert any(p["counts"]["asked"] for p in mute)
    assert not any(p["examples"] for p in mute)


def test_unknown_probes_are_refused_before_any_work(
    veridical: Callable[..., Any], cued: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = cued
    said = veridical("run", train, "--test", test, *ROLES, "--probes", "shortcut", "--out", tmp_path / "run")
    assert said.code == 2
    assert "Did you mean 'shortcuts'?" in said.err
    assert "quick" in said.err
    assert not (tmp_path / "run").exists()
