"""Models someone already has."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from veridical.core.errors import InputError
from veridical.dataset.rows import SCHEMA, Dataset, Text
from veridical.models.callable_name import is_callable_name
from veridical.models.external import (
    ASKED_TWICE,
    AskedTwice,
    CallableModel,
    callable_model,
    probabilities_of,
    read_predictions,
)

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


@pytest.mark.parametrize("kind", [ValueError, KeyError, SystemExit, RecursionError])
def test_a_callable_that_raises_says_what_where_and_what_to_do(kind: type[BaseException]) -> None:
    def broken(texts: list[object]) -> list[dict[str, float]]:
        raise kind("boom\nand more")

    with pytest.raises(InputError) as caught:
        CallableModel("mm:h", broken, LABELS).predict(["a", "b"])  # type: ignore[arg-type]
    said = str(caught.value)
    assert said.startswith(f"mm:h raised {kind.__name__}: ")
    assert "and more" in said
    assert "on 2 texts (test_external.py line " in said
    assert "one dict per text" in said
    with pytest.raises(InputError, match="on 1 text "):
        CallableModel("mm:h", broken, LABELS).predict(["a"])  # type: ignore[arg-type]


def test_our_own_refusals_pass_through_a_callable() -> None:
    def refuses(texts: list[object]) -> list[dict[str, float]]:
        raise InputError("a sentence of ours")

    with pytest.raises(InputError, match=r"^a sentence of ours$"):
        CallableModel("mm:h", refuses, LABELS).predict(["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no licence.')\n", r"raised RuntimeError: no licence \(module_that_fails0.py line 1\)\. Correct it"),
        ("import sys\nsys.exit(3)\n", r"raised SystemExit: 3 \(module_that_fails1.py line 2\)"),
        ("x = 1\ndef f(:\n", r"raised SyntaxError: .*\(module_that_fails2.py line 2\)"),
        ("1 / 0\n", "raised ZeroDivisionError"),
    ],
)
def test_a_module_that_raises_on_import_is_refused(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    name = f"module_that_fails{request.node.callspec.indices['code']}"
    (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(InputError, match=said):
        callable_model(f"{name}:f", labels=LABELS)


def _answers(labels_at_call: list[list[int]]) -> CallableModel:
    """Answers call k with the codes of labels_at_call[k], in turn."""
    calls = iter(labels_at_call)

    def function(texts: list[object]) -> list[dict[str, float]]:
        return [{LABELS[code]: 1.0} for code in next(calls)[: len(texts)]]

    return CallableModel("m:f", function, LABELS)  # type: ignore[arg-type]


def test_the_share_of_changed_answers_is_counted() -> None:
    texts = [f"t{k}" for k in range(200)]
    first = [k % 2 for k in range(ASKED_TWICE)]
    second = [1 - code if k < 16 else code for k, code in enumerate(first)]
    assert _answers([first, second]).asked_twice(texts) == AskedTwice(ASKED_TWICE, 16)
    assert _answers([first, first]).asked_twice(texts) == AskedTwice(ASKED_TWICE, 0)
    assert _answers([[0], [1]]).asked_twice(["same"] * 9) == AskedTwice(1, 1)  # the same text is asked once
    assert _answers([]).asked_twice([]) == AskedTwice(0, 0)


def test_what_a_function_prints_stands_among_no_results(capsys: pytest.CaptureFixture[str]) -> None:
    def chatty(texts: list[Text]) -> list[dict[str, float]]:
        print("thinking")
        return [{"no": 1.0}] * len(texts)

    CallableModel("m:f", chatty, ("no", "yes")).predict(["a"])
    assert capsys.readouterr() == ("", "thinking\n")


def test_a_label_that_is_no_text_is_named_as_such() -> None:
    with pytest.raises(InputError, match=r"names the label 1 as a number; labels are texts\. Give '1'"):
        probabilities_of({1: 1.0}, labels=("0", "1"), where="The answer of m:f")


def test_names_of_callables() -> None:
    assert is_callable_name("pkg.module:function")
    assert not any(is_callable_name(name) for name in ("linear", "minilm", "org/name", "folder/model", "C:\\models", "a:b:c"))
