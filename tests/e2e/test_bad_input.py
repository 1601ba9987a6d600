"""Every wrong input ends in one sentence: exit code 2 or 3, no traceback, nothing half-written."""

import csv
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def _words(rng: random.Random, n: int) -> str:
    """Made-up words, so that no two rows resemble each other."""
    return " ".join("".join(rng.choices("bcdfglmnprstaeiou", k=rng.randint(4, 9))) for _ in range(n))


_RNG = random.Random(1)
ROWS = [
    (f"r{k}", f"{_words(_RNG, 6)} {'good' if k % 2 else 'bad'} {_words(_RNG, 4)}", "pos" if k % 2 else "neg") for k in range(40)
]
HEAD = ("id", "text", "label")
ROLES = ("--text", "text", "--label", "label", "--id", "id")


def _csv(path: Path, rows: list[tuple[str, ...]], head: tuple[str, ...] = HEAD) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
    return path


def _refused(said: Any, *words: str, code: int = 2) -> None:
    """One sentence on the error stream, nothing on the other."""
    assert said.code == code, said
    last = said.err.strip().splitlines()[-1]
    for word in words:
        assert word.lower() in last.lower(), last
    assert "Traceback" not in said.err
    assert last.rstrip()[-1:] not in ("", ":")
    assert said.out == ""


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return _csv(tmp_path / "train.csv", ROWS[:30])


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return _csv(tmp_path / "test.csv", ROWS[30:])


def _run(veridical: Callable[..., Any], train: Path, tmp_path: Path, *more: object) -> Any:
    """A quiet run without repairs; a refused one must leave no folder."""
    said = veridical("run", train, *ROLES, "--no-repair", "--quiet", "--out", tmp_path / "out", *more)
    if said.code in (2, 3):
        assert not (tmp_path / "out").exists(), sorted((tmp_path / "out").rglob("*"))
    return said


def test_missing_file(veridical: Callable[..., Any], tmp_path: Path) -> None:
    _refused(_run(veridical, tmp_path / "absent.csv", tmp_path), "absent.csv")


def test_missing_test_file(veridical: Callable[..., Any], train: Path, tmp_path: Path) -> None:
    _refused(_run(veridical, train, tmp_path, "--test", tmp_path / "no.csv"), "no.csv")


