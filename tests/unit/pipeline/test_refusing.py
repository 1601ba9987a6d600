"""What is refused before any row is read for good: nobody waits through an audit for it."""

import json
import shutil
from pathlib import Path

import pytest

from veridical.core.errors import InputError
from veridical.pipeline.config import RunConfig
from veridical.pipeline.refusing import refuse_unfit


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\ngood film,pos\nbad film,neg\n", encoding="utf-8")
    return path


def test_weights_that_are_no_encoder(rows: Path, tiny_bert: str, tmp_path: Path) -> None:
    refuse_unfit(rows, RunConfig(model=tiny_bert))
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "t5"))
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "vocab_size": 100, "d_model": 8}), encoding="utf-8")
    with pytest.raises(InputError, match="is not a plain encoder"):
        refuse_unfit(rows, RunConfig(model=str(folder)))


@pytest.mark.parametrize(("task", "metric"), [("classification", "accuracy"), ("ner", "entity_f1")])
def test_what_sees_one_process_alone(
    task: str,
    metric: str,
    rows: Path,
    tiny_bert: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, number in (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, number)
    with pytest.raises(InputError, match="r_drop works in one process so far, and there are 2"):
        refuse_unfit(rows, RunConfig(task=task, metric=metric, model=tiny_bert, countermeasures=("r_drop",)))
    refuse_unfit(rows, RunConfig(task=task, metric=metric, model=tiny_bert, countermeasures=("l2_sp",)))
