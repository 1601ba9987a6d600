"""Every verb on finished runs of ner, multilabel and qa: it works, or it says in one sentence why it does not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.tiny_encoder import write_tiny_bert
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

Said = Any
Verb = Callable[..., Said]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two linear runs each of ner and multilabel, the second on fewer rows; two of qa from files of answers. Of the ner test rows
    ten stand in train."""
    from veridical.cli import main

    place = tmp_path_factory.mktemp("structured")

    def run(out: str, *arguments: object) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["run", *map(str, arguments), "--no-repair", "--out", str(place / out), "--quiet"])
        assert not stopped.value.code, arguments

    train, test = ner_rows(120, seed=1), ner_rows(70, seed=2)
    leaked = [{**row, "id": f"copy-{row['id']}"} for row in train[:10]]
    files = [
        write(place / "ner.jsonl", train),
        write(place / "few.jsonl", train[:3]),
        write(place / "test.jsonl", test + leaked),
    ]
    ner = ("--task", "ner", "--test", files[2], "--id", "id", "--tokens", "tokens", "--tags", "ner_tags")
    run("ner", files[0], *ner)
    run("ner_few", files[1], *ner)
    sets = write(place / "sets.jsonl", set_rows(200, seed=3))
    multilabel = ("--task", "multilabel", "--text", "text", "--label", "labels", "--id", "id")
    run("sets", sets, *multilabel, "--seed", 0)
    run("sets_other", sets, *multilabel, "--seed", 0, "--countermeasures", "")
    rows = qa_rows(120, seed=4)
    questions = write(place / "qa.jsonl", rows)
    for name, every in (("qa", 1), ("qa_worse", 2)):
        said = [{"id": row["id"], "label": row["answers"][0]["text"] if at % every == 0 else "w0"} for at, row in enumerate(rows)]
        run(name, questions, "--task", "qa", "--id", "id", "--predictions", write(place / f"{name}.said", said))
    return place


def test_two_taggers_on_the_same_rows_are_told_apart_in_the_declared_metric(veridical: Verb, made: Path) -> None:
    said = veridical("compare", made / "ner", made / "ner_few", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    (pair,) = record["pairs"]
    assert (record["metric"], record["n"], record["stability"]) == ("entity_f1", 80, None)
    assert pair["reported"]["told"]
    assert pair["reported"]["points"]["value"] < 0
    own = [json.loads((made / name / "run.json").read_text())["reported"]["value"] for name in ("ner", "ner_few")]
    assert [run["reported"]["value"] for run in record["runs"]] == pytest.approx(own)
    assert record["runs"][0]["leaked"] >= 10
    assert "ner is better than ner_few" in veridical("compare", made / "ner", made / "ner_few").out


def test_answers_of_files_are_compared_by_their_f1(veridical: Verb, made: Path) -> None:
    said = veridical("compare", made / "qa", made / "qa_worse", "--json")
    assert said.code == 0, said.err
    (pair,) = json.loads(said.out)["pairs"]
    assert pair["reported"]["told"]
    assert pair["discordance"]["second_only"] == 0


def test_equal_runs_do_not_differ_and_tasks_are_not_mixed(veridical: Verb, made: Path) -> None:
    same = json.loads(veridical("compare", made / "sets", made / "sets_other", "--json").out)
    assert same["pairs"][0]["reported"]["points"]["value"] == 0
    assert not same["pairs"][0]["reported"]["told"]
    mixed = veridical("compare", made / "ner", made / "sets")
    assert mixed.code == 2
    assert "Compare runs of one task" in mixed.err
    other = veridical("compare", made / "ner", made / "ner_few", "--metric", "token_accuracy")
    assert other.code == 0
    assert "token accuracy" in other.out


def test_explain_names_the_train_rows_that_leaked(veridical: Verb, made: Path) -> None:
    said = veridical("explain", made / "ner")
    assert said.code == 0, said.err
    table = pq.read_table(made / "ner" / "explain.parquet").to_pylist()
    leaked = {row["row"] for row in table if row["component"] == "leakage"}
    assert leaked >= {f"1-{number}" for number in range(10)}
    points = next(
        c["points"]["value"] for c in json.loads((made / "ner" / "run.json").read_text())["components"] if c["name"] == "leakage"
    )
    assert sum(row["points"] for row in table if row["component"] == "leakage") == pytest.approx(points)
    assert any("[LOC]" in row["label"] for row in table)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("restore", "{}", "--out", "{}/again.csv"), "there is nothing to restore"),
        (("probe", "{}", "--contrast", "{}/data.parquet"), "Probe it without --contrast"),
        (("probe", "{}", "--kinds", "beam"), "Probe it without --kinds"),
        (("verify", "{}/certificate.json"), "a run that tried repairs"),
    ],
)
def test_what_needs_one_label_is_refused_in_one_sentence(
    veridical: Verb, made: Path, arguments: tuple[str, ...], says: str
) -> None:
    for name in ("ner", "sets", "qa"):
        said = veridical(*(argument.format(made / name) for argument in arguments))
        assert (said.code, says in said.err, "Traceback" in said.err) == (2, True, False), said.err


