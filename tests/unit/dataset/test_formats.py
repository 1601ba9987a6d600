"""The same rows come out of every format and encoding."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from veridical.core.errors import InputError
from veridical.dataset.loading import columns_of, load, load_inputs

ROWS = [
    ("a1", "the room was clean, and quiet", "pos"),
    ("a2", 'they said "no"\nand left', "neg"),
    ("a3", "房间很干净，服务员也非常热情。", "pos"),
    ("a4", "早餐冷冰冰的，再也不会来了。", "neg"),
]
CHINESE = [
    ("今天收到的书包装得很好，内容也非常有意思，值得推荐给大家。", "好评"),
    ("房间太小，空调一直有声音，晚上根本没有办法睡觉。", "差评"),
    ("服务员的态度不错，下次来这里还会住这家酒店。", "好评"),
    ("电话打了三次都没有人接，这样的售后让人很失望。", "差评"),
]
TRADITIONAL = [
    ("這家餐廳的菜很好吃，服務也不錯，下次還會再來。", "好"),
    ("等了一個小時才上菜，東西又冷又難吃，不會再來了。", "差"),
] * 2


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def as_csv(mark: str = ",") -> str:
    return f"id{mark}text{mark}label\n" + "".join(mark.join((i, quoted(t), lab)) + "\n" for i, t, lab in ROWS)


def as_lines() -> str:
    return "".join(json.dumps({"id": i, "text": t, "label": lab}, ensure_ascii=False) + "\n" for i, t, lab in ROWS)


def as_table() -> pa.Table:
    return pa.table({name: [row[at] for row in ROWS] for at, name in enumerate(("id", "text", "label"))})


def found(path: Path) -> list[tuple[str, str, str]]:
    table = load(path, split="folds").table
    return list(zip(*(table.column(name).to_pylist() for name in ("id", "text", "label")), strict=True))


def test_a_list_on_one_line_is_a_list_whatever_the_ending(tmp_path: Path) -> None:
    rows = json.dumps([{"id": i, "text": t, "label": lab} for i, t, lab in ROWS])
    for name, content in (("one.jsonl", rows + "\n"), ("bare.jsonl", rows), ("spread.jsonl", rows.replace("}, {", "},\n{"))):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert found(tmp_path / name) == ROWS


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", as_csv()),
        ("semicolons.csv", as_csv(";")),
        ("tabs.csv", as_csv("\t")),
        ("a.tsv", as_csv("\t")),
        ("windows.csv", as_csv().replace("l\n", "l\r\n")),
        ("trailing.csv", as_csv().replace("label\n", "label,,\n").replace("pos\n", "pos,,\n").replace("neg\n", "neg,,\n")),
        ("a.jsonl", as_lines()),
        ("lines.json", as_lines()),
        ("a.json", json.dumps([dict(zip(("id", "text", "label"), row, strict=True)) for row in ROWS])),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_text_formats(tmp_path: Path, name: str, content: str, packed: bool) -> None:
    path = tmp_path / (name + ".gz" if packed else name)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    assert found(path) == ROWS
    assert columns_of(path)[:3] == ["id", "text", "label"]


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(as_table(), tmp_path / "a.parquet")
    assert found(tmp_path / "a.parquet") == ROWS


def write_arrow(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    (path.parent / "state.json").write_text("{}")
    (path.parent / "dataset_info.json").write_text("{}")


def test_datasets_folder_with_class_names(tmp_path: Path) -> None:
    features = {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}
    schema = pa.schema([("text", pa.string()), ("label", pa.int64())])
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    write_arrow(tmp_path / "train/data-00000-of-00001.arrow", pa.table({"text": ["a", "b"], "label": [0, 1]}, schema=schema))
    write_arrow(tmp_path / "test/data-00000-of-00001.arrow", pa.table({"text": ["c", "d"], "label": [1, -1]}, schema=schema))
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    data = load(tmp_path)
    assert data.labels == ("neg", "pos")
    assert data.ids == ["train-1", "train-2", "test-1"]
    assert data.set_aside.select(["id", "reason"]).to_pylist() == [{"id": "test-2", "reason": "label missing"}]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv"])
def test_folder_of_files(tmp_path: Path, ending: str) -> None:
    for split in ("train", "validation", "test"):
        if ending == "parquet":
            pq.write_table(as_table().drop(["id"]), tmp_path / f"{split}-00000-of-00001.parquet")
        else:
            (tmp_path / f"{split}.{ending}").write_text(as_lines() if ending == "jsonl" else as_csv(), encoding="utf-8")
    data = load(tmp_path)
    assert [len(data.rows(split)) for split in ("train", "valid", "test")] == [4, 4, 4]
    assert data.split_how == "given"


@pytest.mark.parametrize(
    ("codec", "rows", "named"),
    [
        ("gbk", CHINESE, "gb18030"),
        ("gb18030", CHINESE, "gb18030"),
        ("big5", TRADITIONAL, "big5"),
        ("utf-16", CHINESE, "utf-16"),
        ("utf-8-sig", CHINESE, None),
        ("cp1252", [("un café très agréable à côté", "bon"), ("déçu, le dîner était brûlé", "mauvais")] * 2, "cp1252"),
    ],
)
def test_encodings_are_named(tmp_path: Path, codec: str, rows: list[tuple[str, str]], named: str | None) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("text,label\n" + "".join(f'"{text}",{label}\n' for text, label in rows)).encode(codec))
    data = load(path, split="folds")
    assert list(zip(data.texts, data.table.column("label").to_pylist(), strict=True)) == rows
    assert [w for w in data.warnings if "UTF-8" in w] == ([f"a.csv is not UTF-8; it was read as {named}."] if named else [])


def test_many_lines_in_big5_and_gbk_are_told_apart(tmp_path: Path) -> None:
    for codec, rows in (("gbk", CHINESE), ("big5", TRADITIONAL)):
        path = tmp_path / f"{codec}.jsonl"
        lines = [
            json.dumps({"text": f"{text}{i}", "label": label}, ensure_ascii=False) for i in range(500) for text, label in rows
        ]
        path.write_bytes("\n".join(lines).encode(codec))
        assert load(path, split="folds").texts[1] == rows[1][0] + "0"


def test_a_cell_larger_than_a_block_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(as_csv() + f"big,{'x' * 5_000_000},pos\n", encoding="utf-8")
    data = load(path, split="folds")
    assert data.ids == ["a1", "a2", "a3", "a4"]
    assert data.set_aside.column("reason").to_pylist() == ["text over 1,000,000 bytes"]


def test_numbers_are_labels_by_their_value(tmp_path: Path) -> None:
    path, test = tmp_path / "a.jsonl", tmp_path / "b.csv"
    path.write_text("".join(json.dumps({"text": f"t{i}", "label": float(i)}) + "\n" for i in (0, 10, 2)))
    test.write_text("text,label\nx,10.0\ny,2\n")
    data = load(path, test=test)
    assert data.labels == ("0", "2", "10")
    assert data.codes.tolist() == [0, 2, 1, 2, 1]


def test_booleans_are_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": true}\n{"text": "b", "label": false}\n')
    assert load(path, split="folds").labels == ("false", "true")


def test_rows_to_predict_need_no_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,text\nq7,hello\nq8,\nq9,there\n")
    data = load_inputs(path)
    assert (data.ids, data.texts, data.codes.tolist()) == (["q7", "q9"], ["hello", "there"], [-1, -1])
    assert data.set_aside.select(["id", "reason"]).to_pylist() == [{"id": "q8", "reason": "text empty"}]


def test_an_open_quote_in_a_tab_separated_file_swallows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"hello there\tx\nfoo\ty\nbar "q"\tx\n')
    assert load(path, split="folds").texts == ['"hello there', "foo", 'bar "q"']


def test_old_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\ra,x\rb,y\r")
    assert load(path, split="folds").texts == ["a", "b"]


def test_a_few_curly_quotes_are_western(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    lines = [f"a plain line {i},x" for i in range(100)] + ["it’s a café,y", "they’re late,y"]
    path.write_bytes(("text,label\n" + "\n".join(lines)).encode("cp1252"))
    data = load(path, split="folds")
    assert data.texts[-2:] == ["it’s a café", "they’re late"]


def test_lines_of_blanks_are_no_rows_and_ragged_ones_still_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\ngood day,pos\n   \nbad day,neg\n\t\nok day,pos\n \n", encoding="utf-8")
    assert load(path, task="classification").texts == ["good day", "bad day", "ok day"]
    path.write_text("text,label\ngood day,pos\n   \nbad day\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 4: 1 cell"):
        load(path, task="classification")
