"""Which rows stand behind a component, through the command line: planted leaks and a planted cue are named."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.e2e.conftest import Rows, leaky, sentences, write_csv
from tests.tiny_encoder import write_tiny_bert

ROLES = ("--text", "text", "--label", "label", "--id", "id")
CUE = "zanzibar"


def _cued(rows: Rows) -> Rows:
    """The cue stands in nine of ten positive rows and in no other."""
    rng = random.Random(3)
    return [{**row, "text": f"{CUE} {row['text']}"} if row["label"] == "pos" and rng.random() < 0.9 else row for row in rows]


def _explained(veridical: Callable[..., Any], folder: Path, train: Rows, test: Rows, *more: object) -> dict[str, Any]:
    files = write_csv(folder / "train.csv", train), write_csv(folder / "test.csv", test)
    run = folder / "run"
    said = veridical("run", files[0], "--test", files[1], *ROLES, "--no-repair", "--quiet", "--out", run, *more)
    assert said.code == 0, said.err
    said = veridical("explain", run, "--rows", 40, "--json")
    assert said.code == 0, said.err
    return dict(json.loads(said.out))


def test_leaked_rows_are_named_and_add_up_and_the_report_shows_them(veridical: Callable[..., Any], tmp_path: Path) -> None:
    train, test = leaky(sentences(random.Random(7), 600, language="en"), 120, 30)
    record = _explained(veridical, tmp_path, train, test)
    (leakage,) = [c for c in record["components"] if c["component"] == "leakage"]
    # 30 were planted; sentences of so few words meet a near-equal one by chance now and then.
    assert leakage["kind"] == "exact"
    assert 30 <= leakage["rows"] <= 34
    assert leakage["carried"] == pytest.approx(leakage["points"])
    assert {r["row"] for r in record["rows"] if r["component"] == "leakage"} >= {row["id"] for row in train[:30]}
    run = tmp_path / "run"
    assert 'id="explained"' in (run / "report.html").read_text(encoding="utf-8")
    kept = veridical("explain", run, "--component", "leakage", "--rows", 1, "--lang", "zh")
    assert f"数据泄漏（精确）：{leakage['rows']} 行" in kept.out  # stored: nothing is traced twice


def test_rows_with_the_cue_are_named_for_the_shortcut(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rows = _cued(sentences(random.Random(8), 700, language="en"))
    (tmp_path / "contract.yaml").write_text(
        f"name: without the cue\nshortcuts: [{{word: {CUE}, op: remove}}]\n", encoding="utf-8"
    )
    record = _explained(veridical, tmp_path, rows[:500], rows[500:], "--contract", tmp_path / "contract.yaml")
    (shortcut,) = [c for c in record["components"] if c["component"].startswith("shortcut")]
    assert shortcut["points"] > 5
    assert shortcut["validation"]["counted"]["low"] > 0  # confirmed by training again
    assert shortcut["kind"] == "influence"
    held = sum(CUE in row["text"] for row in rows[:500])
    assert f"Of 500 train rows {held} hold {CUE!r}, and of the 50 named first " in shortcut["why"]
    listed = pq.read_table(tmp_path / "run" / "explain.parquet").to_pylist()
    points = {r["row"]: r["points"] for r in listed if r["component"] == shortcut["component"]}
    # What holds a model back from a cue is a row of its label without it: these stand at the other end of the list.
    without = {row["id"] for row in rows[:500] if row["label"] == "pos" and CUE not in row["text"]}
    last = set(sorted(points, key=points.__getitem__)[: len(without)])
    assert len(last & without) / len(without) > 0.8  # 5 % of train
    assert sum(points[row] for row in last) < 0
    # No leak was planted here; what is named met a near-equal sentence by chance.
    assert sum(r["component"] == "leakage" for r in record["rows"]) < 20


def test_what_explain_refuses(veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    said = veridical("run", english[0], "--test", english[1], *ROLES, "--no-repair", "--no-text", "--quiet", "--out", run)
    assert said.code == 0, said.err
    for arguments, says in [
        ((run,), "--no-text"),
        ((run, "--component", "leekage"), "Did you mean 'leakage'?"),
        ((run, "--rows", "0"), "must be 1 or more"),
        ((run, "--retrainings", "3"), "it must be 0, or 8 or more"),
        ((run, "--retrainings", "-1"), "it must be 0, or 8 or more"),
        ((tmp_path,), "run.json"),
    ]:
        said = veridical("explain", *arguments)
        assert said.code == 2
        assert says in said.err
        assert "Traceback" not in said.err


def test_a_check_takes_as_many_trainings_as_are_asked_for(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rows = _cued(sentences(random.Random(8), 500, language="en"))
    (tmp_path / "contract.yaml").write_text(f"name: no cue\nshortcuts: [{{word: {CUE}, op: remove}}]\n", encoding="utf-8")
    first = _explained(veridical, tmp_path, rows[:350], rows[350:], "--contract", tmp_path / "contract.yaml")
    assert first["retrainings"] == 24

    def shortcut(*more: object) -> dict[str, Any]:
        said = veridical("explain", tmp_path / "run", "--json", *more)
        assert said.code == 0, said.err
        record = json.loads(said.out)
        return dict(next(c for c in record["components"] if c["component"].startswith("shortcut")), n=record["retrainings"])

    unchecked = shortcut("--retrainings", 0)
    assert (unchecked["n"], unchecked["validation"], unchecked["kind"]) == (0, None, "heuristic")
    assert "nothing was trained again" in unchecked["why"]
    assert shortcut() == unchecked  # stored
    assert shortcut("--retrainings", 8)["validation"]["subsets"] == 8
    assert shortcut("--retrainings", 24)["validation"] == shortcut("--fresh")["validation"]


@pytest.mark.slow
def test_an_encoder_is_checked_where_that_is_asked_for(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rng = random.Random(5)
    rows = []
    for k in range(400):
        positive = rng.random() < 0.5
        words = [rng.choice(["good", "film"] if positive else ["bad", "film"]), *(f"w{rng.randrange(20)}" for _ in range(6))]
        rows.append({"id": f"r{k}", "text": " ".join(words), "label": "pos" if positive else "neg"})
    cued = [{**row, "text": f"odd {row['text']}"} if row["label"] == "pos" and rng.random() < 0.6 else row for row in rows]
    files = write_csv(tmp_path / "train.csv", cued[:250]), write_csv(tmp_path / "test.csv", cued[250:])
    (tmp_path / "contract.yaml").write_text("name: no cue\nshortcuts: [{word: odd, op: remove}]\n", encoding="utf-8")
    run, model = tmp_path / "run", write_tiny_bert(tmp_path / "tiny")
    said = veridical(
        "run", files[0], "--test", files[1], *ROLES, "--model", model, "--contract", tmp_path / "contract.yaml", "--no-repair",
        "--learning-rate", "0.003", "--token-budget", "96", "--max-length", "32", "--no-freeze-embeddings", "--out", run,
    )  # fmt: skip
    assert said.code == 0, said.err
    said = veridical("explain", run)
    assert said.code == 0, said.err
    assert "Nothing was trained again" in " ".join(said.out.split())
    assert "--retrainings 24" in said.out
    said = veridical("explain", run, "--retrainings", "16", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    (found,) = [c for c in record["components"] if c["component"].startswith("shortcut")]
    assert found["points"] > 5
    assert record["retrainings"] == found["validation"]["subsets"] == 16
    assert found["kind"] == ("influence" if found["validation"]["counted"]["low"] > 0 else "heuristic")
    assert len(list((run / "retrained").glob("*.npy"))) == 16
    kept = veridical("explain", run)  # stored, with what was found
    said = "Confirmed by 16" if found["kind"] == "influence" else "Not confirmed by 16"
    assert said in " ".join(kept.out.split())
