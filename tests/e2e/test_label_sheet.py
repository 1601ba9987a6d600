"""Label sheets: edited texts for a person to read, and what the answers make of the probes that edited them."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair", "--probes", "none", "--quiet")
QUICK = ("--budget", "quick")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, rows = tmp_path_factory.mktemp("sheet"), sentences(random.Random(8), 500, language="en")
    rows[0] = {**rows[0], "text": "=SUM(A1) great bread"}  # what a spreadsheet would run
    return write_csv(folder / "train.csv", rows[200:]), write_csv(folder / "test.csv", rows[:200])


@pytest.fixture
def run(veridical: Callable[..., Any], made: tuple[Path, Path], tmp_path: Path) -> Path:
    assert veridical("run", made[0], "--test", made[1], *ROLES, "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def _read(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _answered(sheet: Path, answer: Callable[[dict[str, str], bool], str], run: Path, *, delimiter: str = ",") -> None:
    """Fill in the sheet as `answer(line, right)` says; right: what the sheet does not show, from the run folder."""
    drawn = json.loads((run / "edits_review.json").read_text(encoding="utf-8"))["drawn"]
    lines = [{**line, "answer": answer(line, drawn[line["id"]]["right"])} for line in _read(sheet)]
    with sheet.open("w", encoding="utf-16", newline="") as file:
        out = csv.DictWriter(file, list(lines[0]), delimiter=delimiter)
        out.writeheader()
        out.writerows(lines)


def _outcomes(run: Path) -> dict[str, dict[str, Any]]:
    return {p["probe"]: p for p in json.loads((run / "probes.json").read_text(encoding="utf-8"))["probes"]}


def _measures(run: Path, probe: str) -> dict[str, dict[str, Any]]:
    return {m["name"]: m for m in _outcomes(run)[probe]["measures"]}


def test_a_sheet_is_written_answered_and_changes_what_the_probes_say(
    veridical: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    assert veridical("probe", run, "--only", "robustness,calibration", *QUICK, "--quiet").code == 0
    before, sheet = _outcomes(run), tmp_path / "sheet.csv"
    said = veridical("probe", run, "--label-sheet", sheet, "--rows", 60, "--kinds", "keyboard,homoglyphs")
    assert said.code == 0, said.err
    assert f"veridical probe {run} --label-answers {sheet}" in said.out
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    lines = _read(sheet)
    assert list(lines[0]) == ["id", "before", "after", "label", "answer"]
    assert len(lines) == 60
    assert all(line["before"] != line["after"] and not line["answer"] for line in lines)
    assert not any(cell.startswith("=") for line in lines for cell in line.values())
    assert b"bread" not in (run / "edits_review.json").read_bytes()
    # Planted: readers find every label gone in which the model no longer sees it, and keep the others.
    _answered(sheet, lambda line, right: "yes" if right else "NO", run, delimiter=";")
    said = veridical("probe", run, "--label-answers", sheet)
    assert said.code == 0, said.err
    after = _measures(run, "robustness")
    assert after["accuracy, label kept (keyboard, 30 %)"]["estimate"]["value"] == pytest.approx(1.0)
    asked = {m["name"]: m["estimate"]["value"] for m in before["robustness"]["measures"]}
    curve = next(c for c in _outcomes(run)["robustness"]["curves"] if c["name"] == "accuracy under keyboard")
    kept = after["label kept, reviewed (keyboard, 30 %)"]["estimate"]
    assert kept["value"] == pytest.approx(curve["estimates"][-1]["value"], abs=0.02)
    assert kept["low"] < kept["value"] < kept["high"]
    assert "label kept, reference (ocr, 30 %)" in after
    assert "label kept, reference (keyboard, 30 %)" in asked
    # The losses are those there were; other probes are not done again; the report and later probes keep the answers.
    assert {n: m["estimate"]["value"] for n, m in after.items() if n.startswith("loss")} == {
        n: v for n, v in asked.items() if n.startswith("loss")
    }
    assert _outcomes(run)["calibration"] == before["calibration"]
    assert "label kept, reviewed" in (run / "report.html").read_text(encoding="utf-8")
    assert veridical("probe", run, "--only", "robustness", "--fresh", *QUICK, "--quiet").code == 0
    assert "label kept, reviewed (keyboard, 30 %)" in _measures(run, "robustness")
    # The next sheet asks about other edits.
    again = tmp_path / "again.csv"
    assert veridical("probe", run, "--label-sheet", again, "--rows", 20, "--kinds", "keyboard", "--lang", "zh").code == 0
    assert not {line["id"] for line in _read(again)} & {line["id"] for line in lines}


def test_turned_texts_of_an_attack_are_read_too(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    assert veridical("probe", run, "--label-sheet", sheet, "--only", "adversarial", "--rows", 500, *QUICK).code == 0
    lines = _read(sheet)
    assert len(lines) >= 5
    turns = iter(range(len(lines)))
    _answered(sheet, lambda line, right: "是" if next(turns) % 2 else "否", run)
    assert veridical("probe", run, "--label-answers", sheet, "--quiet").code == 0
    measures = _measures(run, "adversarial")
    kept = measures["label kept, reviewed (deepwordbug)"]["estimate"]["value"]
    assert kept == pytest.approx(0.5, abs=0.11)
    curve = _outcomes(run)["adversarial"]["curves"][0]["estimates"]
    turned = curve[0]["value"] - curve[-1]["value"]
    assert measures["accuracy, label kept (deepwordbug)"]["estimate"]["value"] == pytest.approx(
        curve[0]["value"] - turned * kept, abs=1e-9
    )


def test_what_a_label_sheet_refuses(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    sheet, other = tmp_path / "sheet.csv", tmp_path / "notes.csv"
    write = ("probe", run, "--label-sheet", sheet, *QUICK)
    other.write_text("mine,alone\n", encoding="utf-8")
    for arguments, says in (
        ((*write, "--kinds", "keybord"), "Did you mean 'keyboard'?"),
        ((*write, "--only", "calibration"), "robustness and adversarial"),
        ((*write, "--rows", 0), "--rows is 0"),
        ((*write, "--suite", other), "exclude each other"),
        (("probe", run, "--label-sheet", other), "it would be lost"),
        (("probe", run, "--label-answers", other), "no column 'id'"),
        (("probe", run, "--label-answers", tmp_path / "nowhere.csv"), "Check --label-answers"),
    ):
        said = veridical(*arguments)
        assert (said.code, says in said.err, "Traceback" in said.err) == (2, True, False), said.err
    assert veridical(*write, "--only", "robustness", "--rows", 4, "--quiet").code == 0
    assert veridical(*write, "--only", "robustness", "--rows", 4, "--quiet").code == 0  # nobody wrote into it
    first = _read(sheet)[0]["id"]
    for line, says in (
        (f"{first},a,b,pos,perhaps", "'perhaps'. Allowed: yes, no, unsure"),
        ("e123,a,b,pos,yes", "no label sheet of this run"),
        (f"{first},a,b,pos,yes\n{first},a,b,pos,no", "twice"),
        (f"{first},a,b,pos,", "holds no answers"),
    ):
        filled = tmp_path / "filled.csv"
        filled.write_text(f"id,before,after,label,answer\n{line}\n", encoding="utf-8")
        said = veridical("probe", run, "--label-answers", filled)
        assert (said.code, says in said.err) == (2, True), said.err
    assert json.loads((run / "edits_review.json").read_text(encoding="utf-8"))["answers"] == {}
    sheet.write_text("id,before,after,label,answer\nx,a,b,pos,yes\n", encoding="utf-8")
    assert "it would be lost" in veridical(*write, "--rows", 4).err
