"""Models someone already has."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from veridical.core.errors import InputError
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.models.external import CallableModel, callable_model, is_callable_name, read_predictions

LABELS = ("no", "yes")


def _data() -> Dataset:
    rows = [
        {"id": f"{split}{k}", "split": split, "text": f"t{k}", "label": LABELS[k % 2]}
        for split in ("train", "test")
        for k in range(3)
    ]
    aside = pa.table({name: pa.array(["aside"], pa.string()) for name in (*SCHEMA.names, "reason")})
    return Dataset("classification", pa.Table.from_pylist(rows, schema=SCHEMA), LABELS, aside)


def _line(row: str, yes: float = 0.75, **changes: object) -> dict[str, object]:
    return {"id": row, "label": "yes" if yes > 0.5 else "no", "probabilities": {"yes": yes, "no": 1 - yes}, **changes}


def _file(tmp_path: Path, lines: list[dict[str, object]]) -> Path:
    path = tmp_path / "predictions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


def test_predictions_are_read_by_id_and_absent_train_rows_are_nan(tmp_path: Path) -> None:
    lines = [_line("test2", 0.1), _line("test0"), _line("test1"), _line("train1", 1.0), _line("aside")]
    found = read_predictions(_file(tmp_path, lines), data=_data())
    assert np.isnan(found[[0, 2]]).all()
    np.testing.assert_allclose(found[[1, 3, 5]], [[0, 1], [0.25, 0.75], [0.9, 0.1]])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([_line("test0")], r"2 test rows are missing \(for example 'test1'\)"),
        ([_line(f"test{k}") for k in range(3)] + [_line("x"), _line("y")], r"2 ids are not in the data \(for example 'x'\)"),
        ([_line("test0"), _line("test0")], "a second time"),
        ([_line("test0", probabilities={"yes": float("nan"), "no": 0.0})], "nan for label 'yes'"),
        ([_line("test0", probabilities={"yes": -0.5, "no": 1.5})], "-0.5 for label 'yes'"),
        ([_line("test0", probabilities={"ja": 1.0})], "names the label 'ja'.*no, yes"),
        ([_line("test0", probabilities={"yes": 0.5})], "sum to 0.500"),
        ([_line("test0", probabilities=[0.5, 0.5])], "label: probability pairs"),
        ([_line("test0", label="no")], "predicts 'no', but"),
        ([{"id": "test0"}], "no probabilities"),
    ],
)
def test_predictions_that_cannot_be_used_are_refused(tmp_path: Path, lines: list[dict[str, object]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_predictions(_file(tmp_path, lines), data=_data())


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps(_line("test0")) + "\n{oops\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2 is not JSON"):
        read_predictions(path, data=_data())


def test_a_text_may_hold_a_line_separator(tmp_path: Path) -> None:
    lines = [json.dumps(_line(f"test{k}", note="a\u2028b"), ensure_ascii=False) for k in range(3)]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert not np.isnan(read_predictions(tmp_path / "p.jsonl", data=_data())[3:]).any()


def test_a_callable_is_found_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "def score(texts):\n    yes = [1.0 if 'good' in t else 0.25 for t in texts]\n"
    code += "    return [{'yes': p, 'no': 1 - p} for p in yes]\n"
    (tmp_path / "a_model_of_mine.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    model = callable_model("a_model_of_mine:score", labels=LABELS)
    np.testing.assert_allclose(model.predict(["good", "bad"] * 200)[:2], [[0, 1], [0.75, 0.25]])
    with pytest.raises(InputError, match="has no function 'other'"):
        callable_model("a_model_of_mine:other", labels=LABELS)
    with pytest.raises(InputError, match="cannot be imported"):
        callable_model("no_such_module_here:score", labels=LABELS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([{"yes": 1.0}], "got 2 texts and gave 1"),
        (None, "gave NoneType"),
        ([{"yes": 1.0}, {"maybe": 1.0}], "names the label 'maybe'"),
        ([{"yes": 1.0}, {"yes": float("inf")}], "inf for label"),
    ],
)
def test_a_callable_that_answers_wrongly_is_refused(answer: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        CallableModel("m:f", lambda texts: answer, LABELS).predict(["a", "b"])  # type: ignore[arg-type,return-value]


def test_names_of_callables() -> None:
    assert is_callable_name("pkg.module:function")
    assert not any(is_callable_name(name) for name in ("linear", "minilm", "org/name", "folder/model", "C:\\models", "a:b:c"))
