"""Roles, ids, splits, what is set aside and what is said."""

import json
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from veridical.core.errors import InputError
from veridical.dataset.loading import load
from veridical.dataset.rows import Dataset


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def aside(data: Dataset) -> dict[str, str]:
    return dict(zip(data.set_aside.column("id").to_pylist(), data.set_aside.column("reason").to_pylist(), strict=True))


def test_pairs_are_recognised_and_said(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "Premise,Hypothesis,gold_label\na,b,x\nc,d,y\n"), split="folds")
    assert data.roles == {"text": "Premise", "second": "Hypothesis", "label": "gold_label"}
    assert data.inputs() == [("a", "b"), ("c", "d")]
    assert "text = 'Premise'" in data.warnings[0]


def test_a_second_text_is_never_guessed_alone(tmp_path: Path) -> None:
    assert "second" not in load(written(tmp_path, "a.csv", "text,hypothesis,label\na,b,x\nc,d,y\n"), split="folds").roles


def test_chinese_column_names(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "编号,评论,类别,来源\n1,很好吃,好,网站\n2,太慢了,差,网站\n"), split="folds")
    assert data.roles == {"text": "评论", "label": "类别", "id": "编号", "source": "来源"}


def test_given_roles_need_no_sentence(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "t,y\na,x\nb,z\n"), text="t", label="y", split="folds")
    assert not [w for w in data.warnings if "Guessed" in w]


def test_ids_come_back_unchanged(tmp_path: Path) -> None:
    train = written(tmp_path, "a.csv", "id,text,label\n007,a,x\nR-8,b,y\n")
    data = load(train, test=written(tmp_path, "b.jsonl", '{"id": 9, "text": "c", "label": "x"}\n'), id="id")
    assert data.ids == ["007", "R-8", "9"]


def test_ids_that_two_files_share_are_told_apart(tmp_path: Path) -> None:
    train = written(tmp_path, "a.csv", "id,text,label\n1,a,x\n2,b,y\n")
    data = load(train, test=written(tmp_path, "b.csv", "id,text,label\n1,c,x\n"))
    assert data.ids == ["train-1", "train-2", "1"]
    assert any("same ids" in w for w in data.warnings)


def test_split_column(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "text,label,split\na,x,Train\nb,y,train\nc,x,dev\nd,y,TEST\n"))
    assert data.splits.tolist() == ["train", "train", "valid", "test"]
    assert data.split_how == "given"


def test_what_is_set_aside_and_why(tmp_path: Path) -> None:
    train = b"id,text,label\n1,a,x\n2,b,y\n3,\xff\xfe oh,x\n4,  ,x\n5,ok,\n6,a\0b,x\n"
    test = "id,text,label\n7,c,x\n8,d,z\n9," + "x" * 1_000_001 + ",x\n"
    data = load(written(tmp_path, "a.csv", train), test=written(tmp_path, "b.csv", test))
    assert aside(data) == {
        "3": "cannot be decoded",
        "4": "text empty",
        "5": "label missing",
        "6": "cannot be decoded",
        "8": "test label unseen in train",
        "9": "text over 1,000,000 bytes",
    }
    assert data.ids == ["1", "2", "7"]
    assert any("6 rows were set aside" in w for w in data.warnings)
    (unseen,) = [w for w in data.warnings if "label that train lacks" in w]
    assert unseen.startswith("1 of 2 test rows have a label that train lacks")
    assert "at most 50.0 % can be right" in unseen


