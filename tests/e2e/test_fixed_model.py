"""Repairs of a model that veridical did not train: only those of the test set can be tested, on half of its unleaked rows."""

import csv
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import leaky, sentences, write_csv

from veridical.core.run_record import Arm, read

ROLES = ("--text", "text", "--label", "label", "--id", "id")
BY_HEART = """
import csv
from pathlib import Path

with Path(__file__).with_name("train.csv").open(encoding="utf-8", newline="") as file:
    KNOWN = {row["text"]: row["label"] for row in csv.DictReader(file)}
GOOD = {"great", "lovely", "wonderful"}


def score(texts):
    found = []
    for text in texts:
        said = KNOWN.get(text) or ("pos" if GOOD & set(text.split()) else "neg")
        found.append({"pos": 0.9 if said == "pos" else 0.1, "neg": 0.1 if said == "pos" else 0.9})
    return found
"""


def _arms(veridical: Callable[..., Any], folder: Path, *, n_leaked: int) -> dict[str, Arm]:
    train, test = leaky(sentences(random.Random(7), 1700, language="en"), 1000, n_leaked)
    files = write_csv(folder / "train.csv", train), write_csv(folder / "test.csv", test)
    said = veridical("run", files[0], "--test", files[1], *ROLES, "--model", "by_heart:score", "--out", folder / "run", "--quiet")
    assert said.code == 0, said.err
    record = read(folder / "run").repair
    assert record is not None
    return {arm.repair: arm for arm in record.arms}


@pytest.fixture
def by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "by_heart.py").write_text(BY_HEART, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "by_heart", raising=False)


@pytest.mark.usefixtures("by_heart")
def test_leaked_test_rows_of_a_model_that_learned_them_are_moved_away(veridical: Callable[..., Any], tmp_path: Path) -> None:
    arms = _arms(veridical, tmp_path, n_leaked=200)
    together = arms["keep_clusters_together"]
    assert together.outcome == "accepted", together.why
    assert together.after is not None
    assert together.after.n >= 300  # half of the unleaked test rows
    for name in ("drop_leaks", "relabel_label_errors"):
        assert arms[name].outcome == "skipped"
        assert "cannot be trained again" in arms[name].why or "nothing to change" in arms[name].why
    assert "cannot be trained again" in arms["drop_leaks"].why
    run = tmp_path / "run"
    with (run / "edits.parquet").open("rb"):
        pass
    assert not (run / "model_repaired").exists()
    said = veridical("verify", run / "certificate.json", "--rerun")
    assert said.code == 0, said.out + said.err
    restored = tmp_path / "restored.csv"
    assert veridical("restore", run, "--out", restored).code == 0
    with restored.open(encoding="utf-8-sig", newline="") as file:
        assert sum(row["split"] == "test" for row in csv.DictReader(file)) == 1000
    moved = json.loads((run / "run.json").read_text(encoding="utf-8"))["repair"]["n_edits"]
    assert moved >= 200


@pytest.mark.usefixtures("by_heart")
def test_nothing_is_accepted_where_nothing_leaked(veridical: Callable[..., Any], tmp_path: Path) -> None:
    assert all(arm.outcome in ("skipped", "harmless") for arm in _arms(veridical, tmp_path, n_leaked=0).values())
