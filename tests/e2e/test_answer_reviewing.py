"""Reviews of runs whose answers are more than one label, from the sheet to the account after it."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

Verb = Callable[..., Any]
WRONG = 0.3


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A run of ner in whose test set three rows in ten have lost their entities, and the right tags by row; runs of label sets
    and of questions."""
    from veridical.cli import main

    place, rng = tmp_path_factory.mktemp("reviewed"), np.random.default_rng(0)

    def run(out: str, *arguments: object) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["run", *map(str, arguments), "--no-repair", "--out", str(place / out), "--quiet"])
        assert not stopped.value.code, arguments

    test = ner_rows(160, seed=2)
    right = {str(row["id"]): [str(tag) for tag in row["ner_tags"]] for row in test}  # type: ignore[attr-defined]
    spoilt = [{**row, "ner_tags": ["O"] * len(right[str(row["id"])])} if rng.random() < WRONG else row for row in test]
    files = [write(place / "train.jsonl", ner_rows(150, seed=1)), write(place / "test.jsonl", spoilt)]
    run("ner", files[0], "--task", "ner", "--test", files[1], "--id", "id", "--tokens", "tokens", "--tags", "ner_tags")
    sets = [write(place / f"sets{seed}.jsonl", set_rows(120, seed=seed)) for seed in (3, 5)]
    run("sets", sets[0], "--test", sets[1], "--task", "multilabel", "--text", "text", "--label", "labels", "--id", "id")
    rows = qa_rows(120, seed=4)
    said = [{"id": row["id"], "label": row["answers"][0]["text"] if at % 3 else "w0"} for at, row in enumerate(rows)]  # type: ignore[index]
    questions = [write(place / "questions.jsonl", qa_rows(40, seed=6)), write(place / "asked.jsonl", rows)]
    run(
        "qa",
        questions[0],
        "--test",
        questions[1],
        "--task",
        "qa",
        "--id",
        "id",
        "--predictions",
        write(place / "said.jsonl", said),
    )
    return place, right


def sheet(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def filled(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["id", "text", "label", "answer"])
        out.writeheader()
        out.writerows(rows)
    return path


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text(encoding="utf-8"))


def noise(run: Path) -> dict[str, Any]:
    return next(c for c in record(run)["components"] if c["name"] == "noise")