def test_a_lone_surrogate_cannot_be_decoded(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b\ud83d", "label": "x"}, {"text": "c", "label": "y"}]
    data = load(written(tmp_path, "a.jsonl", "\n".join(json.dumps(row) for row in rows)), split="folds")
    assert aside(data) == {"row-2": "cannot be decoded"}


def test_doubts_are_said(tmp_path: Path) -> None:
    train = written(tmp_path, "a.csv", "text,label,group\na,x,g\na,y,g\na,x,h\n")
    data = load(train, test=written(tmp_path, "b.csv", "text,label,group\na,x,g\n"))
    said = " ".join(data.warnings)
    assert "same text" in said
    assert "1 of the 2 groups" in said
    assert "no group" not in said


def test_rows_without_a_group_are_said_where_groups_are_units(tmp_path: Path) -> None:
    authors = [f"author {i // 4}" if i % 3 else "" for i in range(200)]
    named = {"some": authors, "strata": ["en", "zh"] * 100, "all": ["x", "y"]}
    files = {}
    for name, groups in named.items():
        lines = [f"{name} row {i} {'good' if i % 5 else 'bad'},{i % 2},{group}" for i, group in enumerate(groups)]
        files[name] = written(tmp_path, f"{name}.csv", "\n".join(["text,label,author", *lines]))

    def said(train: str, test: str) -> list[str]:
        data = load(files[train], test=files[test], group="author")
        return [split for split in ("train", "test") if f"{split} rows have no group" in " ".join(data.warnings)]

    assert said("all", "some") == ["test"]
    assert said("some", "all") == ["train"]
    assert said("all", "strata") == []


def test_one_row_set_aside_is_one_row(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "text,label\na,x\nb,y\n,x\n"), split="folds")
    assert "1 row was set aside: text empty: 1." in data.warnings


def test_train_rows_that_are_all_equal_are_said(tmp_path: Path) -> None:
    test = written(tmp_path, "b.csv", "text,label\nanother,x\nthird,y\n")
    data = load(written(tmp_path, "a.csv", "text,label\nsame,x\nsame,y\nsame,x\n"), test=test)
    assert sum("All 3 train rows have the same text" in warning for warning in data.warnings) == 1
    usual = load(written(tmp_path, "c.csv", "text,label\nsame,x\nother,y\n"), test=test)
    assert not any("the same text" in warning for warning in usual.warnings)


def test_one_family_is_split_at_random_and_that_is_said(tmp_path: Path) -> None:
    rows = "".join(f"one and the same text,{'xy'[k % 2]}\n" for k in range(40))
    data = load(written(tmp_path, "a.csv", "text,label\n" + rows))
    said = " ".join(data.warnings)
    assert len(data.rows("test")) == 8
    assert "All 40 rows are one family of near-equal texts, so no test set without them can be drawn." in said
    assert "8 of its 8 rows (100.0 %) have an equal or near-equal row" in said
    assert "--split clusters" not in said  # that is what was asked for
    assert "All 40 rows have the same text" in said


def test_the_size_of_a_test_set_is_left_to_the_account(tmp_path: Path) -> None:
    train = written(tmp_path, "a.csv", "text,label\na,x\nb,y\n")
    assert not [w for w in load(train, test=written(tmp_path, "b.csv", "text,label\nc,x\n")).warnings if "nly 1" in w]


def test_folds_leave_all_rows_in_train(tmp_path: Path) -> None:
    data = load(written(tmp_path, "a.csv", "text,label\na,x\nb,y\n"), split="folds")
    assert (data.split_how, data.splits.tolist()) == ("folds", ["train", "train"])


WORDS = ["good", "bad", "room", "food", "slow", "nice", "loud", "warm", "cold", "fresh", "empty", "full", "old", "new", "far"]


