"""Rows whose answers are more than one label are read from every format, in any notation, or refused in one sentence."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, set_rows, write

from veridical.core.errors import InputError
from veridical.core.plugins import get
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset
from veridical.dataset.storage import read, save
from veridical.tasks._tags import convert


def _load(path: Path, task: str, **options: object) -> Dataset:
    shape = get("veridical.tasks", "task", task).structure.shape
    return load(path, task=task, shape=shape, split="random", **options)  # type: ignore[arg-type]


def test_tokens_and_tags_are_the_same_from_json_parquet_and_csv(tmp_path: Path) -> None:
    rows = ner_rows(30, seed=1)
    lines = _load(write(tmp_path / "a.jsonl", rows), "ner")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with (tmp_path / "a.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "tokens", "ner_tags"])
        out.writerows([row["id"], " ".join(row["tokens"]), " ".join(row["ner_tags"])] for row in rows)  # type: ignore[arg-type]
    for name in ("a.parquet", "a.csv"):
        other = _load(tmp_path / name, "ner")
        assert (other.ids, other.texts, other.answers, other.labels) == (lines.ids, lines.texts, lines.answers, ("LOC", "WORK"))


def test_class_labels_of_the_datasets_library_become_their_names(tmp_path: Path) -> None:
    names = ["O", "B-X", "I-X"]
    table = pa.table({"tokens": [["a", "b", "c"], ["d"]] * 5, "ner_tags": [[1, 2, 0], [0]] * 5})
    about = {"info": {"features": {"ner_tags": {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(about)}), tmp_path / "a.parquet")
    assert set(_load(tmp_path / "a.parquet", "ner").answers) == {"B-X I-X O", "O"}


@pytest.mark.parametrize("scheme", ["iob1", "bioes", "bilou"])
def test_every_scheme_is_stored_as_iob2(tmp_path: Path, scheme: str) -> None:
    rows = ner_rows(30, seed=1)
    given = [{**row, "ner_tags": convert(row["ner_tags"], source="iob2", target=scheme)} for row in rows]  # type: ignore[arg-type]
    data = _load(write(tmp_path / "a.jsonl", given), "ner")
    assert data.answers == _load(write(tmp_path / "b.jsonl", rows), "ner").answers
    assert data.notation == scheme
    save(data, tmp_path / "data.parquet")
    assert read(tmp_path / "data.parquet").notation == scheme


def test_tags_of_another_scheme_than_declared_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"tokens": ["a", "b"], "tags": ["S-X", "O"]}] * 4)
    with pytest.raises(InputError, match=r"row 1: tag 1 is 'S-X', and iob2 knows .* declared as iob2.*--tag-scheme"):
        _load(path, "ner", notation="iob2")


def test_tokens_and_tags_of_different_length_are_set_aside_and_said(tmp_path: Path) -> None:
    rows = [*ner_rows(20, seed=1), {"id": "odd", "tokens": ["a", "b"], "ner_tags": ["O"]}]
    data = _load(write(tmp_path / "a.jsonl", rows), "ner")
    assert data.set_aside.select(["id", "reason"]).to_pylist() == [{"id": "odd", "reason": "tokens and tags of different length"}]
    with pytest.raises(InputError, match="tokens and tags of different length: 3"):
        _load(write(tmp_path / "b.jsonl", [{"tokens": ["a", "b"], "tags": ["O"]}] * 3), "ner")


def test_rows_without_an_entity_anywhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="every tag is O"):
        _load(write(tmp_path / "a.jsonl", [{"tokens": ["a", f"b{i}"], "tags": ["O", "O"]} for i in range(9)]), "ner")


def test_a_missing_column_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Choose with --tags COLUMN"):
        _load(write(tmp_path / "a.jsonl", [{"tokens": ["a"], "x": ["O"]}] * 3), "ner")


def test_label_sets_are_lists_or_texts_with_bars_between(tmp_path: Path) -> None:
    rows = set_rows(30, seed=1)
    lines = _load(write(tmp_path / "a.jsonl", rows), "multilabel")
    bars = [{**row, "labels": "|".join(row["labels"])} for row in rows]  # type: ignore[arg-type]
    assert _load(write(tmp_path / "b.jsonl", bars), "multilabel").answers == lines.answers
    assert lines.labels == ("BAD", "GOOD", "ODD")
    assert "[]" in lines.answers  # a row without any label is a row


def test_answers_are_texts_lists_or_squad_records(tmp_path: Path) -> None:
    rows = qa_rows(30, seed=1)
    lines = _load(write(tmp_path / "a.jsonl", rows), "qa")
    first = [row["answers"][0] for row in rows]  # type: ignore[index]
    squad = [
        {**row, "answers": {"text": [a["text"]], "answer_start": [a["answer_start"]]}} for row, a in zip(rows, first, strict=True)
    ]
    plain = [{**row, "answers": a["text"]} for row, a in zip(rows, first, strict=True)]
    assert _load(write(tmp_path / "b.jsonl", squad), "qa").answers == lines.answers
    texts = [[answer for answer, _ in json.loads(str(a))] for a in _load(write(tmp_path / "c.jsonl", plain), "qa").answers]
    assert texts == [[answer for answer, _ in json.loads(str(a))] for a in lines.answers]


def test_an_answer_that_is_not_in_its_context_is_set_aside(tmp_path: Path) -> None:
    rows = [*qa_rows(20, seed=1), {"id": "odd", "context": "a b", "question": "which", "answers": "c"}]
    data = _load(write(tmp_path / "a.jsonl", rows), "qa")
    assert data.set_aside.column("reason").to_pylist() == ["an answer that is not in its context"]


def test_lists_are_still_refused_where_a_row_has_one_label(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds list; a text, number or true/false is allowed"):
        load(write(tmp_path / "a.jsonl", [{"text": ["a"], "label": "b"}] * 3))
