"""Relations from files to predictions: marked texts, or texts with the entities beside them."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.e2e.conftest import write_csv

WORDS = {"Cause(e1,e2)": ("caused", "triggered"), "Cause(e2,e1)": ("came from", "arose from"), "Other": ("stood near", "met")}
NOUNS = ("storm", "flood", "fire", "fever", "panic", "delay", "strike", "crash", "leak", "noise", "rumour", "drought")


def row(luck: random.Random) -> dict[str, str]:
    label = luck.choices(list(WORDS), (0.2, 0.2, 0.6))[0]
    first, second = luck.sample(NOUNS, 2)
    verb = luck.choice(WORDS[label if luck.random() < 0.7 else luck.choice(list(WORDS))])
    rest = " ".join(luck.choice("abcdefgh") + str(luck.randrange(90)) for _ in range(7))
    return {"text": f"the {first} {verb} the {second} {rest}", "e1": first, "e2": second, "relation": label}


def marked(found: dict[str, str]) -> dict[str, str]:
    text = found["text"].replace(found["e1"], f"<e1>{found['e1']}</e1>", 1).replace(found["e2"], f"<e2>{found['e2']}</e2>", 1)
    return {"text": text, "relation": found["relation"]}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """420 and 140 rows, and 80 of train that stand in test again."""
    luck = random.Random(5)
    train, test = [row(luck) for _ in range(420)], [row(luck) for _ in range(140)]
    test += train[:80]
    rows = [[{"id": f"{side}{k}", **marked(found)} for k, found in enumerate(part)] for side, part in (("a", train), ("b", test))]
    return write_csv(tmp_path / "train.csv", rows[0]), write_csv(tmp_path / "test.csv", rows[1])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _component(record: Any, name: str) -> Any:
    return next(c for c in record["components"] if c["name"] == name)


def _sum(record: Any) -> float:
    return sum(c["points"]["value"] for c in record["components"] if c["points"] and c["kind"] == "measurement") / 100


def test_from_files_to_predictions(veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path) -> None:
    train, test = files
    said = veridical("run", train, "--test", test, "--task", "relation", "--no-repair", "--out", tmp_path / "run")
    assert said.code == 0, said.err
    record = _json(tmp_path / "run" / "run.json")
    assert (record["task"], record["metric"]) == ("relation", "relation_macro_f1")
    assert record["reported"]["value"] - _sum(record) == record["honest"]["value"]
    assert _component(record, "leakage")["status"] == "measured"
    assert _component(record, "protocol")["points"]["value"] == 0.0
    assert set(record["floors"]) == {"majority", "one_word", "entities_only", "bag_of_words"}
    assert record["floors"]["entities_only"]["value"] < record["reported"]["value"] - 0.1
    findings = pq.read_table(tmp_path / "run" / "findings.parquet").to_pylist()
    assert not [found for found in findings if found["check"] == "damaged_text"], "marks are no left-over markup"

    assert veridical("review", tmp_path / "run", "--rows", 60, "--out", tmp_path / "sheet.csv").code == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    assert all("<e1>" in line["text"] for line in sheet)
    with (tmp_path / "answers.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["id", "answer"])
        out.writeheader()
        out.writerows({"id": line["id"], "answer": line["label"]} for line in sheet)
    assert veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv").code == 0
    reviewed = _json(tmp_path / "run" / "run.json")
    assert reviewed["reported"]["value"] - _sum(reviewed) == reviewed["honest"]["value"]
    assert veridical("explain", tmp_path / "run").code == 0

    said = veridical("predict", tmp_path / "run" / "model", test, "--out", tmp_path / "said.jsonl")
    assert said.code == 0, said.err
    lines = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 220
    assert set(lines[0]["probabilities"]) == set(WORDS)


def test_accuracy_with_rows_of_no_relation_is_called_what_it_is(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = files
    common = ("run", train, "--test", test, "--task", "relation", "--no-repair", "--quiet", "--lang", "zh")
    assert veridical(*common, "--out", tmp_path / "declared").code == 0
    assert veridical(*common, "--metric", "accuracy", "--out", tmp_path / "accuracy").code == 0
    declared, accuracy = (_json(tmp_path / name / "run.json") for name in ("declared", "accuracy"))
    assert accuracy["reported"]["value"] - _sum(accuracy) == accuracy["honest"]["value"]
    assert accuracy["honest"]["value"] == pytest.approx(declared["honest"]["value"], abs=1e-12)
    protocol = _component(accuracy, "protocol")
    assert protocol["status"] == "measured"
    assert "The task declares relation_macro_f1." in protocol["why"]
    assert "没有关系的行被判为没有关系，也算答对" in (tmp_path / "accuracy" / "report.html").read_text(encoding="utf-8")


def test_entities_beside_the_text(veridical: Callable[..., Any], tmp_path: Path) -> None:
    luck = random.Random(6)
    rows = [{"id": f"r{k}", **row(luck)} for k in range(300)]
    rows[0] |= {"e1": "nothing of it"}
    rows[1] |= {"e2": ""}
    rows[2] |= {"text": f"{rows[2]['e1']} and {rows[2]['text']}"}
    source = write_csv(tmp_path / "rows.csv", rows)
    columns = ("--first-entity", "e1", "--second-entity", "e2", "--label", "relation", "--text", "text", "--id", "id")
    said = veridical("run", source, "--task", "relation", "--no-repair", "--out", tmp_path / "run", *columns)
    assert said.code == 0, said.err
    record = _json(tmp_path / "run" / "run.json")
    assert record["set_aside"] == {"a relation row with an entity marked twice": 1, "a relation row without both entities": 2}
    assert record["reported"]["value"] > 0.5
    said = veridical("predict", tmp_path / "run" / "model", source, "--out", tmp_path / "said.jsonl")
    assert said.code == 0, said.err
    assert "3 rows could not be used" in said.out

    again = [{"id": found["id"], "text": found["text"], "h": found["e1"], "t": found["e2"]} for found in rows[3:]]
    other = write_csv(tmp_path / "other.csv", again)
    named = veridical(
        "predict", tmp_path / "run" / "model", other, "--first-entity", "h", "--second-entity", "t", "--out", tmp_path / "b.jsonl"
    )
    assert named.code == 0, named.err
    first, second = ((tmp_path / name).read_text(encoding="utf-8") for name in ("said.jsonl", "b.jsonl"))
    assert first == second


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--task", "classification", "--first-entity", "e1"), "--first-entity names a column that task classification does not"),
        (("--task", "relation", "--second", "e2"), "--second names a second text, which task relation does not have"),
        (("--task", "relation", "--metric", "mcc"), "official|relation_macro_f1"),
        (("--task", "relation", "--order", "a,b"), "--order is for tasks whose labels are grades"),
        (("--task", "relation", "--text", "text"), "a relation row without both entities: 30"),
    ],
)
def test_mistakes_are_one_sentence(veridical: Callable[..., Any], tmp_path: Path, more: tuple[str, ...], sentence: str) -> None:
    luck = random.Random(7)
    rows = [{"text": f"plain {k}", "relation": row(luck)["relation"], "first": "a", "e2": "b", "id": f"r{k}"} for k in range(30)]
    said = veridical("run", write_csv(tmp_path / "rows.csv", rows), "--label", "relation", "--out", tmp_path / "run", *more)
    assert said.code == 2
    assert any(part in " ".join(said.err.split()) for part in sentence.split("|")), said.err
    assert "Traceback" not in said.err


def test_compared_runs_count_honestly_what_the_task_declares(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = files
    with train.open(encoding="utf-8", newline="") as file:
        small = write_csv(tmp_path / "small.csv", list(csv.DictReader(file))[:150])
    for name, source in (("big", train), ("small", small)):
        common = ("run", source, "--test", test, "--task", "relation", "--no-repair", "--quiet", "--metric", "accuracy")
        assert veridical(*common, "--out", tmp_path / name).code == 0
    said = veridical("compare", tmp_path / "small", tmp_path / "big", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert any("The task declares relation_macro_f1." in note for note in record["notes"])
    for run in record["runs"]:
        own = _json(tmp_path / run["name"] / "run.json")
        assert run["reported"]["value"] == pytest.approx(own["reported"]["value"], abs=1e-12)
        # Honest scores of a comparison rest on the rows that no run has seen, those of a run on its own.
        assert run["honest"]["value"] == pytest.approx(own["honest"]["value"], abs=0.06)
        assert run["honest"]["value"] < own["reported"]["value"] - 0.05
