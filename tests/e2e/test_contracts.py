"""Contracts through the command line: groups, edits and a target, and a review of them."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rows = sentences(random.Random(5), 500, language="en")
    for number, row in enumerate(rows):
        row["region"] = "north" if number % 3 else "south"
    return write_csv(tmp_path / "train.csv", rows[:320]), write_csv(tmp_path / "test.csv", rows[320:])


def _run(veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path, contract: str) -> Any:
    (tmp_path / "contract.yaml").write_text(contract, encoding="utf-8")
    train, test = files
    more = ("--group", "region", "--no-repair", "--contract", tmp_path / "contract.yaml", "--out", tmp_path / "run", "--json")
    return veridical("run", train, "--test", test, *ROLES, *more)


def test_a_contract_with_groups_and_a_target_adds_up_and_survives_a_review(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    target = write_csv(tmp_path / "target.csv", sentences(random.Random(6), 200, language="en"))
    said = _run(veridical, files, tmp_path, f"name: there\ngroups: {{north: 0.2, south: 0.8}}\ntarget: {target.name}\n")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    names = {c["name"]: c for c in record["components"]}
    assert {"groups", "shift", "concept"} <= set(names)
    lost = sum(c["points"]["value"] for c in names.values() if c["kind"] == "transfer" and c["points"])
    assert record["honest"]["value"] - lost / 100 == pytest.approx(record["contract"]["honest"]["value"], abs=1e-12)
    assert sum(record["variance"].values()) == pytest.approx(1.0)
    target.unlink()  # the tables hold all that a review needs
    assert veridical("review", tmp_path / "run", "--rows", "20", "--out", tmp_path / "sheet.csv").code == 0
    with (tmp_path / "sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        sheet = [{**row, "answer": row["label"]} for row in csv.DictReader(file)]
    write_csv(tmp_path / "answers.csv", sheet)
    assert veridical("review", tmp_path / "run", "--answers", tmp_path / "answers.csv", "--quiet").code == 0
    after = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert {"groups", "shift", "concept"} <= {c["name"] for c in after["components"]}


@pytest.mark.parametrize(
    ("contract", "words"),
    [
        ("name: x\ngroups: {east: 0.5, north: 0.5}\n", ("'east' a share", "north, south")),
        ("name: x\ngrups: {north: 1.0}\n", ("Did you mean 'groups'?",)),
        ("name: x\ntarget: nowhere.csv\n", ("does not exist",)),
    ],
)
def test_contracts_that_cannot_be_met_are_refused(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path, contract: str, words: tuple[str, ...]
) -> None:
    said = _run(veridical, files, tmp_path, contract)
    assert said.code == 2, said
    for word in words:
        assert word in said.err
    assert not (tmp_path / "run").exists()


def test_a_file_of_predictions_skips_what_needs_the_model(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    with files[1].open(encoding="utf-8", newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    lines = [json.dumps({"id": row, "label": "pos", "probabilities": {"pos": 0.6, "neg": 0.4}}) for row in ids]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    target = write_csv(tmp_path / "target.csv", sentences(random.Random(6), 200, language="en"))
    (tmp_path / "contract.yaml").write_text(
        "name: there\ngroups: {north: 0.5, south: 0.5}\nperturbations: {names: [keyboard]}\n"
        f"shortcuts: [{{word: lovely, op: transplant}}]\ntarget: {target.name}\n",
        encoding="utf-8",
    )
    more = ("--predictions", tmp_path / "p.jsonl", "--group", "region", "--no-repair", "--json", "--out", tmp_path / "run")
    said = veridical("run", files[0], "--test", files[1], *ROLES, "--contract", tmp_path / "contract.yaml", *more)
    assert said.code == 0, said.err
    assert {"shortcut", "fragility", "concept"} <= set(json.loads(said.out)["contract"]["unmeasured"])
    assert "without what could not be measured" in " ".join(veridical("show", tmp_path / "run").out.split())
    components = {c["name"]: c for c in json.loads(said.out)["components"]}
    for name in ("shortcut", "fragility", "concept"):  # labels of the target want answers of the model
        assert components[name]["status"] == "skipped"
        assert "only predictions are there" in components[name]["why"]
    assert components["groups"]["points"] is not None
    assert components["shift"]["points"] is not None


def test_a_contract_of_which_nothing_can_be_measured_has_no_score(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    with files[1].open(encoding="utf-8", newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    lines = [json.dumps({"id": row, "label": "pos", "probabilities": {"pos": 0.6, "neg": 0.4}}) for row in ids]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "contract.yaml").write_text("name: there\nshortcuts: [{word: lovely, op: transplant}]\n", encoding="utf-8")
    more = ("--predictions", tmp_path / "p.jsonl", "--no-repair", "--out", tmp_path / "run")
    said = veridical("run", files[0], "--test", files[1], *ROLES, "--contract", tmp_path / "contract.yaml", *more)
    assert said.code == 0, said.err
    assert "under the contract" not in said.out.lower()
    assert "only predictions are there" in " ".join(said.out.split())
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["contract"] is None


def test_without_a_test_set_no_model_that_saw_a_row_is_asked_about_it(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    """The groups' mix is weights alone and is measured; edits would be put to a model that has learned the rows."""
    (tmp_path / "contract.yaml").write_text(
        "name: there\ngroups: {north: 0.5, south: 0.5}\nperturbations: {names: [keyboard]}\n", encoding="utf-8"
    )
    more = ("--group", "region", "--no-repair", "--contract", tmp_path / "contract.yaml", "--out", tmp_path / "run", "--json")
    said = veridical("run", files[0], "--split", "folds", *ROLES, *more)
    assert said.code == 0, said.err
    record = json.loads(said.out)
    components = {c["name"]: c for c in record["components"]}
    assert components["groups"]["points"] is not None
    assert components["fragility"]["status"] == "skipped"
    assert record["contract"]["unmeasured"] == ["fragility"]
