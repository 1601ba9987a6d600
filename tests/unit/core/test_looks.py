"""The log of looks: whole lines whoever writes, distinct runs whoever counts, and what is not ours left alone."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from veridical.core import looks
from veridical.core.looks import Look

ONE = Look("t" * 64, "a" * 64, "first", "2026-01-01T00:00:00+00:00", "linear", "accuracy", 0.91)


def test_what_is_appended_is_read(tmp_path: Path) -> None:
    path = tmp_path / looks.FILE
    assert looks.read(path) == looks.Looks(path)
    looks.append(path, ONE)
    looks.append(path, replace(ONE, run="b" * 64, folder="第二次", reported=1))
    read = looks.read(path)
    assert read.looks == (ONE, replace(ONE, run="b" * 64, folder="第二次", reported=1.0))
    assert read.not_ours == 0
    assert read.looks[1].predictions(path) == tmp_path / "第二次" / "predictions.parquet"


def test_a_run_done_twice_is_one_look_and_other_tests_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / looks.FILE
    again = replace(ONE, folder="again", time="2026-01-02T00:00:00+00:00")
    for look in (ONE, replace(ONE, run="b" * 64), again, replace(ONE, run="c" * 64, test="u" * 64)):
        looks.append(path, look)
    found = looks.read(path).at("t" * 64)
    assert {look.run for look in found} == {"a" * 64, "b" * 64}
    assert again in found
    assert looks.read(path).at("t" * 64, but=["a" * 64]) == (replace(ONE, run="b" * 64),)
    assert looks.read(path).at("absent") == ()


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe\x00broken",
        b'{"format": 2, "test": "t"}',
        b"[1, 2]",
        b'"text"',
        b'{"format": 1, "test": "t"}',
        json.dumps(
            {"format": 1, **dict.fromkeys(("test", "run", "folder", "time", "model", "metric"), "x"), "reported": "1"}
        ).encode(),
        json.dumps(
            {"format": 1, **dict.fromkeys(("test", "run", "folder", "time", "model", "metric"), "x"), "reported": True}
        ).encode(),
        b'{"format": 1, "reported": NaN}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_ours_is_skipped_counted_and_kept(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / looks.FILE
    path.write_bytes(line)  # cut off: no line break at its end
    looks.append(path, ONE)
    read = looks.read(path)
    assert (read.looks, read.not_ours) == ((ONE,), 1)
    assert path.read_bytes().startswith(line + b"\n")


def test_many_writers_at_once_lose_and_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / looks.FILE
    every = [replace(ONE, run=f"{k:064d}", folder="名" * (k % 50)) for k in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda look: looks.append(path, look), every))
    read = looks.read(path)
    assert read.not_ours == 0
    assert sorted(look.run for look in read.looks) == [look.run for look in every]


def test_the_log_stands_beside_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert looks.log_of(Path("runs/abc")) == tmp_path / "runs" / "looks.jsonl"
    assert looks.log_of(Path("out")) == tmp_path / "looks.jsonl"


def test_a_log_that_cannot_be_read_is_empty(tmp_path: Path) -> None:
    (tmp_path / looks.FILE).mkdir()
    assert looks.read(tmp_path / looks.FILE).looks == ()