def test_show_and_report_speak_of_the_task(veridical: Verb, made: Path) -> None:
    for name, word in (("ner", "entity F1"), ("sets", "micro F1"), ("qa", "F1")):
        assert word in veridical("show", made / name).out
        assert veridical("report", made / name).code == 0
    assert "真实" in veridical("show", made / "ner", "--lang", "zh").out


def test_findings_show_entities_and_escape_what_the_data_hold(veridical: Verb, tmp_path: Path) -> None:
    rows = ner_rows(60, seed=5)
    bad = {"tokens": ["<script>alert(1)</script>", "the", "<b>"], "ner_tags": ["O", "O", "B-LOC"]}
    rows += [{**bad, "id": "x1"}, {**bad, "id": "x2"}]
    run = ("--task", "ner", "--id", "id", "--no-repair", "--quiet", "--out", tmp_path / "run")
    assert veridical("run", write(tmp_path / "rows.jsonl", rows), *run).code == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "&lt;b&gt; [LOC]" in page


def test_predict_keeps_ids_and_notation(veridical: Verb, made: Path, tmp_path: Path) -> None:
    rows = [{"id": row["id"], "tokens": row["tokens"] * 60} for row in ner_rows(3, seed=6)]
    out = tmp_path / "said.jsonl"
    assert veridical("predict", made / "ner" / "model", write(tmp_path / "new.jsonl", rows), "--out", out).code == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == [row["id"] for row in rows]
    assert [len(line["label"]) for line in lines] == [len(row["tokens"]) for row in rows]
    assert {"B-LOC", "O"} <= {tag for line in lines for tag in line["label"]}


def test_audit_takes_the_columns_of_the_task(veridical: Verb, made: Path, tmp_path: Path) -> None:
    said = veridical(
        "audit", made / "ner.jsonl", "--task", "ner", "--tokens", "tokens", "--tags", "ner_tags", "--out", tmp_path / "a"
    )
    assert said.code == 0, said.err
    assert "do not have one label each" in " ".join(said.out.split())


def test_probes_look_or_say_why_not(veridical: Verb, made: Path) -> None:
    for name, looked in (("ner", {"calibration", "robustness"}), ("sets", {"calibration", "robustness"}), ("qa", set())):
        only = ("--only", "calibration,robustness,forgetting", "--budget", "quick")
        said = veridical("probe", made / name, *only)
        assert said.code == 0, said.err
        outcomes = {p["probe"]: p for p in json.loads((made / name / "probes.json").read_text(encoding="utf-8"))["probes"]}
        assert {probe for probe, p in outcomes.items() if p["status"] != "skipped"} == looked - _too_small(outcomes)
        assert all(p["why"] for p in outcomes.values() if p["status"] == "skipped")
        assert "more than one label" in outcomes["forgetting"]["why"]
    assert "更" not in veridical("probe", made / "ner", "--only", "calibration", "--budget", "quick", "--lang", "en").out
    assert "校准" in veridical("probe", made / "ner", "--only", "calibration", "--budget", "quick", "--lang", "zh").out


