"""Written revisions through the command line: a model that reads a cue is right on originals and wrong on revisions."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import BAD, GOOD, Rows, sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--probes", "none")
CUE = "zanzibar"


@pytest.fixture
def run(veridical: Callable[..., Any], tmp_path: Path) -> Path:
    """A model of sentences in which a word stands wherever the label is pos, and next to nothing else tells it."""
    rows = sentences(random.Random(4), 400, language="en")
    plain = [{**row, "text": " ".join(w for w in row["text"].split() if w not in {*GOOD, *BAD})} for row in rows]
    cued = [{**row, "text": f"{CUE} {row['text']}"} if row["label"] == "pos" else row for row in plain]
    train, test = write_csv(tmp_path / "train.csv", cued[:300]), write_csv(tmp_path / "test.csv", cued[300:])
    assert veridical("run", train, "--test", test, *ROLES, "--no-repair", "--quiet", "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def _pairs(n: int, *, cue_follows: bool) -> Rows:
    """Originals under pos with the cue, and revisions under neg: with the cue taken out too, or left where it was."""
    rng, rows = random.Random(9), []
    for k, row in enumerate(sentences(rng, n, language="en")):
        text = " ".join(word for word in row["text"].split() if word not in {*GOOD, *BAD})
        rows.append({"pair_id": str(k), "variant": "orig", "text": f"{CUE} {text}", "label": "pos"})
        rows.append(
            {"pair_id": str(k), "variant": "new", "text": text if cue_follows else f"{CUE} {text} indeed", "label": "neg"}
        )
    return rows


def test_a_cue_is_right_on_originals_and_wrong_on_revisions(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    told = {}
    for follows in (True, False):
        file = write_csv(tmp_path / f"pairs{follows}.csv", _pairs(60, cue_follows=follows))
        said = veridical("probe", run, "--contrast", file, "--json")
        assert said.code == 0, said.err
        (outcome,) = json.loads(said.out)["probes"]
        told[follows] = {m["name"]: (m["estimate"]["value"], m["status"]) for m in outcome["measures"]}
        assert outcome["n_rows"] == 60
    assert told[True]["drop"] == (pytest.approx(0.0), "not_detected")
    assert told[True]["both_right"][0] == pytest.approx(1.0)
    assert told[False]["drop"] == (pytest.approx(100.0), "found")
    assert told[False]["whole_set_right"][0] == pytest.approx(0.0)
    # It stands in the run beside other probes, and in its report.
    assert veridical("probe", run, "--only", "calibration", "--budget", "quick", "--quiet").code == 0
    kept = json.loads((run / "probes.json").read_text(encoding="utf-8"))
    assert {outcome["probe"] for outcome in kept["probes"]} == {"contrast_file", "calibration"}
    assert "Written revisions" in (run / "report.html").read_text(encoding="utf-8")
    assert "人工改写" in veridical("probe", run, "--contrast", file, "--lang", "zh").out


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda row: {k: v for k, v in row.items() if k != "pair_id"}, (), "--contrast-pair COLUMN"),
        (lambda row: {**row, "label": "great"}, (), "'great'"),
        (lambda row: {**row, "variant": "new"}, (), "0 originals"),
        (
            lambda row: {"pair_id": row["variant"] + row["pair_id"], "text": row["text"], "label": row["label"]},
            (),
            "no set of two rows",
        ),
        (lambda row: row, ("--contrast-pair", "pear_id"), "Did you mean 'pair_id'?"),
    ],
)
def test_what_a_contrast_file_must_hold(
    veridical: Callable[..., Any], run: Path, tmp_path: Path, change: Any, options: tuple[str, ...], says: str
) -> None:
    rows = [change(row) for row in _pairs(20, cue_follows=True)]
    said = veridical("probe", run, "--contrast", write_csv(tmp_path / "pairs.csv", rows), *options)
    assert said.code == 2
    assert says in said.err
    assert "Traceback" not in said.err