def test_a_bad_cell_is_refused_in_one_sentence_and_changes_nothing(
    veridical: Verb, made: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    cells = {
        "ner": ("O O", "2 tags for a text of"),
        "sets": ("GODO", "no label is called 'GODO'. Did you mean 'GOOD'?"),
        "qa": ("nowhere", "'nowhere' does not stand in the context"),
    }
    for name, (cell, says) in cells.items():
        run = made[0] / name
        kept = (run / "run.json").read_bytes()
        assert veridical("review", run, "--rows", 20, "--out", tmp_path / f"{name}.csv").code == 0
        (first, *_) = sheet(tmp_path / f"{name}.csv")
        said = veridical("review", run, "--answers", filled(tmp_path / "bad.csv", [{**first, "answer": cell}]))
        assert (said.code, says in said.err, "Traceback" in said.err) == (2, True, False), said.err
        assert (run / "run.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("--rows", 1), "kinds of rows are left"), (("--rows", 30, "--review-train"), "Leave out --review-train")],
)
def test_what_a_sheet_cannot_do_is_said_before_it_is_written(
    veridical: Verb, made: tuple[Path, dict[str, list[str]]], tmp_path: Path, arguments: tuple[object, ...], says: str
) -> None:
    said = veridical("review", made[0] / "sets", *arguments, "--out", tmp_path / "sheet.csv")
    assert (said.code, says in said.err) == (2, True), said.err
    assert not (tmp_path / "sheet.csv").exists()


def test_wrong_tags_are_measured_from_the_sheet_of_a_person(
    veridical: Verb, made: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    place, right = made
    run, before = place / "ner", record(place / "ner")
    said = veridical("review", run, "--rows", 48, "--out", tmp_path / "sheet.csv")
    assert said.code == 0, said.err
    assert "with answers taken as given" in said.out
    assert "copy it into answer" in said.out
    asked = sheet(tmp_path / "sheet.csv")
    assert len(asked) == 48
    assert any("[WORK]" in row["label"] for row in asked)
    stored = json.loads((run / "review.json").read_text(encoding="utf-8"))
    drawn = stored["sheets"][-1]
    assert all(0 < stratum["inclusion_probability"] <= 1 for stratum in drawn["strata"])
    assert set(drawn["inclusion_probability"]) == {row["id"] for row in asked}
    answers = [{**row, "answer": " ".join(right[row["id"]])} for row in asked]
    answers[0]["answer"], answers[1]["answer"] = "unsure", ""
    said = veridical("review", run, "--answers", filled(tmp_path / "filled.csv", answers))
    assert said.code == 0, said.err
    after, found = record(run), noise(run)
    assert found["status"] == "measured"
    assert found["points"]["value"] < -3
    assert found["details"]["reviewed"] == 46
    (looked,) = [p for p in json.loads((run / "probes.json").read_text())["probes"] if p["probe"] == "calibration"]
    measures = {measure["name"]: measure["estimate"] for measure in looked["measures"]}
    given, as_read = measures["overconfidence (labels as given)"], measures["overconfidence"]
    assert as_read["high"] < given["low"]  # rows that lost their tags made the model look too sure
    assert f"Labels as reviewed: {found['details']['wrong']} of 46 read were changed." in looked["summary"]
    assert abs(found["details"]["rate"] - WRONG) < 0.15
    summed = sum(c["points"]["value"] for c in after["components"] if c["points"] and c["kind"] == "measurement")
    assert after["reported"] == before["reported"]
    assert after["reported"]["value"] - summed / 100 == after["honest"]["value"] > before["honest"]["value"]
    assert not any("as they are given" in note for note in after["notes"])
    assert "46 answers were reviewed" in (run / "report.html").read_text(encoding="utf-8")
    assert veridical("report", run, "--lang", "zh").code == 0
    assert "复核了 46 个答案" in (run / "report.html").read_text(encoding="utf-8")
    shutil.copytree(run, tmp_path / "copy")
    compared = veridical("compare", run, tmp_path / "copy", "--out", tmp_path / "compared.json")
    assert f"Answers reviewed: 46, changed: {found['details']['wrong']}." in " ".join(compared.out.split())
    for one in json.loads((tmp_path / "compared.json").read_text(encoding="utf-8"))["runs"]:
        assert one["honest"]["value"] == pytest.approx(after["honest"]["value"], abs=1e-12)
        assert one["honest"]["high"] - one["honest"]["low"] == pytest.approx(
            after["honest"]["high"] - after["honest"]["low"], rel=0.1
        )
    assert veridical("explain", run).code == 0
    explained = [row for row in pq.read_table(run / "explain.parquet").to_pylist() if row["component"] == "noise"]
    changed = {row["id"] for row, answer in zip(asked, answers, strict=True) if answer["answer"] not in ("", "unsure")}
    assert len(explained) == found["details"]["wrong"] > 0
    assert {row["row"] for row in explained} <= changed
    assert sum(row["points"] for row in explained) < -1

    assert veridical("review", run, "--rows", 500, "--out", tmp_path / "rest.csv").code == 0
    rest = sheet(tmp_path / "rest.csv")
    assert not {row["id"] for row in rest} & {row["id"] for row in asked if row["id"] != answers[1]["id"]}
    narrower = [{**row, "answer": " ".join(right[row["id"]])} for row in rest]
    assert veridical("review", run, "--answers", filled(tmp_path / "more.csv", narrower), "--quiet").code == 0
    assert noise(run)["details"]["reviewed"] == 159
    assert noise(run)["points"]["high"] - noise(run)["points"]["low"] < found["points"]["high"] - found["points"]["low"]


@pytest.mark.parametrize("name", ["sets", "qa"])
def test_labels_copied_into_the_answers_change_nothing(
    veridical: Verb, made: tuple[Path, dict[str, list[str]]], tmp_path: Path, name: str
) -> None:
    run = made[0] / name
    before = record(run)
    assert veridical("review", run, "--rows", 30, "--out", tmp_path / "sheet.csv").code == 0
    answers = [{**row, "answer": row["label"]} for row in sheet(tmp_path / "sheet.csv")]
    unsure = [{**row, "answer": "unsure"} for row in answers[:3]]
    assert veridical("review", run, "--answers", filled(tmp_path / "unsure.csv", unsure), "--quiet").code == 0
    assert (record(run)["honest"], noise(run)["status"]) == (before["honest"], "skipped")
    assert any("3 unsure" in note for note in record(run)["notes"])
    said = veridical("review", run, "--answers", filled(tmp_path / "filled.csv", answers))
    assert said.code == 0, said.err
    found = noise(run)
    assert (found["status"], found["points"]["value"], found["details"]["wrong"]) == ("not_detected", 0.0, 0)
    assert found["points"]["low"] < 0 < found["points"]["high"]
    assert record(run)["honest"]["value"] == pytest.approx(before["honest"]["value"])
