"""What cannot be used is refused in one sentence that says what, got, allowed and what to do."""

import gzip
from pathlib import Path

import pytest

from veridical.core.errors import InputError
from veridical.dataset.loading import load

GOOD = "text,label\na,x\nb,y\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("header.csv", b"text,label\n", "no rows"),
        ("headerlong.csv", b"x" * 200_000 + b",label\na,x\n", "line 1: not a header"),
        ("ragged.csv", b'text,label\n"a\nb",x\n\nb,y,z\nc,x\n', "line 5: 3 cells, but the header has 2 columns"),
        ("short.csv", b"text,label\na,x\nb\n", "line 3: 1 cell, but the header has 2 columns"),
        ("open.csv", b'text,label\n"a,x\nb,y\n', "line 2"),
        ("twice.csv", b"text,text,label\na,b,x\n", "'text' twice"),
        ("one.csv", b"text,label\na,x\nb,x\n", "only the label 'x'"),
        ("single.csv", b"text,label\na,x\n", "Only 1 of 1 rows"),
        ("nothing.csv", b"text,label\n,x\n ,y\n", "text empty: 2"),
        ("ids.csv", b"id,text,label\n7,a,x\n8,b,y\n7,c,x\n", "'7' stands in rows 1 and 3"),
        ("noid.csv", b"id,text,label\n7,a,x\n,b,y\n", "row 2: the id column 'id' is empty"),
        ("many.csv", ("text,label\n" + "".join(f"t{i},c{i}\n" for i in range(201))).encode(), "--label"),
        ("unclear.csv", b"sentence,review,label\na,b,x\n", "'sentence' or 'review'"),
        ("none.csv", b"first,label\na,x\n", "--text COLUMN"),
        ("headless.csv", b"good film,pos\nbad film,neg\n", "header"),
        ("bad.jsonl", b'{"text": "a", "label": 1}\n{"text": "b",\n', "line 2: not valid JSON"),
        ("first.jsonl", b'["a", 1]\n{"text": "a", "label": 1}\n', "line 1: list; one object a line"),
        ("list.jsonl", b'{"text": "a", "label": 1}\n3\n', "line 2: int"),
        ("deep.jsonl", b'{"text": ' + b"[" * 200_000 + b"\n", "not valid JSON"),
        ("nested.jsonl", b'{"text": ["a"], "label": 1}\n', "'text' holds list"),
        ("bad.json", b'[{"text": "a"},\n}', "line 2: not valid JSON"),
        ("rows.json", b'[["a", "x"]]', "row 1: list"),
        ("a.xlsx", b"PK\x03\x04", "unknown ending '.xlsx'"),
        ("zip.csv", b"PK\x03\x04aaaa", "a zip or Excel file"),
        ("binary.csv", b"text,label\n" + b"\0\1\2\3" * 100, "binary file"),
        ("bad.parquet", b"PAR1 no", "cannot be read as a Parquet file"),
        ("bad.csv.gz", b"text,label\na,x\n", "cannot be unpacked"),
        ("cut.csv.gz", gzip.compress(GOOD.encode() * 50, mtime=0)[:-12], "cannot be unpacked"),
    ],
)
def test_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load(path, split="folds")
    sentence = str(error.value)
    assert said in sentence
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert list(tmp_path.iterdir()) == [path]


def written(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


def test_missing_file_names_a_near_one(tmp_path: Path) -> None:
    written(tmp_path, "a.csv", GOOD)
    with pytest.raises(InputError, match=r"does not exist.*Did you mean .*a\.csv"):
        load(tmp_path / "a.tsv")


def test_missing_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Unknown column 'txt'.*Did you mean 'text'"):
        load(written(tmp_path, "a.csv", GOOD), text="txt")


def test_test_file_must_have_the_columns_of_train(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean 'labels'"):
        load(written(tmp_path, "a.csv", GOOD), test=written(tmp_path, "b.csv", "text,labels\na,x\n"))


def test_no_usable_test_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No test row can be used.*unseen in train: 1"):
        load(written(tmp_path, "a.csv", GOOD), test=written(tmp_path, "b.csv", "text,label\na,z\n"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"split": "cluster"}, "Did you mean 'clusters'"),
        ({"test_share": 1.5}, "between 0 and 1"),
        ({"text": "text", "second": "text"}, "two roles"),
        ({"split_column": "part"}, "train and test"),
        ({"valid": "v.csv"}, "Add --test"),
    ],
)
def test_options(tmp_path: Path, options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load(written(tmp_path, "a.csv", "text,label,part\na,x,1\nb,y,2\n"), **options)  # type: ignore[arg-type]


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no"):
        load(tmp_path)
    written(tmp_path, "test.csv", GOOD)
    written(tmp_path, "dev.csv", GOOD)
    with pytest.raises(InputError, match="no train rows"):
        load(tmp_path)
