"""`--lang zh` says in Chinese what users most often do wrong; what has no Chinese stays English and loses nothing."""

import ast
import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.report.test_sentences import _filled as filled

import veridical
from veridical.cli import main
from veridical.core.errors import SHOWN_NAMES, UnknownName
from veridical.report.sentences import BREAK, _pattern, translated, translated_error

SOURCE = Path(veridical.__file__).parent
ENTRIES = yaml.safe_load((SOURCE / "report" / "words" / "errors.zh.yaml").read_text(encoding="utf-8"))
CHINESE = re.compile("[\u4e00-\u9fff]")
OF_TYPER = {"Missing argument {word}.", "Missing option {word}.", "Invalid value for {word}: {word2}.",
            "Option {word} requires an argument.", "Got unexpected extra argument ({word})."}  # fmt: skip
PUT_TOGETHER = {"Unknown {kind} '{word}'.", 'Unknown {kind} "{word}".', "Unknown value for {word} '{word2}'.", "Known: {word}.",
                "Known: {word} and {n} more."}  # fmt: skip
"""Made by UnknownName; the commands below say them."""
OF_SYSTEM = {os.strerror(number) for number in errno.errorcode} | {"[Errno {n}] {a}: {word}", "[Errno {n}] {a}"}
"""The system's own words."""


def said_in_source() -> set[str]:
    """Every sentence of the source, what is filled in standing as 7."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts = [node.value]
            elif isinstance(node, ast.JoinedStr):
                texts = ["".join(filled(node, optional=optional)) for optional in ("7", "")]
            else:
                continue
            texts += [
                re.sub(r"([.!?])7", r"\1 ", text) for text in texts
            ]  # a half sentence that may follow is filled in without a space
            found |= {one.strip() for text in texts for one in (text, *BREAK.split(text))}
    return found


def test_every_entry_is_said_somewhere() -> None:
    said = said_in_source()
    written = [english for english, _ in ENTRIES if not english.startswith("kind: ")]
    patterns = {one: _pattern(one) for one in written}
    dead = [one for one, pattern in patterns.items() if not any(pattern.fullmatch(text) for text in said)]
    elsewhere = OF_TYPER | PUT_TOGETHER | OF_SYSTEM
    assert set(dead) <= elsewhere, f"No longer in the source: {sorted(set(dead) - elsewhere)}"


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command says that is refused with exit code 2."""

    def call(*arguments: object) -> str:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        assert stopped.value.code == 2
        return capfd.readouterr().err.strip()

    return call


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    lines = [f"{('good', 'bad')[k % 2]} film number {k},{('pos', 'neg')[k % 2]}" for k in range(40)]
    path.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    return path


COMMANDS: dict[str, tuple[tuple[str, ...], str]] = {
    "a file that is not there": (("run", "absent.csv"), "没有 absent.csv。请检查路径。"),
    "a column that is not there": (
        ("run", "ROWS", "--text", "txt"),
        "未知的列 'txt'。是否想写 'text'？可用：text, label。它由 --text 指定，文件为 ROWS。",
    ),
    "one class": (
        ("run", "ONE"),
        "列 'label' 在训练行中只有标签 'pos'；需要 2 到 200 个类别。请用 --label 指定另一列，或补充其他类别的行。",
    ),
    "an option": (("run", "ROWS", "--labl", "x"), "未知的选项 '--labl'。是否想写 '--label'？参见：veridical run --help"),
    "a metric": (("run", "ROWS", "--metric", "acuracy"), "未知的指标 'acuracy'。是否想写 'accuracy'？可用："),
    "a model": (("run", "ROWS", "--model", "minilmm"), "'minilmm'"),
    "a verb": (("rnu", "ROWS"), "未知的命令 'rnu'。是否想写 'run'？可用："),
    "a repair": (("run", "ROWS", "--repairs", "drop_dup"), "未知的修复 'drop_dup'。"),
    "no argument": (("run",), "缺少参数 'train'。参见：veridical --help"),
    "a folder that is no run": (("report", "EMPTY"), "EMPTY 中没有 run.json，因此不是运行文件夹。可以这样生成：veridical run"),
    "an empty file": (("run", "NOTHING"), "NOTHING 是空的；其中必须有数据行。请检查路径，或重新写出该文件。"),
    "an ending": (("run", "rows.xlsx"), "rows.xlsx 的扩展名 '.xlsx' 未知；允许："),
    "out that is a file": (("run", "ROWS", "--out", "ROWS"), "--out ROWS 是文件；请给出新的或空的文件夹。"),
}  # fmt: skip


@pytest.mark.parametrize("what", COMMANDS)
def test_what_users_do_wrong_most_is_said_in_chinese(
    refused: Callable[..., str], rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text("text,label\n" + "".join(f"film {k},pos\n" for k in range(30)), encoding="utf-8")
    (tmp_path / "nothing.csv").write_text("", encoding="utf-8")
    (tmp_path / "rows.xlsx").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    named = {"ROWS": "rows.csv", "ONE": "one.csv", "NOTHING": "nothing.csv", "EMPTY": "empty"}
    command, said = COMMANDS[what]
    arguments = [named.get(argument, argument) for argument in command]
    for name, path in named.items():
        said = said.replace(name, path)
    found = refused(*arguments, "--lang", "zh")
    assert said in found, found
    assert CHINESE.search(found)
    english = refused(*arguments)
    assert not CHINESE.search(english)
    assert english.count("'") == found.count("'")  # what was typed is in both


def test_a_language_that_does_not_exist_is_said_in_english(refused: Callable[..., str], rows: Path) -> None:
    assert refused("run", rows, "--lang", "fr").startswith("Unknown")


def test_what_has_no_chinese_stays_as_it_is_and_records_are_not_touched() -> None:
    odd: Any = "A knob of somebody's plug-in is bent. Straighten it."
    assert translated_error(odd, "zh") == odd
    assert translated_error(f"There is no x.csv. {odd}", "zh") == f"没有 x.csv。{odd}"
    assert translated("There is no x.csv.", "zh") == "There is no x.csv."


def test_what_the_system_says_and_how_many_names_are_left_out_is_said_in_chinese() -> None:
    denied = "The sheet a.csv cannot be read (Permission denied). Check --answers."
    assert translated_error(denied, "zh").startswith("无法读取表 a.csv（没有权限）。")
    full = "The machine refused: [Errno 28] No space left on device: '/x/y z.csv'. Free some space or check permissions; "
    full += "the same command goes on where it stopped."
    assert translated_error(full, "zh").startswith("系统拒绝了操作：磁盘空间不足（错误码 28）：'/x/y z.csv'。")
    many = str(UnknownName("column", "zz", [f"c{k}" for k in range(SHOWN_NAMES + 3)]))
    assert translated_error(many, "zh").endswith("c19，另有 3 个。")
    done = "2 predictions: out.jsonl. 1 row could not be used and got no line."
    assert translated(done, "zh") == "2 条预测：out.jsonl。" + "1 行无法使用，没有写出。"
    unknown = "The sheet a.csv cannot be read (a thing nobody translated). Check --answers."
    assert "（a thing nobody translated）" in translated_error(unknown, "zh")
