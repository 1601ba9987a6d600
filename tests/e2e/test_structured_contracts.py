"""Contracts on tags, label sets and questions through the command line: groups, edits, a target, a review of them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

Verb = Callable[..., Any]
Rows = list[dict[str, object]]
NER = ("--task", "ner", "--tokens", "tokens", "--tags", "ner_tags", "--id", "id", "--group", "region")


def in_regions(rows: Rows, *, seed: int, wrong: float = 0.5) -> Rows:
    """A third of the rows is from the south, where a share `wrong` has lost its entities."""
    rng, found = np.random.default_rng(seed), list[dict[str, object]]()
    for number, row in enumerate(rows):
        south = number % 3 == 0
        tags = ["O"] * len(row["ner_tags"]) if south and rng.random() < wrong else row["ner_tags"]  # type: ignore[arg-type]
        found.append({**row, "ner_tags": tags, "region": "south" if south else "north"})
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("regions")
    train = in_regions(ner_rows(150, seed=1), seed=1, wrong=0.0)
    return write(place / "train.jsonl", train), write(place / "test.jsonl", in_regions(ner_rows(240, seed=2), seed=2))


def contract(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "contract.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def lost(record: dict[str, Any]) -> float:
    return float(sum(c["points"]["value"] for c in record["components"] if c["kind"] == "transfer" and c["points"]))


def test_a_contract_of_tags_adds_up_and_survives_a_review(veridical: Verb, files: tuple[Path, Path], tmp_path: Path) -> None:
    labelled = [{k: v for k, v in row.items() if k != "region"} for row in in_regions(ner_rows(150, seed=7), seed=3, wrong=0.9)]
    write(tmp_path / "target.jsonl", labelled)
    said = contract(
        tmp_path,
        "name: the south\ngroups: {north: 0.2, south: 0.8}\ntarget: target.jsonl\n"
        "perturbations: {names: [keyboard], rate: 0.5, draws: 2}\n",
    )
    run = tmp_path / "run"
    done = veridical(
        "run", files[0], *NER, "--test", files[1], "--contract", said, "--no-repair", "--probes", "none", "--out", run, "--json"
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    parts = {c["name"]: c for c in record["components"]}
    assert {"groups", "fragility", "shift", "concept"} <= set(parts)
    assert record["honest"]["value"] - lost(record) / 100 == record["contract"]["honest"]["value"]  # to the last digit
    assert parts["groups"]["status"] == "measured"
    assert parts["groups"]["points"]["value"] > 3
    assert parts["concept"]["points"]["value"] > 0
    for lang, words in (("en", "under the contract “the south”"), ("zh", "the south")):
        assert words in " ".join(veridical("show", run, "--lang", lang).out.split())
        assert veridical("report", run, "--lang", lang).code == 0
        page = (run / "report.html").read_text(encoding="utf-8")
        assert "the south" in page
        assert ("groups" if lang == "en" else "测试行已加权") in page
    explained = veridical("explain", run)
    assert explained.code == 0, explained.err
    (tmp_path / "target.jsonl").unlink()  # the folder holds all that a review needs
    assert veridical("review", run, "--rows", "200", "--out", tmp_path / "sheet.csv").code == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [{**row, "answer": row["label"]} for row in csv.DictReader(file)]
    with (tmp_path / "answers.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    assert veridical("review", run, "--answers", tmp_path / "answers.csv", "--quiet").code == 0
    after = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert after["honest"]["value"] - lost(after) / 100 == after["contract"]["honest"]["value"]
    assert {"groups", "fragility", "shift", "concept"} <= {c["name"] for c in after["components"]}
    assert after["contract"]["honest"]["value"] == pytest.approx(record["contract"]["honest"]["value"], abs=1e-9)


def test_the_mix_of_the_test_rows_costs_nothing(veridical: Verb, files: tuple[Path, Path], tmp_path: Path) -> None:
    said = contract(tmp_path, "name: as it is\ngroups: {north: 0.66666667, south: 0.33333333}\n")
    run = ("run", files[0], *NER, "--test", files[1], "--contract", said, "--no-repair", "--probes", "none", "--json")
    record = json.loads(veridical(*run, "--out", tmp_path / "run").out)
    (part,) = [c for c in record["components"] if c["name"] == "groups"]
    assert part["status"] == "not_detected"
    assert part["points"]["low"] <= 0 <= part["points"]["high"]
    assert abs(part["points"]["value"]) < 1


def test_groups_of_label_sets_are_reweighted_on_tested_repairs(veridical: Verb, tmp_path: Path) -> None:
    rows = [
        {**row, "region": "south" if at % 3 == 0 else "north", "labels": [] if at % 6 == 0 else row["labels"]}
        for at, row in enumerate(set_rows(400, seed=3))
    ]
    path = write(tmp_path / "sets.jsonl", rows)
    said = contract(tmp_path, "name: south\nvotes: rows\ngroups: {north: 0.1, south: 0.9}\nperturbations: {names: [keyboard]}\n")
    more = ("--task", "multilabel", "--text", "text", "--label", "labels", "--id", "id", "--group", "region", "--probes", "none")
    done = veridical("run", path, *more, "--test-share", "0.5", "--contract", said, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["votes"] == "rows"
    parts = {c["name"]: c for c in record["components"]}
    assert parts["groups"]["points"]["low"] > 0
    assert parts["fragility"]["points"]["low"] > 0  # a cue with a slip in it is not known
    assert record["honest"]["value"] - lost(record) / 100 == record["contract"]["honest"]["value"]


def test_questions_answered_by_a_file_skip_what_needs_the_model(veridical: Verb, tmp_path: Path) -> None:
    rows = [{**row, "region": "south" if at % 4 == 0 else "north"} for at, row in enumerate(qa_rows(320, seed=4))]
    answers = [row["answers"][0]["text"] for row in rows]  # type: ignore[index]
    said = [
        {"id": row["id"], "label": "w0" if row["region"] == "south" else text} for row, text in zip(rows, answers, strict=True)
    ]
    files = write(tmp_path / "train.jsonl", qa_rows(40, seed=5)), write(tmp_path / "test.jsonl", rows)
    write(tmp_path / "target.jsonl", [{k: row[k] for k in ("context", "question")} for row in rows[:120]])
    terms = contract(
        tmp_path,
        "name: there\ngroups: {north: 0.5, south: 0.5}\ntarget: target.jsonl\nperturbations: {names: [keyboard]}\n",
    )
    train = [{**row, "region": "north"} for row in qa_rows(40, seed=5)]
    files = write(tmp_path / "train.jsonl", train), files[1]
    more = ("--task", "qa", "--id", "id", "--group", "region", "--predictions", write(tmp_path / "said.jsonl", said))
    done = veridical(
        "run", files[0], "--test", files[1], *more, "--contract", terms, "--no-repair", "--out", tmp_path / "run", "--json"
    )
    assert done.code == 0, done.err
    record = json.loads(done.out)
    parts = {c["name"]: c for c in record["components"]}
    assert parts["groups"]["points"]["value"] > 15  # a quarter of the rows is from the south, where nearly nothing is right
    assert parts["shift"]["points"] is not None
    assert parts["fragility"]["status"] == "skipped"
    assert record["contract"]["unmeasured"] == ["fragility"]
    assert "concept" not in parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nshortcuts: [{word: film, op: transplant}]\n", ("names shortcuts", "groups, perturbations and target")),
        ("name: x\ngroups: {east: 1.0}\n", ("'east' a share", "north, south")),
        ("name: x\ntarget: nowhere.jsonl\n", ("does not exist",)),
        ("name: x\ntarget: other.csv\n", ("no column 'tokens'", "Rename its column")),
        ("name: x\ntarget: empty.jsonl\n", ("no row that can be used",)),
        ("name: x\nperturbations: {names: [negation]}\n", ("made to change the right label",)),
    ],
)
def test_contracts_that_cannot_be_met_are_refused(
    veridical: Verb, files: tuple[Path, Path], tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "other.csv").write_text("words\na b\n", encoding="utf-8")
    write(tmp_path / "empty.jsonl", [{"tokens": [], "ner_tags": []}])
    said = veridical(
        "run",
        files[0],
        *NER,
        "--test",
        files[1],
        "--contract",
        contract(tmp_path, text),
        "--out",
        tmp_path / "run",
        "--no-repair",
    )
    assert said.code == 2, said
    for word in words:
        assert word in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "run" / "audit.json").exists()