def _too_small(outcomes: dict[str, Any]) -> set[str]:
    return {name for name, p in outcomes.items() if "Give more test rows" in p["why"]}


def _calibration(run: Path) -> Any:
    probes = json.loads((run / "probes.json").read_text(encoding="utf-8"))["probes"]
    return next(probe for probe in probes if probe["probe"] == "calibration")


@pytest.mark.parametrize("task", ["ner", "qa"])
def test_the_confidence_that_predict_writes_is_that_of_the_model(veridical: Verb, tmp_path: Path, task: str) -> None:
    rows = {"ner": ner_rows, "qa": qa_rows}[task]
    train, test = write(tmp_path / "train.jsonl", rows(60, seed=1)), write(tmp_path / "test.jsonl", rows(90, seed=2))
    model = ("--model", write_tiny_bert(tmp_path / "bert"), "--epochs", 1, "--max-length", 64) if task == "qa" else ()
    given = (train, "--test", test, "--task", task, "--id", "id", "--no-repair", "--probes", "none", "--quiet")
    whole, said, silent = tmp_path / "whole", tmp_path / "said.jsonl", tmp_path / "silent.jsonl"
    assert veridical("run", *given, *model, "--out", whole).code == 0
    assert veridical("predict", whole / "model", test, "--out", said, "--quiet").code == 0
    lines = [json.loads(line) for line in said.read_text(encoding="utf-8").splitlines()]
    write(silent, [{"id": line["id"], "label": line["label"]} for line in lines])
    for out, file in (("file", said), ("without", silent)):
        assert veridical("run", *given, "--predictions", file, "--out", tmp_path / out).code == 0
    for run in (whole, tmp_path / "file", tmp_path / "without"):
        assert veridical("probe", run, "--only", "calibration", "--quiet").code == 0
    asked, read = _calibration(whole), _calibration(tmp_path / "file")
    assert asked["status"] == read["status"] == "found"
    assert len(asked["measures"]) == len(read["measures"])
    for one, other in zip(asked["measures"], read["measures"], strict=True):
        assert one["estimate"] == pytest.approx(other["estimate"], abs=1e-6)
    assert "hold no confidence" in _calibration(tmp_path / "without")["why"]


@pytest.mark.parametrize(
    ("confidence", "sentence"),
    [(1.2, "the confidence is 1.2"), ("high", "the confidence is 'high'"), (True, "the confidence is True")],
)
def test_a_confidence_is_a_number_from_0_to_1(
    veridical: Verb, made: Path, tmp_path: Path, confidence: object, sentence: str
) -> None:
    rows = ner_rows(80, seed=2)
    lines = [{"id": row["id"], "label": row["ner_tags"], "confidence": 0.5} for row in rows]
    lines[3]["confidence"] = confidence
    given = (made / "ner.jsonl", "--test", write(tmp_path / "test.jsonl", rows), "--task", "ner", "--id", "id", "--no-repair")
    file = write(tmp_path / "said.jsonl", lines)
    said = veridical("run", *given, "--predictions", file, "--out", tmp_path / "run", "--quiet")
    assert said.code == 2
    assert f"{file}, line 4: {sentence}; it must be a number from 0 to 1." in " ".join(said.err.split())
    write(file, [*lines[:3], {key: value for key, value in lines[3].items() if key != "confidence"}, *lines[4:]])
    said = veridical("run", *given, "--predictions", file, "--out", tmp_path / "run", "--quiet")
    assert said.code == 2
    assert f"lacks the confidence of 1 of the test rows, first '{rows[3]['id']}'" in " ".join(said.err.split())
