"""Ratings from files to predictions: numbers by value, names in the order given."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import write_csv

GRADES = ("poor", "fair", "good", "great")
WORDS = {"poor": ("awful", "broken"), "fair": ("plain", "dated"), "good": ("neat", "pleasant"), "great": ("superb", "splendid")}


def rows(n: int, luck: random.Random, *, side: str) -> list[dict[str, str]]:
    found = []
    for k in range(n):
        grade = luck.randrange(4)
        near = min(max(grade + luck.choice((-1, 1)), 0), 3) if luck.random() < 0.3 else grade
        words = [luck.choice(WORDS[GRADES[near]]), *(luck.choice("abcdefgh") + str(luck.randrange(90)) for _ in range(8))]
        found.append({"id": f"{side}{k}", "text": " ".join(words), "rating": GRADES[grade]})
    return found


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sum(record: Any) -> float:
    return sum(c["points"]["value"] for c in record["components"] if c["points"] and c["kind"] == "measurement") / 100


def _status(record: Any, name: str) -> str:
    return next(str(c["status"]) for c in record["components"] if c["name"] == name)


@pytest.mark.parametrize("leaked", [0, 50])
def test_from_files_to_predictions(veridical: Callable[..., Any], tmp_path: Path, leaked: int) -> None:
    luck = random.Random(1)
    train, test = rows(400, luck, side="a"), rows(160, luck, side="b")
    test += [{**found, "id": f"copy{k}"} for k, found in enumerate(train[:leaked])]
    files = write_csv(tmp_path / "train.csv", train), write_csv(tmp_path / "test.csv", test)
    order = ",".join(GRADES)
    said = veridical(
        "run", files[0], "--test", files[1], "--task", "ordinal", "--order", order, "--out", tmp_path / "run", "--no-repair"
    )
    assert said.code == 0, said.err
    record = _json(tmp_path / "run" / "run.json")
    assert (record["task"], record["metric"], tuple(record["labels"])) == ("ordinal", "quadratic_kappa", GRADES)
    assert record["reported"]["value"] - _sum(record) == record["honest"]["value"]
    assert _status(record, "leakage") == ("measured" if leaked else "not_detected")
    assert set(record["floors"]) == {"majority", "middle_grade", "one_word", "partial_input", "bag_of_words"}
    if leaked:
        return
    assert veridical("review", tmp_path / "run", "--rows", 60, "--out", tmp_path / "sheet.csv").code == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = list(csv.DictReader(file))
    with (tmp_path / "answers.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, ["id", "answer"])
        out.writeheader()
        out.writerows({"id": line["id"], "answer": line["label"]} for line in sheet)
    assert veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv").code == 0
    reviewed = _json(tmp_path / "run" / "run.json")
    assert reviewed["reported"]["value"] - _sum(reviewed) == reviewed["honest"]["value"]
    width = {name: one["honest"]["high"] - one["honest"]["low"] for name, one in (("before", record), ("after", reviewed))}
    assert width["after"] < width["before"]
    assert veridical("explain", tmp_path / "run").code == 0
    assert veridical("predict", tmp_path / "run" / "model", files[1], "--out", tmp_path / "said.jsonl").code == 0
    line = json.loads((tmp_path / "said.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert tuple(line["probabilities"]) == GRADES


def test_numbers_are_grades_by_their_value(veridical: Callable[..., Any], tmp_path: Path) -> None:
    luck = random.Random(2)
    found = [{**one, "rating": str((-1, 0, 5, 10)[GRADES.index(one["rating"])])} for one in rows(300, luck, side="r")]
    for name in ("a", "b"):
        said = veridical(
            "run", write_csv(tmp_path / "rows.csv", found), "--task", "ordinal", "--metric", "closeness", "--no-repair", "--seed",
            "0" if name == "a" else "1", "--quiet", "--out", tmp_path / name,
        )  # fmt: skip
        assert said.code == 0, said.err
    record = _json(tmp_path / "a" / "run.json")
    assert tuple(record["labels"]) == ("-1", "0", "5", "10")
    assert record["floors"]["middle_grade"]["value"] >= record["floors"]["majority"]["value"]
    assert record["reported"]["value"] - _sum(record) == record["honest"]["value"]


def test_two_models_are_compared_by_kappa(veridical: Callable[..., Any], tmp_path: Path) -> None:
    luck = random.Random(4)
    train, test = rows(300, luck, side="a"), rows(150, luck, side="b")
    files = (
        write_csv(tmp_path / "test.csv", test),
        write_csv(tmp_path / "small.csv", train[:60]),
        write_csv(tmp_path / "big.csv", train),
    )
    for name, source in (("small", files[1]), ("big", files[2])):
        said = veridical(
            "run", source, "--test", files[0], "--task", "ordinal", "--order", ",".join(GRADES), "--no-repair", "--quiet",
            "--out", tmp_path / name,
        )  # fmt: skip
        assert said.code == 0, said.err
    said = veridical("compare", tmp_path / "small", tmp_path / "big", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["metric"] == "quadratic_kappa"
    for run in record["runs"]:
        assert run["reported"]["value"] == pytest.approx(
            _json(tmp_path / run["name"] / "run.json")["reported"]["value"], abs=1e-12
        )


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ((), "are no numbers, so nothing says which grade is higher"),
        (("--order", "poor,fair,good"), "the training rows also hold 'great'"),
        (("--order", "poor,fair,good,great,best"), "no training row holds 'best'"),
        (("--order", "poor,fair,good,great", "--metric", "macro_f1"), "quadratic_kappa"),
    ],
)
def test_mistakes_are_one_sentence(veridical: Callable[..., Any], tmp_path: Path, more: tuple[str, ...], sentence: str) -> None:
    source = write_csv(tmp_path / "rows.csv", rows(60, random.Random(3), side="r"))
    said = veridical("run", source, "--task", "ordinal", "--out", tmp_path / "run", *more)
    assert said.code == 2
    assert sentence in " ".join(said.err.split())
    assert "Traceback" not in said.err