def test_missing_column(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    _refused(_run(veridical, train, tmp_path, "--test", test, "--text", "txt"), "'txt'", "text")


def test_constant_label(veridical: Callable[..., Any], test: Path, tmp_path: Path) -> None:
    one = _csv(tmp_path / "one.csv", [(row, text, "pos") for row, text, _ in ROWS[:30]])
    _refused(_run(veridical, one, tmp_path, "--test", test), "label")


def test_fewer_than_two_rows(veridical: Callable[..., Any], tmp_path: Path) -> None:
    _refused(_run(veridical, _csv(tmp_path / "tiny.csv", ROWS[:1]), tmp_path), "row")


def test_empty_file(veridical: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    _refused(_run(veridical, tmp_path / "empty.csv", tmp_path), "empty.csv")


def test_ragged_csv(veridical: Callable[..., Any], tmp_path: Path) -> None:
    path = _csv(tmp_path / "ragged.csv", [*ROWS[:5], ("r5", "too", "many", "cells"), *ROWS[6:30]])
    _refused(_run(veridical, path, tmp_path), "ragged.csv")


def test_duplicate_ids(veridical: Callable[..., Any], test: Path, tmp_path: Path) -> None:
    path = _csv(tmp_path / "twice.csv", [*ROWS[:30], ROWS[3]])
    _refused(_run(veridical, path, tmp_path, "--test", test), "r3")


def test_broken_json_lines(veridical: Callable[..., Any], test: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"id": "a", "text": "b", "label": "c"}\n{"id": \n', encoding="utf-8")
    _refused(_run(veridical, tmp_path / "broken.jsonl", tmp_path, "--test", test), "broken.jsonl")


def test_binary_file(veridical: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "noise.parquet").write_bytes(random.Random(3).randbytes(2000))
    _refused(_run(veridical, tmp_path / "noise.parquet", tmp_path), "noise.parquet")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tset", "x"), ("--tset", "did you mean")),
        (("--metric", "acuracy"), ("accuracy",)),
        (("--split", "randm"), ("random",)),
        (("--seed", "many"), ("seed",)),
        (("--repairs", "drop_leak"), ("drop_leaks",)),
        (("--countermeasures", "focal_losss"), ("countermeasure",)),
        (("--fail-on", "found=label_wrods"), ("label_words",)),
        (("--fail-on", "speed=3"), ("gap",)),
        (("--test-share", "1.5"), ("0.2",)),
        (("--config", "absent.yaml"), ("absent.yaml",)),
        (("--model", "no.such_module:function"), ("no.such_module",)),
        (("--epochs", "0"), ("epochs",)),
    ],
)
def test_unknown_options(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    _refused(_run(veridical, train, tmp_path, "--test", test, *options), *words)


def test_unknown_verb_and_kind(veridical: Callable[..., Any]) -> None:
    _refused(veridical("rnu"), "did you mean 'run'")
    _refused(veridical("list", "chekcs"), "did you mean 'checks'")


def test_unknown_key_in_the_configuration(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("metrc: accuracy\n", encoding="utf-8")
    _refused(_run(veridical, train, tmp_path, "--test", test, "--config", tmp_path / "run.yaml"), "'metrc'", "'metric'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: c\nshortcuts: [{word: absentword, op: transplant, rate: 0.5}]\n", ("absentword",)),
        ("name: c\nshortcut: []\n", ("'shortcut'", "'shortcuts'")),
        ("name: c\nshortcuts: [{word: good, op: teleport}]\n", ("teleport",)),
        ("name: [\n", ("yaml",)),
    ],
)
def test_a_contract_that_names_what_is_not_there(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    _refused(_run(veridical, train, tmp_path, "--test", test, "--contract", tmp_path / "c.yaml"), *words)


@pytest.mark.parametrize(("kept", "extra", "word"), [(9, 0, "1 test row is missing"), (10, 2, "2 ids are not in the data")])
def test_predictions_with_missing_or_extra_ids(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path, kept: int, extra: int, word: str
) -> None:
    ids = [row for row, _, _ in ROWS[30 : 30 + kept]] + [f"extra{k}" for k in range(extra)]
    lines = [json.dumps({"id": row, "label": "pos", "probabilities": {"pos": 0.75, "neg": 0.25}}) for row in ids]
    (tmp_path / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    said = veridical(
        "run", train, "--test", test, *ROLES, "--predictions", tmp_path / "p.jsonl", "--out", tmp_path / "out", "--quiet"
    )
    _refused(said, word)


def test_out_that_holds_something_else(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    for more in ((), ("--fresh",)):
        said = veridical("run", train, "--test", test, *ROLES, "--out", tmp_path / "mine", *more)
        _refused(said, "thesis.txt")
    assert (tmp_path / "mine" / "thesis.txt").read_text(encoding="utf-8") == "years of work"
    assert len(list((tmp_path / "mine").iterdir())) == 1


def test_out_that_holds_another_run(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    assert _run(veridical, train, tmp_path, "--test", test).code == 0
    said = veridical("run", train, "--test", test, *ROLES, "--no-repair", "--quiet", "--seed", "1", "--out", tmp_path / "out")
    _refused(said, "seed was 0, now 1", "--fresh")
    assert _run(veridical, train, tmp_path, "--test", test, "--seed", 1, "--fresh").code == 0


@pytest.mark.parametrize("verb", [("show",), ("report",)])
def test_a_folder_that_is_no_run(veridical: Callable[..., Any], tmp_path: Path, verb: tuple[str, ...]) -> None:
    _refused(veridical(*verb, tmp_path / "nothing"), "nothing", "veridical run")


def test_a_folder_that_is_no_model(veridical: Callable[..., Any], train: Path, tmp_path: Path) -> None:
    _refused(veridical("predict", tmp_path, train, "--out", tmp_path / "p.jsonl"), "model.json")
    assert not (tmp_path / "p.jsonl").exists()


def test_one_test_row_is_accepted_with_a_warning(veridical: Callable[..., Any], train: Path, tmp_path: Path) -> None:
    one = _csv(tmp_path / "one.csv", ROWS[30:31])
    said = _run(veridical, train, tmp_path, "--test", one, "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["n_test"] == 1
    assert record["honest"]["high"] - record["honest"]["low"] > 0.5
    assert any("Only 1 test row" in note for note in record["notes"])


def test_a_group_of_one_row_is_accepted(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rows = [(*row, f"g{k // 4}" if k < 36 else f"single{k}") for k, row in enumerate(ROWS)]
    path = _csv(tmp_path / "grouped.csv", rows, (*HEAD, "author"))
    assert _run(veridical, path, tmp_path, "--group", "author").code == 0


def test_rows_that_cannot_be_used_are_set_aside_and_counted(veridical: Callable[..., Any], train: Path, tmp_path: Path) -> None:
    test = _csv(tmp_path / "test.csv", [*ROWS[30:38], ("e1", "", "pos"), ("e2", "a text of its own", "unseen")])
    said = _run(veridical, train, tmp_path, "--test", test, "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record["n_test"] == 8
    assert sum(record["set_aside"].values()) == 2


def test_another_encoding_is_named(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rng, characters = random.Random(2), "春夏秋冬山水风云花鸟鱼虫天地人和东南西北早晚快慢高低远近书画琴棋酒茶饭菜衣住行走"
    texts = ["".join(rng.choices(characters, k=14)) + ("很好" if k % 2 else "很差") for k in range(60)]
    rows = [f"r{k},{text},{'pos' if k % 2 else 'neg'}" for k, text in enumerate(texts)]
    (tmp_path / "gbk.csv").write_text("\n".join(["id,text,label", *rows]), encoding="gb18030")
    said = _run(veridical, tmp_path / "gbk.csv", tmp_path, "--json")
    assert said.code == 0, said.err
    assert any("gb" in warning.lower() for warning in json.loads(said.out)["warnings"])


def test_all_rows_identical_is_accepted_with_a_warning(veridical: Callable[..., Any], tmp_path: Path) -> None:
    same = [(row, "one and the same text", label) for row, _, label in ROWS]
    said = _run(
        veridical, _csv(tmp_path / "train.csv", same[:30]), tmp_path, "--test", _csv(tmp_path / "t.csv", same[30:]), "--json"
    )
    assert said.code == 0, said.err
    assert json.loads(said.out)["warnings"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, ("enc",)),
        ({"config.json": '{"model_type": "bert"}', "pytorch_model.bin": "x", "tokenizer.json": "{}"}, ("safetensors",)),
        ({"config.json": '{"model_type": "bert"}', "model.safetensors": "x"}, ("tokenizer",)),
    ],
)
def test_an_encoder_folder_that_cannot_be_used(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path, files: dict[str, str], words: tuple[str, ...]
) -> None:
    (tmp_path / "enc").mkdir()
    for name, text in files.items():
        (tmp_path / "enc" / name).write_text(text, encoding="utf-8")
    _refused(_run(veridical, train, tmp_path, "--test", test, "--model", tmp_path / "enc"), *words)


def test_rows_that_all_resemble_each_other_are_split_at_random_and_that_is_said(
    veridical: Callable[..., Any], tmp_path: Path
) -> None:
    rows = [
        (f"r{k}", f"the same long sentence about {'good' if k % 2 else 'bad'} soup", "pos" if k % 2 else "neg") for k in range(40)
    ]
    said = _run(veridical, _csv(tmp_path / "one.csv", rows), tmp_path, "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert any("one family of near-equal texts" in warning for warning in record["warnings"])
    leakage = next(c for c in record["components"] if c["name"] == "leakage")
    assert leakage["mde"] == 100.0  # nothing at all can be seen


def test_all_train_rows_identical_is_said(veridical: Callable[..., Any], test: Path, tmp_path: Path) -> None:
    same = [(row, "one and the same text", label) for row, _, label in ROWS[:30]]
    said = _run(veridical, _csv(tmp_path / "train.csv", same), tmp_path, "--test", test, "--json")
    assert said.code == 0, said.err
    assert any("All 30 train rows have the same text" in warning for warning in json.loads(said.out)["warnings"])


CALLABLES = """
import random
count = [0]
def raises(texts): raise ValueError("boom")
def nan(texts): return [{"pos": float("nan"), "neg": 1.0} for _ in texts]
def short(texts): return [{"pos": 1.0}]
def third(texts): return [{"maybe": 1.0} for _ in texts]
def fickle(texts):
    count[0] += 1
    return [{"pos": 1.0} if count[0] % 2 else {"neg": 1.0} for _ in texts]
"""


@pytest.fixture
def callables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brought.py").write_text(CALLABLES, encoding="utf-8")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no licence')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("brought", "broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("callables")
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("brought:raises", ("brought:raises raised ValueError: boom on 40 texts",)),
        ("brought:nan", ("nan", "pos")),
        ("brought:short", ("gave 1", "40 texts")),
        ("brought:third", ("maybe",)),
        ("broken:f", ("RuntimeError: no licence",)),
    ],
)
def test_a_callable_that_cannot_be_used(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path, model: str, words: tuple[str, ...]
) -> None:
    _refused(_run(veridical, train, tmp_path, "--test", test, "--model", model), *words)


@pytest.mark.usefixtures("callables")
def test_a_callable_that_changes_its_answers_is_measured(
    veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path
) -> None:
    said = _run(veridical, train, tmp_path, "--test", test, "--model", "brought:fickle", "--json")
    assert said.code == 0, said.err
    every = r"brought:fickle changes its answers: asked twice, (\d+) of \1 test texts get another label \(100 % \["
    assert any(re.search(every, warning) for warning in json.loads(said.out)["warnings"])


def test_predict_does_not_read_another_column(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    assert _run(veridical, train, tmp_path, "--test", test).code == 0
    other = _csv(tmp_path / "other.csv", [(t,) for _, t, _ in ROWS], ("comment",))
    arguments = ("predict", tmp_path / "out" / "model", other, "--out", tmp_path / "p.jsonl")
    _refused(veridical(*arguments), "no column 'text'", "comment", "--text COLUMN")
    said = veridical(*arguments, "--text", "comment")
    assert said.code == 0, said.err
    assert "ids are row-1" in said.out


def test_a_list_in_json_lines_blames_its_line(veridical: Callable[..., Any], test: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('["r1", "text", "pos"]\n{"text": "a", "label": "b"}\n', encoding="utf-8")
    _refused(_run(veridical, tmp_path / "rows.jsonl", tmp_path, "--test", test), "line 1", "list")


def test_restore_after_no_repair_says_what_to_do(veridical: Callable[..., Any], train: Path, test: Path, tmp_path: Path) -> None:
    assert _run(veridical, train, tmp_path, "--test", test).code == 0
    _refused(veridical("restore", tmp_path / "out", "--out", tmp_path / "back.csv"), "repaired nothing", "without --no-repair")


def test_an_output_never_replaces_a_file_of_another_kind(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = english
    run, out = tmp_path / "run", tmp_path / "out.jsonl"
    roles = ("--text", "text", "--label", "label", "--id", "id")
    assert veridical("run", train, "--test", test, *roles, "--quiet", "--out", run).code == 0
    data = test.read_bytes()
    for command in (
        ("predict", run / "model", test, "--out", test),
        ("review", run, "--out", test),
        ("restore", run, "--out", test),
    ):
        said = veridical(*command)
        assert said.code == 2
        assert "it would be lost" in said.err
        assert test.read_bytes() == data
    for _ in range(2):  # an earlier output of the same command is replaced
        assert veridical("predict", run / "model", test, "--out", out).code == 0
        assert veridical("review", run, "--rows", 10, "--out", tmp_path / "sheet.csv").code == 0
        assert veridical("restore", run, "--out", tmp_path / "restored.csv").code == 0


def test_a_plug_in_that_cannot_be_imported_is_named_with_its_line(
    veridical: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "veridical_plugins" / "audit"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text('"""A check."""\n\nx = = 1\n', encoding="utf-8")
    said = veridical("list", "checks")
    assert said.code == 2
    assert "broken.py, line 3" in said.err
    assert "Traceback" not in said.err
    (folder / "broken.py").unlink()
    refused = veridical("new", "check", "exact_duplicates")
    assert refused.code == 2
    assert "Choose another name" in refused.err
    assert not (folder / "exact_duplicates.py").exists()


def test_fresh_with_a_setting_that_is_refused_leaves_the_finished_run(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    train, test = english
    run = tmp_path / "run"
    command = ("run", train, "--test", test, "--text", "text", "--label", "label", "--id", "id", "--no-repair", "--out", run)
    assert veridical(*command, "--quiet").code == 0
    before = (run / "run.json").read_bytes()
    for wrong in (("--metric", "acuracy"), ("--group", "nowhere")):
        assert veridical(*command, "--fresh", *wrong).code == 2
        assert (run / "run.json").read_bytes() == before
    assert veridical("show", run).code == 0


@pytest.mark.usefixtures("callables")
def test_a_function_whose_file_changed_is_another_model(
    veridical: Callable[..., Any], english: tuple[Path, Path], tmp_path: Path
) -> None:
    module = tmp_path / "my_words.py"
    module.write_text("def score(texts):\n    return [{'neg': 0.4, 'pos': 0.6} for _ in texts]\n", encoding="utf-8")
    train, test = english
    command = ("run", train, "--test", test, "--text", "text", "--label", "label", "--id", "id", "--no-repair", "--quiet")
    more = ("--model", "my_words:score", "--out", tmp_path / "run")
    assert veridical(*command, *more).code == 0
    module.write_text(
        module.read_text(encoding="utf-8").replace("'neg': 0.4, 'pos': 0.6", "'neg': 0.6, 'pos': 0.4"), encoding="utf-8"
    )
    said = veridical(*command, *more)
    assert said.code == 2
    assert "the content of --model differs" in said.err
