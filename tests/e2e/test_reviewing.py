"""A review says where its rows came from, and when its answers did not come from there."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id")


@pytest.fixture
def run(veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path) -> Path:
    train, test = english
    said = veridical("run", train, "--test", test, *ROLES, "--no-repair", "--quiet", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    return tmp_path / "run"


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _answered(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["id", "answer"])
        out.writeheader()
        out.writerows({"id": row["id"], "answer": row["label"]} for row in rows)
    return path


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_answers_that_no_sheet_asked_for_and_a_changed_frame_are_said(
    veridical: Callable[..., Any], run: Path, english: tuple[Path, Path], tmp_path: Path
) -> None:
    assert veridical("review", run, "--rows", 20, "--out", tmp_path / "sheet.csv").code == 0
    drawn = _json(run / "review.json")
    asked = _rows(tmp_path / "sheet.csv")
    assert veridical("review", run, "--rows", 20, "--out", tmp_path / "again.csv").code == 0
    assert _json(run / "review.json") == drawn, "the same sheet is one draw"
    others = [row for row in _rows(english[1]) if row["id"] not in {row["id"] for row in asked}]
    assert veridical("review", run, "--answers", _answered(tmp_path / "a.csv", asked)).code == 0
    assert not [note for note in _json(run / "run.json")["notes"] if "sheet" in note]

    said = veridical("review", run, "--answers", _answered(tmp_path / "b.csv", others[:2]))
    assert said.code == 0, said.err
    assert "2 answers are for rows that no sheet of this run asked about" in " ".join(said.out.split())
    assert "no sheet of this run asked about" in (run / "report.md").read_text(encoding="utf-8")
    stored = _json(run / "review.json")
    assert stored["sheets"] == drawn["sheets"]
    assert len(stored["answers"]) == 22

    stored["sheets"][0]["frame_sha256"] = "0" * 64
    (run / "review.json").write_text(json.dumps(stored), encoding="utf-8")
    assert veridical("review", run, "--answers", _answered(tmp_path / "a.csv", asked), "--quiet").code == 0
    (changed,) = [note for note in _json(run / "run.json")["notes"] if "drawn from other rows or strata" in note]
    assert drawn["sheets"][0]["frame_sha256"][:12] in changed


@pytest.mark.parametrize("column", ["text", "label"])
def test_a_sheet_of_other_rows_is_refused_and_one_that_was_taken_can_be_withdrawn(
    veridical: Callable[..., Any], run: Path, tmp_path: Path, column: str
) -> None:
    """Ids that are places are the same in every file of as many rows."""
    assert veridical("review", run, "--rows", 20, "--out", tmp_path / "sheet.csv").code == 0
    rows = [{**row, "answer": row["label"]} for row in _rows(tmp_path / "sheet.csv")]
    turned = {"pos": "neg", "neg": "pos"}
    others = [{**row, column: turned[row["label"]] if column == "label" else f"another text {row['id']}"} for row in rows]
    for name, changed in (("own.csv", rows), ("others.csv", others)):
        write_csv(tmp_path / name, changed)
    before = (run / "run.json").read_bytes()
    said = veridical("review", run, "--answers", tmp_path / "others.csv")
    assert said.code == 2
    assert f"shows another {column} than this run has for 20 of 20 rows" in said.err
    assert (run / "run.json").read_bytes() == before
    write_csv(tmp_path / "some.csv", [*others[:4], *rows[4:]])
    assert "for 4 of 20 rows" in veridical("review", run, "--answers", tmp_path / "some.csv").err
    assert veridical("review", run, "--withdraw", tmp_path / "own.csv").code == 2
    missing = veridical("review", run, "--withdraw", tmp_path / "none.csv")
    assert missing.code == 2
    assert "Check --withdraw" in missing.err
    write_csv(tmp_path / "own.csv", [{**row, "text": row["text"].upper() if k > 2 else "cut"} for k, row in enumerate(rows)])
    assert veridical("review", run, "--answers", tmp_path / "own.csv", "--quiet").code == 0
    reviewed = _json(run / "run.json")
    assert veridical("review", run, "--withdraw", tmp_path / "others.csv").code == 2
    assert veridical("review", run, "--withdraw", tmp_path / "own.csv", "--quiet").code == 0
    after, first = _json(run / "run.json"), json.loads(before)
    assert reviewed["honest"] != first["honest"] == after["honest"]
    assert _json(run / "review.json")["answers"] == {}


def test_a_folder_that_is_no_run_is_refused_and_left_as_it_is(veridical: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for folder in ("mine", "absent"):
        for more in (("--out", tmp_path / "s.csv"), ("--answers", tmp_path / "a.csv")):
            said = veridical("review", tmp_path / folder, *more)
            assert said.code == 2, said.err
            assert "is not a run folder" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not list((tmp_path / "mine").iterdir())


def test_a_sheet_is_read_however_a_spreadsheet_saved_it(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = english
    run, sheet = tmp_path / "run", tmp_path / "sheet.csv"
    roles = ("--text", "text", "--label", "label", "--id", "id")
    assert veridical("run", train, "--test", test, *roles, "--no-repair", "--quiet", "--out", run).code == 0
    assert veridical("review", run, "--rows", "20", "--out", sheet).code == 0
    assert sheet.read_bytes().startswith(b"\xef\xbb\xbf")
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "answer": f" {row['label'].title()} "} for row in csv.DictReader(file)]
    for delimiter, codec in ((";", "utf-8-sig"), ("\t", "utf-16"), (",", "gb18030")):
        saved = tmp_path / f"{codec}.csv"
        with saved.open("w", encoding=codec, newline="") as file:
            out = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
            out.writeheader()
            out.writerows(rows)
        said = veridical("review", run, "--answers", saved, "--quiet")
        assert said.code == 0, said.err
    answers = json.loads((run / "review.json").read_text(encoding="utf-8"))["answers"]
    assert answers == {row["id"]: row["label"] for row in rows}
    refused = veridical("review", run, "--rows", "20", "--out", saved)
    assert refused.code == 2
    assert "it would be lost" in refused.err
    with saved.open("a", encoding=codec, newline="") as file:
        file.write(f"{rows[0]['id']},x,y,{'neg' if rows[0]['label'] == 'pos' else 'pos'}\r\n")
    twice = veridical("review", run, "--answers", saved)
    assert twice.code == 2
    assert "twice" in twice.err


def test_a_formula_does_not_run_in_a_spreadsheet(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rows = [
        {"id": f"={k}", "text": f"=cmd {k} {'good' if k % 2 else 'bad'} thing", "label": "+a" if k % 2 else "b"}
        for k in range(200)
    ]
    run, sheet = tmp_path / "run", tmp_path / "sheet.csv"
    train, test = write_csv(tmp_path / "train.csv", rows[:120]), write_csv(tmp_path / "test.csv", rows[120:])
    roles = ("--text", "text", "--label", "label", "--id", "id")
    assert veridical("run", train, "--test", test, *roles, "--no-repair", "--quiet", "--out", run).code == 0
    assert veridical("review", run, "--rows", "10", "--out", sheet).code == 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert not [cell for row in lines for cell in row.values() if cell.startswith(("=", "+"))]
    back = write_csv(tmp_path / "back.csv", [{**row, "answer": row["label"]} for row in lines])
    assert veridical("review", run, "--answers", back, "--quiet").code == 0
    answers = json.loads((run / "review.json").read_text(encoding="utf-8"))["answers"]
    assert set(answers.values()) <= {"+a", "b"}
    assert all(row.startswith("=") for row in answers)


def test_calibration_is_that_of_the_labels_as_reviewed(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = english
    out, more = tmp_path / "run", ("--no-repair", "--quiet", "--probes", "calibration,fairness")
    assert veridical("run", train, "--test", test, *ROLES, *more, "--out", out).code == 0
    (before,) = [one for one in _json(out / "probes.json")["probes"] if one["probe"] == "calibration"]
    assert any("Labels are as given" in note for note in before["notes"])
    assert veridical("review", out, "--rows", 40, "--out", tmp_path / "sheet.csv").code == 0
    asked = _rows(tmp_path / "sheet.csv")
    turned = [{**row, "label": "neg" if row["label"] == "pos" else "pos"} for row in asked[:5]]
    said = veridical("review", out, "--answers", _answered(tmp_path / "a.csv", [*turned, *asked[5:]]), "--quiet")
    assert said.code == 0, said.err
    found = _json(out / "probes.json")
    assert [one["probe"] for one in found["probes"]] == ["calibration", "fairness"]
    after = found["probes"][0]
    assert "Labels as reviewed: 5 of 40 read were changed." in after["summary"]
    old, new = ({m["name"]: m["estimate"]["value"] for m in one["measures"]} for one in (before, after))
    assert new["log_loss (labels as given)"] == old["log_loss"] != new["log_loss"]
    assert "5 of 40 read were changed." in (out / "report.md").read_text(encoding="utf-8")
    again = veridical("probe", out, "--only", "calibration", "--fresh", "--quiet")
    assert again.code == 0, again.err
    assert _json(out / "probes.json")["probes"][0]["summary"] == after["summary"]
