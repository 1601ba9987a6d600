"""New rows are read by the columns of training, or by those the user names; anything else is refused or said."""

import json
from pathlib import Path

import pytest

from veridical.core.errors import InputError
from veridical.models.linear import train_linear
from veridical.pipeline.predicting import predict

TEXTS = ["good soup", "bad soup", "good room", "bad room", "good day", "bad day"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    train_linear(TEXTS, [0, 1] * 3, labels=("pos", "neg")).save(folder)  # type: ignore[arg-type]
    _remember(folder, text="review", id="key")
    return folder


def _remember(folder: Path, **roles: str) -> None:
    (folder / "roles.json").write_text(json.dumps({"label": "mood", **roles}), encoding="utf-8")


def _file(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "new.csv"
    path.write_text(content, encoding="utf-8")
    return path


def _ids(out: Path) -> list[str]:
    return [json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()]


def test_the_columns_of_training_are_read(model: Path, tmp_path: Path) -> None:
    source, out = _file(tmp_path, "text,review,key\nx,good tea,7\ny,bad tea,8\nz,,9\n"), tmp_path / "p.jsonl"
    done = predict(model, source, out=out)
    assert (done.n_rows, done.n_aside, done.ids_made, done.warnings) == (2, 1, False, ())
    assert _ids(out) == ["7", "8"]


def test_another_text_column_is_never_read_unasked(model: Path, tmp_path: Path) -> None:
    source, out = _file(tmp_path, "text,comment\ngood tea,bad tea\n"), tmp_path / "p.jsonl"
    with pytest.raises(InputError) as caught:
        predict(model, source, out=out)
    said = str(caught.value)
    assert "no column 'review', which the model was trained to read as its text" in said
    assert "its columns: comment, text." in said
    assert "--text COLUMN" in said
    assert not out.exists()
    assert predict(model, source, out=out, text="comment").n_rows == 1


def test_a_missing_second_text_is_refused_too(model: Path, tmp_path: Path) -> None:
    _remember(model, text="review", second="answer")
    source = _file(tmp_path, "review,reply\ngood tea,yes\n")
    with pytest.raises(InputError, match=r"no column 'answer'.*as its second.*--second COLUMN"):
        predict(model, source, out=tmp_path / "p.jsonl")


def test_ids_that_were_made_up_or_guessed_are_said(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    assert predict(model, _file(tmp_path, "review\ngood tea\nbad tea\n"), out=out).ids_made
    assert _ids(out) == ["row-1", "row-2"]
    done = predict(model, _file(tmp_path, "review,id\ngood tea,a\n"), out=out)
    assert not done.ids_made
    assert any("Guessed" in sentence and "id = 'id'" in sentence for sentence in done.warnings)
    assert _ids(out) == ["a"]
