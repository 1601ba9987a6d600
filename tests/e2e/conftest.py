"""Small data with known faults, and the command line as a function."""

import csv
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from veridical.cli import main

GOOD = ["great", "lovely", "wonderful", "tasty", "friendly", "excellent", "charming", "superb", "delightful", "perfect"]
BAD = ["awful", "rude", "stale", "broken", "terrible", "noisy", "dirty", "slow", "horrible", "dull"]
THINGS = [
    "soup",
    "hotel",
    "phone",
    "book",
    "film",
    "waiter",
    "room",
    "battery",
    "story",
    "screen",
    "bread",
    "pillow",
    "actor",
    "lens",
    "menu",
]
FILLER = [
    "the",
    "our",
    "this",
    "that",
    "on",
    "monday",
    "after",
    "work",
    "near",
    "station",
    "with",
    "my",
    "sister",
    "before",
    "lunch",
    "really",
    "quite",
]
GOOD_ZH, BAD_ZH = ["很好", "满意", "喜欢", "精彩", "干净", "舒服"], ["很差", "失望", "难吃", "太吵", "破旧", "无聊"]
THINGS_ZH = ["酒店", "手机", "这本书", "电影", "服务员", "房间", "电池", "故事", "屏幕", "面包", "枕头", "菜单"]
FILLER_ZH = ["昨天", "和朋友", "在车站附近", "下班以后", "第一次", "说实话", "买的", "住的", "看完之后", "感觉"]


@dataclass(frozen=True)
class Said:
    """What one command did."""

    code: int
    out: str
    err: str


Rows = list[dict[str, str]]


@pytest.fixture
def veridical(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process; its exit code and what it printed."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Said(int(stopped.value.code or 0), out, err)

    return run


def sentences(rng: random.Random, n: int, *, language: str) -> Rows:
    good, bad, things, filler = (GOOD, BAD, THINGS, FILLER) if language == "en" else (GOOD_ZH, BAD_ZH, THINGS_ZH, FILLER_ZH)
    glue = " " if language == "en" else ""
    rows = []
    for number in range(n):
        label = rng.choice(["neg", "pos"])
        # One row in ten contradicts its words, so that no model is perfect.
        words = good if (label == "pos") != (rng.random() < 0.1) else bad
        parts = [*rng.sample(filler, 4), rng.choice(things), rng.choice(words), *rng.sample(filler, 3), rng.choice(words)]
        rows.append({"id": f"r{number}", "text": glue.join(parts), "label": label})
    return rows


def write_csv(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


def leaky(rows: Rows, n_test: int, n_leaked: int) -> tuple[Rows, Rows]:
    """(train, test): the first `n_leaked` test rows are copied from train, with ids of their own."""
    test, train = rows[:n_test], rows[n_test:]
    copied = [{**train[k], "id": f"copy{k}"} for k in range(n_leaked)]
    return train, copied + test[n_leaked:]


@pytest.fixture(scope="session", params=["en", "zh"])
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(train.csv, test.csv) with 30 of 120 test rows copied from 480 train rows."""
    folder = tmp_path_factory.mktemp(f"data-{request.param}")
    train, test = leaky(sentences(random.Random(7), 600, language=request.param), 120, 30)
    return write_csv(folder / "train.csv", train), write_csv(folder / "test.csv", test)


@pytest.fixture(scope="session")
def english(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("english")
    train, test = leaky(sentences(random.Random(11), 300, language="en"), 80, 20)
    return write_csv(folder / "train.csv", train), write_csv(folder / "test.csv", test)