def corpus(n: int) -> str:
    texts = [" ".join(WORDS[(i * step + i // 7) % len(WORDS)] for step in (1, 2, 4, 7, 11, 13)) + f" {i * i}" for i in range(n)]
    return "text,label\n" + "".join(f"{text},{'xy'[i % 2]}\n{text},{'xy'[i % 2]}\n" for i, text in enumerate(texts))


def equal_texts() -> ModuleType:
    """Stands in for the search for near-duplicates: equal texts are a cluster."""
    module = ModuleType("veridical.dataset.similarity")
    module.similar_pairs = lambda data, progress: None  # type: ignore[attr-defined]
    module.clusters = lambda data, similar: np.unique(data.texts, return_inverse=True)[1]  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("real", [False, True])
def test_clusters_stay_on_one_side_and_random_says_what_it_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: bool
) -> None:
    if real:
        pytest.importorskip("veridical.dataset.similarity")
    else:
        monkeypatch.setitem(sys.modules, "veridical.dataset.similarity", equal_texts())
    path = written(tmp_path, "a.csv", corpus(60))
    whole, again = load(path, seed=3), load(path, seed=3)
    assert whole.splits.tolist() == again.splits.tolist()
    texts = {split: {whole.texts[i] for i in whole.rows(split)} for split in ("train", "test")}
    assert texts["test"]
    assert not texts["train"] & texts["test"]
    careless = load(path, split="random", seed=3)
    assert len(careless.rows("test")) == 24
    assert any("drawn at random" in w for w in careless.warnings)


cells = st.text(st.characters(codec="utf-8"), max_size=6)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(cells, st.sampled_from(["x", "y", "", " x "])), min_size=2, max_size=12))
def test_every_row_is_kept_or_set_aside(rows: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_text("".join(json.dumps({"text": t, "label": lab}) + "\n" for t, lab in rows))
        try:
            data = load(path, split="folds")
        except InputError:
            usable = {lab.strip() for t, lab in rows if t.strip() and "\0" not in t} - {""}
            assert len(usable) < 2 or any(not t.strip() for t, _ in rows)
            return
    ids = [*data.ids, *data.set_aside.column("id").to_pylist()]
    assert sorted(ids) == sorted(f"row-{i}" for i in range(1, len(rows) + 1))
    texts = {f"row-{i}": text for i, (text, _) in enumerate(rows, start=1)}
    assert all(texts[i] == text for i, text in zip(data.ids, data.texts, strict=True))


def test_files_of_a_folder_must_agree(tmp_path: Path) -> None:
    written(tmp_path, "a.csv", "text,label\na,x\n")
    written(tmp_path, "b.csv", "text,labels\nb,y\n")
    with pytest.raises(InputError, match="Did you mean 'labels'"):
        load(tmp_path, split="folds")
    written(tmp_path, "b.csv", "text,label\nb,y\n")
    data = load(tmp_path, split="folds")
    assert data.ids == ["row-1", "row-2"]
    assert any("2 files" in w for w in data.warnings)


def test_numbers_after_a_splits_name(tmp_path: Path) -> None:
    written(tmp_path, "train10k.csv", "text,label\na,x\nb,y\n")
    written(tmp_path, "test.csv", "text,label\na,x\n")
    assert load(tmp_path).splits.tolist() == ["train", "train", "test"]


@pytest.mark.parametrize("codec", ["gbk", "utf-8"])
def test_one_damaged_row_does_not_cost_the_file(tmp_path: Path, codec: str) -> None:
    """A cut or garbled row in an otherwise whole file is set aside; the others are read."""
    rows = [f"第{i}次来，房间还是很干净，服务也很好。,{'好差'[i % 2]}\n".encode(codec) for i in range(30)]
    rows[7] = b"\xff\xff\x81," + "好".encode(codec) + b"\n"
    data = load(written(tmp_path, "a.csv", b"text,label\n" + b"".join(rows)), split="folds")
    assert aside(data) == {"row-8": "cannot be decoded"}
    assert data.texts[8] == "第9次来，房间还是很干净，服务也很好。"


def test_blanks_around_a_group_make_no_other_and_a_blank_is_none(tmp_path):
    lines = ["text,label,group", *(f"row {i},{'xy'[i % 2]},{('a', ' a', 'a  ', '', '  ')[i % 5]}" for i in range(20)), ""]
    data = load(written(tmp_path, "g.csv", "\n".join(lines)), group="group")
    assert set(data.table.column("group").to_pylist()) == {"a", None}
    assert data.table.column("group").null_count == 8
