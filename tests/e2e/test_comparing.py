"""veridical run twice, veridical compare once: looks are counted, the sentence is said, bad input ends in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROLES = ("--text", "text", "--label", "label", "--id", "id")


@pytest.fixture
def runs(veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    """A run of the linear model, and one of a file of predictions that agrees with it but for some rows."""
    train, test = english
    first, second = tmp_path / "runs" / "linear", tmp_path / "runs" / "theirs"
    plain = ("run", train, "--test", test, *ROLES, "--no-repair", "--quiet")
    assert veridical(*plain, "--out", first).code == 0
    lines = []
    for at, row in enumerate(test.read_text(encoding="utf-8").splitlines()[1:]):
        name = row.split(",")[0]
        label = ("pos", "neg")[at % 2]
        lines.append(json.dumps({"id": name, "label": label, "probabilities": {label: 1.0}}))
    given = tmp_path / "predictions.jsonl"
    given.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = veridical(*plain, "--predictions", given, "--out", second)
    assert said.code == 0, said.err
    return [first, second]


def test_two_runs_compared(veridical: Callable[..., Any], runs: list[Path], tmp_path: Path) -> None:
    log = [json.loads(line) for line in (tmp_path / "runs" / "looks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["folder"] for line in log] == ["linear", "theirs"]
    assert log[0]["test"] == log[1]["test"]
    records = [json.loads((run / "run.json").read_text(encoding="utf-8")) for run in runs]
    assert [record["earlier_looks"] for record in records] == [0, 1]
    assert [line["reported"] for line in log] == [record["reported"]["value"] for record in records]
    assert records[0]["fingerprints"]["test"] == log[0]["test"]
    before = {path: path.read_bytes() for run in runs for path in run.rglob("*") if path.is_file()}
    said = veridical("compare", *reversed(runs), "--margin", "2", "--out", tmp_path / "out.html")
    assert said.code == 0, said.err
    assert "linear is better than theirs by" in said.out.replace("\n", " ")
    assert "With 2 looks at this test set" in said.out.replace("\n", " ")
    assert (tmp_path / "out.html").is_file()
    chinese = veridical("compare", *runs, "--lang", "zh")
    assert "按真实口径，linear 比 theirs 高" in chinese.out.replace("\n", "")
    machine = veridical("compare", *runs, "--json")
    record = json.loads(machine.out)
    assert record["format"] == 1
    assert record["pairs"][0]["honest"]["points"]["value"] < 0
    assert veridical("compare", *runs, "--quiet").out == ""
    assert before == {path: path.read_bytes() for run in runs for path in run.rglob("*") if path.is_file()}
    again = veridical("show", runs[1])
    assert "Earlier runs that scored this test set: 1" in again.out.replace("\n  ", " ")


def test_what_is_refused(veridical: Callable[..., Any], runs: list[Path], tmp_path: Path) -> None:
    for arguments, words in (
        ((runs[0],), "at least two runs"),
        ((runs[0], runs[0]), "named twice"),
        ((runs[0], tmp_path), "no run.json"),
        ((*runs, "--metric", "acuracy"), "Did you mean 'accuracy'"),
        ((*runs, "--lang", "fr"), "language 'fr'"),
        ((*runs, "--out", tmp_path / "x.txt"), ".json, .md or .html"),
        ((*runs, "--margin", "0"), "--margin is 0"),
    ):
        said = veridical("compare", *arguments)
        assert said.code == 2, said
        assert words in said.err
        assert said.out == ""
        assert "Traceback" not in said.err
    assert not (tmp_path / "x.txt").exists()
