"""veridical tune on tasks whose answers are more than one label."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.answers.made_up import ner_rows, write

sys.path.append(str(Path(__file__).parents[1]))

from tiny_encoder import write_tiny_bert

pytest.importorskip("torch")


def test_two_ways_to_tune_a_tagger_side_by_side(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rows, bert = write(tmp_path / "rows.jsonl", ner_rows(240, seed=1)), write_tiny_bert(tmp_path / "bert")
    quick = ("--epochs", 3, "--learning-rate", 0.003, "--dtype", "float32", "--attention", "eager", "--max-length", 64)
    task = ("--task", "ner", "--tokens", "tokens", "--tags", "ner_tags", "--id", "id", "--model", bert, *quick)
    said = veridical("tune", rows, *task, "--methods", "full,bitfit", "--out", tmp_path / "tuned")
    assert said.code == 0, said.err
    assert "entity F1" in said.out
    record = json.loads((tmp_path / "tuned" / "tuning.json").read_text(encoding="utf-8"))
    full, bitfit = record["methods"]
    assert (record["metric"], full["drift"], bitfit["drift"]) == ("entity_f1", None, None)
    assert full["n_trained"] > bitfit["n_trained"] > 0
    assert full["score"]["value"] >= bitfit["score"]["value"]
    assert bitfit["difference"]["value"] == pytest.approx(100 * (bitfit["score"]["value"] - full["score"]["value"]))
    refused = veridical("tune", rows, *task, "--methods", "full,head")
    assert refused.code == 2
    assert "--tuning head solves for one label a row" in refused.err
