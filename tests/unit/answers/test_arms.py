"""Arms of the repair stage: a linear model, or a whole training of an encoder. None sees an answer of a row it is not given."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

from tiny_encoder import TINY
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.pipeline.answer_arms import answer_fit, train_answers_again
from veridical.pipeline.config import RunConfig
from veridical.pipeline.predicting import predict

ROWS = {"ner": ner_rows, "multilabel": set_rows, "qa": qa_rows}
SHORT = replace(TINY, token_budget=256, max_length=64, epochs=1)


@pytest.mark.parametrize(
    ("task", "kind"),
    [("ner", "linear"), ("multilabel", "linear"), ("ner", "encoder"), ("multilabel", "encoder"), ("qa", "encoder")],
)
def test_an_arm_depends_on_the_answers_it_is_given_alone(task: str, kind: str, tiny_bert: str, tmp_path: Path) -> None:
    found = get("veridical.tasks", "task", task)
    data = load(write(tmp_path / "rows.jsonl", ROWS[task](60, seed=3)), task=task, shape=found.structure.shape, split="random")
    rows = data.rows("train")[:30]
    config = RunConfig(task=task, model="linear" if kind == "linear" else tiny_bert, metric=found.declared, training=SHORT)
    given = np.array(data.answers, dtype=object)
    silent = data.with_column("label", [answer if row in set(rows.tolist()) else None for row, answer in enumerate(data.answers)])
    clusters = np.arange(len(data))
    said = [
        answer_fit(tmp_path / name, each, clusters, kind=kind, settings=SHORT, config=config)(rows, given[rows], None, 0)(
            clusters
        )
        for name, each in (("whole", data), ("silent", silent))
    ]
    assert said[0].shape == (len(data),)
    assert said[0].dtype == object
    assert said[0].tolist() == said[1].tolist()


def test_the_repaired_model_answers_in_the_notation_of_the_files(tmp_path: Path) -> None:
    shape = get("veridical.tasks", "task", "ner").structure.shape
    rows = [{**row, "ner_tags": [tag.replace("B-", "I-") for tag in row["ner_tags"]]} for row in ner_rows(60, seed=3)]  # type: ignore[attr-defined]
    path = write(tmp_path / "rows.jsonl", rows)
    data = load(path, task="ner", shape=shape, split="random")
    config = RunConfig(task="ner", metric="entity_f1")
    train_answers_again(
        tmp_path, data, countermeasures=(), clusters=np.arange(len(data)), config=config, progress=lambda *_: None
    )
    out = tmp_path / "said.jsonl"
    predict(tmp_path / "model_repaired", path, out=out)
    assert '"I-' in out.read_text(encoding="utf-8")
    assert '"B-' not in out.read_text(encoding="utf-8")
