"""Text files and files of rows become documents; what cannot be read is set aside and said."""

import json

import pytest

from veridical.core.errors import InputError, UnknownName
from veridical.dataset.corpus import Cut, load_corpus, sentences


@pytest.mark.parametrize(
    ("text", "unit", "documents"),
    [
        ("one\ntwo\n\nthree\n \nfour\n", "auto", ["one\ntwo", "three", "four"]),
        ("one\ntwo\nthree\n", "auto", ["one", "two", "three"]),
        ("one\n\ntwo\n", "line", ["one", "two"]),
        ("one\n\ntwo\n", "file", ["one\n\ntwo"]),
        ("one\r\ntwo\r\n\r\nthree", "blank", ["one\ntwo", "three"]),
        ("\ufeff第一篇。\n\n第二篇。\n", "auto", ["第一篇。", "第二篇。"]),
    ],
)
def test_a_text_file_is_cut(text, unit, documents, tmp_path):
    (tmp_path / "a.txt").write_bytes(text.encode())
    data = load_corpus([tmp_path / "a.txt"], cut=Cut(unit=unit))
    assert data.texts == documents
    assert data.ids == [f"a-{n}" for n in range(1, len(documents) + 1)]


def test_rows_are_documents_and_may_be_joined(tmp_path):
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"id": i, "text": f"t{i}"}) + "\n" for i in range(5)))
    assert load_corpus([tmp_path / "a.jsonl"], cut=Cut()).texts == ["t0", "t1", "t2", "t3", "t4"]
    assert load_corpus([tmp_path / "a.jsonl"], cut=Cut(join=2)).texts == ["t0\nt1", "t2\nt3", "t4"]


def test_a_folder_is_all_of_its_text(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.txt").write_text("one\n\ntwo")
    (tmp_path / "b" / "a.txt").write_text("three\n\nfour")
    (tmp_path / "c.csv").write_text("text,label\nfive,1\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    data = load_corpus([tmp_path], cut=Cut())
    assert data.texts == ["one", "two", "three", "four", "five"]
    assert len(set(data.ids)) == 5


def test_held_out_documents_are_the_test_split(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo")
    (tmp_path / "b.txt").write_text("three")
    data = load_corpus([tmp_path / "a.txt"], cut=Cut(), held_out=[tmp_path / "b.txt"])
    assert data.splits.tolist() == ["train", "train", "test"]


def test_what_cannot_be_decoded_is_set_aside(tmp_path):
    good = "".join(f"document number {n}, good as gold\n\n" for n in range(20))
    (tmp_path / "a.txt").write_bytes(good.encode() + b"bad \xff\xfe bytes\n\nlast")
    data = load_corpus([tmp_path / "a.txt"], cut=Cut())
    assert len(data) == 21
    assert data.set_aside.num_rows == 1
    assert any("cannot be decoded: 1" in warning for warning in data.warnings)


def test_another_encoding_is_read_and_said(tmp_path):
    (tmp_path / "a.txt").write_bytes(
        "我们今天去了酒店，房间很好，服务也不错。\n\n这个地方不好，我们不会再来了。".encode("gb18030")
    )
    data = load_corpus([tmp_path / "a.txt"], cut=Cut())
    assert data.texts[0].startswith("我们今天")
    assert any("is not UTF-8" in warning for warning in data.warnings)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "is empty"),
        ("a.txt", b"  \n\n ", "is empty"),
        ("a.pdf", b"%PDF", "unknown ending"),
        ("a.csv", b"title,stars\nx,1\n", "none is known to hold the text"),
        ("a.csv", b"text,label\n", "no rows"),
        ("a.jsonl", b'{"text": ""}\n', "no text that can be used"),
    ],
)
def test_what_holds_no_text_is_refused(name, content, said, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_corpus([tmp_path / name], cut=Cut())


def test_a_column_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nfive,1\n")
    with pytest.raises(UnknownName, match="Did you mean 'text'"):
        load_corpus([tmp_path / "a.csv"], cut=Cut(column="texts"))


def test_sentences_of_two_languages():
    assert list(sentences("One here. Two there? Three")) == ["One here.", "Two there?", "Three"]
    assert list(sentences("今天很好。明天呢？好！")) == ["今天很好。", "明天呢？", "好！"]
    assert list(sentences("a line\nand another")) == ["a line", "and another"]
    assert list(sentences("3.5 metres and no end")) == ["3.5 metres and no end"]
