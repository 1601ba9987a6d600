"""From files to the honest score, through the command line, in English and Chinese."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from veridical.dataset.fingerprint import fingerprint
from veridical.dataset.storage import read

ROLES = ("--text", "text", "--label", "label", "--id", "id")


def _run(veridical: Callable[..., Any], files: tuple[Path, Path], out: Path, *more: object) -> Any:
    train, test = files
    return veridical("run", train, "--test", test, *ROLES, "--model", "linear", "--seed", "0", "--out", out, *more)


def test_run_accounts_for_every_point(veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path) -> None:
    said = _run(veridical, files, tmp_path / "run", "--no-repair")
    assert said.code == 0, said.err
    record = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["format"] == 1
    assert record["complete"] is True
    assert (record["n_train"], record["n_test"]) == (480, 120)
    measured = [c["points"]["value"] for c in record["components"] if c["kind"] == "measurement" and c["points"]]
    assert record["reported"]["value"] - sum(measured) / 100 == pytest.approx(record["honest"]["value"], abs=1e-12)
    leakage = next(c for c in record["components"] if c["name"] == "leakage")
    assert 30 <= leakage["rows"] <= 40  # made-up sentences may resemble one another
    assert {"majority"} <= set(record["floors"])
    assert record["repair"] is None
    assert set(record["seconds"]) >= {"load", "audit", "train", "account"}
    assert record["peak_rss_mb"] > 0
    for name in (
        "report.html",
        "report.md",
        "audit.json",
        "findings.parquet",
        "rows.parquet",
        "predictions.parquet",
        "model/model.json",
    ):
        assert (tmp_path / "run" / name).is_file(), name
    overlap = {
        row["row"]
        for row in pq.read_table(tmp_path / "run" / "findings.parquet").to_pylist()
        if row["check"] == "train_test_overlap"
    }
    assert {f"copy{k}" for k in range(30)} <= overlap


def test_a_finished_run_is_shown_again_and_not_done_again(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    first = _run(veridical, files, tmp_path / "run", "--no-repair")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != ".lock"}
    again = _run(veridical, files, tmp_path / "run", "--no-repair")
    assert again.code == 0
    assert again.out == first.out
    assert veridical("show", tmp_path / "run").out == first.out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert json.loads(veridical("show", tmp_path / "run", "--json").out)["complete"] is True


def test_repairs_are_tried_and_the_input_can_be_restored_without_it(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    files = tuple(Path(shutil.copy(file, folder)) for file in english)
    said = _run(veridical, (files[0], files[1]), tmp_path / "run", "--quiet")
    assert said.code == 0, said.err
    assert said.out == ""
    repair = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["repair"]
    assert repair["skipped"] or repair["arms"]
    assert repair["rows_in"] == repair["rows_kept"] + repair["rows_set_aside"] == 300
    loaded = read(tmp_path / "run" / "data.parquet")
    shutil.rmtree(folder)
    (tmp_path / "run" / "data.parquet").unlink()
    for name in ("back.csv", "back.jsonl", "back.parquet"):
        said = veridical("restore", tmp_path / "run", "--out", tmp_path / name)
        assert said.code == 0, said.err
        assert "300 rows" in said.out
    back = pq.read_table(tmp_path / "back.parquet")
    assert sorted(back.column("text").to_pylist()) == sorted(loaded.texts)
    assert fingerprint(loaded.table)[:12] in said.out


def test_predict_needs_no_label_and_remembers_the_columns(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert _run(veridical, files, tmp_path / "run", "--no-repair", "--quiet").code == 0
    lines = files[1].read_text(encoding="utf-8").splitlines()
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(line.rsplit(",", 1)[0] for line in lines) + "\n", encoding="utf-8")
    said = veridical("predict", tmp_path / "run" / "model", bare, "--out", tmp_path / "p.jsonl")
    assert said.code == 0, said.err
    predicted = {row["id"]: row for row in map(json.loads, (tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines())}
    assert len(predicted) == 120
    stored = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    for row in (row for row in stored if row["split"] == "test"):
        line = predicted[row["id"]]
        assert line["label"] == row["predicted"]
        assert list(line["probabilities"]) == ["neg", "pos"]
        assert list(line["probabilities"].values()) == pytest.approx(row["probabilities"], abs=1e-6)


def test_audit_looks_at_a_lone_file_as_it_is(veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path) -> None:
    rows = files[0].read_text(encoding="utf-8").splitlines()
    doubled = tmp_path / "doubled.csv"
    doubled.write_text("\n".join([*rows, "twin," + rows[1].split(",", 1)[1]]) + "\n", encoding="utf-8")
    said = veridical("audit", doubled, *ROLES, "--out", tmp_path / "audit")
    assert said.code == 0, said.err
    findings = pq.read_table(tmp_path / "audit" / "findings.parquet").to_pylist()
    assert {row["split"] for row in findings} <= {"train", ""}
    pair = {rows[1].split(",", 1)[0], "twin"}
    assert any({row["row"], row["other_row"]} == pair for row in findings)
    assert veridical("audit", doubled, *ROLES, "--out", tmp_path / "other", "--fail-on", "found=exact_duplicates").code == 1


def test_own_predictions_and_own_function_give_the_same_score(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = english
    code = (
        "BAD = 'awful rude stale broken terrible noisy dirty slow horrible dull'.split()\n"
        "def score(texts):\n"
        "    neg = [0.9 if any(w in t.split() for w in BAD) else 0.2 for t in texts]\n"
        "    return [{'neg': p, 'pos': 1 - p} for p in neg]\n"
    )
    (tmp_path / "words_of_mine.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    said = veridical("run", train, "--test", test, *ROLES, "--model", "words_of_mine:score", "--out", "callable", "--quiet")
    assert said.code == 0, said.err
    stored = pq.read_table("callable/predictions.parquet").to_pylist()
    lines = [
        {
            "id": row["id"],
            "label": row["predicted"],
            "probabilities": dict(zip(("neg", "pos"), row["probabilities"], strict=True)),
        }
        for row in stored
        if row["split"] == "test"
    ]
    Path("mine.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    said = veridical("run", train, "--test", test, *ROLES, "--predictions", "mine.jsonl", "--out", "predictions", "--quiet")
    assert said.code == 0, said.err
    first, second = (json.loads(Path(name, "run.json").read_text(encoding="utf-8")) for name in ("callable", "predictions"))
    assert first["reported"]["value"] == second["reported"]["value"]
    assert "The locked fold would hold 30 rows" in first["repair"]["skipped"]
    assert "A file of predictions answers no other row" in second["repair"]["skipped"]
    assert not Path("callable", "model").exists()


def test_no_text_keeps_texts_out_of_the_folder(veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path) -> None:
    assert _run(veridical, english, tmp_path / "run", "--no-text", "--quiet").code == 0
    assert not any((tmp_path / "run" / name).exists() for name in ("rows.parquet", "data.parquet", "repaired.parquet"))


def test_fail_on_gap_exits_with_1_after_writing_everything(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    said = _run(veridical, english, tmp_path / "run", "--no-repair", "--quiet", "--fail-on", "found=train_test_overlap")
    assert said.code == 1
    assert "train_test_overlap" in said.err
    assert (tmp_path / "run" / "report.html").is_file()


def test_settings_from_a_file_and_options_that_win(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text("seed: 5\nno-repair: true\nmetric: macro_f1\n", encoding="utf-8")
    train, test = english
    said = veridical(
        "run", train, "--test", test, *ROLES, "--config", tmp_path / "run.yaml", "--seed", 6, "--out", tmp_path / "run", "--json"
    )
    record = json.loads(said.out)
    assert (record["seed"], record["metric"], record["repair"]) == (6, "macro_f1", None)


def test_without_a_test_set_every_row_is_tested_once(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    said = veridical("run", english[0], *ROLES, "--split", "folds", "--no-repair", "--out", tmp_path / "run", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["n_train"] == record["n_test"] == 220
    assert any("no test set" in warning for warning in record["warnings"])
    stored = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pylist()
    right = sum(row["predicted"] == row["label"] for row in stored) / 220
    assert record["reported"]["value"] == pytest.approx(right, abs=1e-12)
    # One label in ten contradicts its words: nothing that has not seen the row can be right much more often.
    assert 0.75 < right < 0.95


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)


def test_a_review_narrows_the_interval_and_later_rounds_combine(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    assert _run(veridical, english, tmp_path / "run", "--no-repair", "--quiet").code == 0
    before = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    said = veridical("review", tmp_path / "run", "--rows", "60", "--out", tmp_path / "sheet.csv")
    assert said.code == 0, said.err
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert list(sheet[0]) == ["id", "text", "label", "answer"]
    assert len(sheet) == len({row["id"] for row in sheet}) == 60
    for row in sheet[2:]:
        row["answer"] = row["label"]
    sheet[0]["answer"] = "unsure"
    _write(tmp_path / "answers.csv", sheet)
    assert veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv", "--quiet").code == 0
    after = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert after["honest"]["high"] - after["honest"]["low"] < before["honest"]["high"] - before["honest"]["low"]
    moved = ("honest", "components", "notes", "interactions", "variance", "unreviewed")
    assert {key: after[key] for key in after if key not in moved} == {key: before[key] for key in before if key not in moved}
    assert veridical("review", tmp_path / "run", "--rows", "30", "--out", tmp_path / "second.csv").code == 0
    with (tmp_path / "second.csv").open(encoding="utf-8-sig", newline="") as file:
        second = {row["id"] for row in csv.DictReader(file)}
    assert not second & {row["id"] for row in sheet if row["answer"]}
    stored = json.loads((tmp_path / "run" / "review.json").read_text(encoding="utf-8"))
    first = stored["sheets"][0]
    assert first["of"] == "test"
    assert len(first["frame_sha256"]) == 64
    assert set(first["inclusion_probability"]) == {row["id"] for row in sheet}
    assert all(0 < chance <= 1 for chance in first["inclusion_probability"].values())
    assert not any("no sheet of this run" in note for note in after["notes"])
    said = veridical("review", tmp_path / "run", "--rows", "20", "--review-train", "--out", tmp_path / "train.csv")
    assert said.code == 0, said.err
    with (tmp_path / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        train = list(csv.DictReader(file))
    assert {row["id"] for row in train} <= {line.split(",")[0] for line in english[0].read_text(encoding="utf-8").splitlines()}
    _write(tmp_path / "answers.csv", [{**row, "answer": row["label"]} for row in train])
    assert veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv", "--quiet").code == 0


@pytest.mark.parametrize(
    ("answer", "row", "said"), [("poz", "", "did you mean 'pos'"), ("pos", "nobody", "nobody"), ("", "", "holds no answers")]
)
def test_answers_that_do_not_fit_are_refused(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path, answer: str, row: str, said: str
) -> None:
    assert _run(veridical, english, tmp_path / "run", "--no-repair", "--quiet").code == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    ids = [line.split(",")[0] for line in english[1].read_text(encoding="utf-8").splitlines()[1:]]
    _write(tmp_path / "answers.csv", [{"id": row or ids[0], "answer": answer}])
    refused = veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv")
    assert refused.code == 2
    assert said in refused.err.lower()
    assert (tmp_path / "run" / "run.json").read_bytes() == before
