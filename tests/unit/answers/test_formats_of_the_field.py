"""The files that taggers and question answerers are usually trained on are read as they are."""

import gzip
import json
from pathlib import Path

import pytest
from tests.unit.answers.made_up import ner_rows, qa_rows, write
from tests.unit.answers.test_reading import _load

from veridical.core.errors import InputError
from veridical.dataset.loading import columns_of


def _conll(rows: list[dict[str, object]], *, between: str = " ", documents: bool = False, middle: str = "") -> str:
    lines = []
    for number, row in enumerate(rows):
        if documents and number % 10 == 0:
            lines += [between.join(["-DOCSTART-", *([middle] if middle else []), "O"]), ""]
        for token, tag in zip(row["tokens"], row["ner_tags"], strict=True):  # type: ignore[call-overload]
            lines.append(between.join([token, *([middle] if middle else []), tag]))
        lines.append("")
    return "\n".join(lines)


@pytest.mark.parametrize(("between", "middle", "ending"), [(" ", "", ".conll"), ("\t", "", ".bio"), (" ", "NN", ".iob2")])
def test_a_token_a_line_is_the_same_as_lists(tmp_path: Path, between: str, middle: str, ending: str) -> None:
    rows = ner_rows(30, seed=1)
    path = tmp_path / f"a{ending}"
    path.write_text(_conll(rows, between=between, middle=middle))
    data, lists = _load(path, "ner"), _load(write(tmp_path / "a.jsonl", rows), "ner")
    assert (data.texts, data.answers) == (lists.texts, lists.answers)
    assert columns_of(path) == ["tokens", *(["column_2"] if middle else []), "tags"]


def test_documents_may_be_kept_together(tmp_path: Path) -> None:
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress(_conll(ner_rows(30, seed=1), documents=True).encode()))
    data = _load(path, "ner", group="document")
    assert data.table.column("group").to_pylist() == [str(1 + k // 10) for k in range(30)]


def test_comments_before_a_sentence_are_no_tokens(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("".join(f"# id {k}\tdomain=en\nw{k} O\n# O\nfilm B-W\n\n" for k in range(9)))
    assert set(_load(path, "ner").texts) == {f"w{k} # film" for k in range(9)}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\nb\n\n", "has no line with a token and a tag"),
        ("a O\nb\n\nc O\n", "line 2: 1 columns where other lines have 2"),
    ],
)
def test_a_line_without_its_tag_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "a.conll").write_text(content)
    with pytest.raises(InputError, match=said):
        _load(tmp_path / "a.conll", "ner")


@pytest.mark.parametrize("head", [{}, {"version": "1.1"}])
def test_the_nested_file_of_squad_is_a_question_a_row(tmp_path: Path, head: dict[str, str]) -> None:
    rows = qa_rows(30, seed=1, silent=True)
    asked = [
        {
            "title": "t",
            "paragraphs": [
                {
                    "context": row["context"],
                    "qas": [
                        {
                            "id": row["id"],
                            "question": row["question"],
                            "answers": row["answers"],
                            "is_impossible": not row["answers"],
                            "plausible_answers": [{"text": "w1", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
        for row in rows
    ]
    (tmp_path / "a.json").write_text(json.dumps({**head, "data": asked}))
    data, lines = _load(tmp_path / "a.json", "qa"), _load(write(tmp_path / "a.jsonl", rows), "qa")
    assert (data.ids, data.texts, data.answers) == (lines.ids, lines.texts, lines.answers)


def test_an_article_without_questions_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"data": [{"paragraphs": [{"context": "a"}]}]}))
    with pytest.raises(InputError, match="row 1: an article needs paragraphs with a context and questions"):
        _load(tmp_path / "a.json", "qa")


def test_flat_rows_under_data_are_rows(tmp_path: Path) -> None:
    rows = qa_rows(30, seed=1)
    (tmp_path / "a.json").write_text(json.dumps({"data": rows}))
    assert _load(tmp_path / "a.json", "qa").answers == _load(write(tmp_path / "a.jsonl", rows), "qa").answers
