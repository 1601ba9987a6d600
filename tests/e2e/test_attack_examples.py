"""Attack examples of train rows: written by a probe, read by the countermeasure."""

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.e2e.conftest import sentences, write_csv

from veridical.core.errors import InputError
from veridical.dataset.storage import read
from veridical.models.stored import open_model
from veridical.train._contract import Study
from veridical.train.countermeasures import attack_examples

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair", "--probes", "none", "--quiet")


@pytest.fixture
def run(veridical: Callable[..., Any], tmp_path: Path) -> Path:
    rows = sentences(random.Random(8), 400, language="en")
    train, test = write_csv(tmp_path / "train.csv", rows[150:]), write_csv(tmp_path / "test.csv", rows[:150])
    assert veridical("run", train, "--test", test, *ROLES, "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_turned_answers_about_train_rows_is_written_and_learned_from(
    veridical: Callable[..., Any], run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "attacks.csv"
    said = veridical("probe", run, "--attack-examples", out, "--rows", 120, "--kinds", "deepwordbug")
    assert said.code == 0, said.err
    assert f"attack_examples:file={out}" in said.out
    lines = _read(out)
    data, model = read(run / "data.parquet"), open_model(run / "model")
    place = {data.ids[row]: row for row in data.rows("train")}
    assert 10 <= len(lines) <= 120
    assert all(line["id"] in place and line["recipe"] == "deepwordbug" for line in lines)
    own = np.array([place[line["id"]] for line in lines])
    assert (model.predict(data.inputs(own)).argmax(1) == data.codes[own]).all()
    assert (model.predict([line["text"] for line in lines]).argmax(1) != data.codes[own]).all()
    # The countermeasure reads the file as it is.
    study = Study(data, data.rows("train"), None, None, 0)  # type: ignore[arg-type]
    learned = attack_examples.study(study, attack_examples.Params(file=str(out)))
    assert sorted(learned.made) == sorted(line["text"] for line in lines)
    # Ids that are places in a file mean other rows once that file is another.
    moved = tmp_path / "moved.csv"
    moved.write_text(
        "id,text\n" + "".join(f'{a["id"]},"{b["text"]}"\n' for a, b in zip(lines, lines[7:] + lines[:7], strict=True)),
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="may be of another file"):
        attack_examples.study(study, attack_examples.Params(file=str(moved)))
    # Again, in Chinese, over the file of before: the same rows, the same texts.
    said = veridical("probe", run, "--attack-examples", out, "--rows", 120, "--kinds", "deepwordbug", "--lang", "zh")
    assert (said.code, "训练行" in said.out) == (0, True), said.err
    assert _read(out) == lines


def test_an_interrupted_search_goes_on_and_ends_the_same(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from veridical.pipeline import attack_file
    from veridical.probe import attack

    def stopping_after(n: int) -> None:
        left = [n]

        def counted(*arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return search(*arguments)

        monkeypatch.setattr(attack, "attack", counted)

    search, options = attack.attack, {"rows": 120, "recipes": ["deepwordbug", "pwws"]}
    monkeypatch.setattr(attack_file, "TOGETHER", 50)
    if attack.RECIPES["pwws"].missing(["good"]):
        options["recipes"] = ["deepwordbug"]
    whole = attack_file.write_attack_examples(run, out=tmp_path / "whole.csv", **options)  # type: ignore[arg-type]
    assert not (run / attack_file.KEPT).exists()
    stopping_after(1)
    with pytest.raises(KeyboardInterrupt):
        attack_file.write_attack_examples(run, out=tmp_path / "again.csv", **options)  # type: ignore[arg-type]
    assert (run / attack_file.KEPT).is_file()
    assert not (tmp_path / "again.csv").exists()
    stopping_after(3 * len(options["recipes"]) - 1)  # type: ignore[arg-type]
    again = attack_file.write_attack_examples(run, out=tmp_path / "again.csv", **options)  # type: ignore[arg-type]
    assert (again.texts, again.rows, again.tried) == (whole.texts, whole.rows, whole.tried)
    assert _read(tmp_path / "again.csv") == _read(tmp_path / "whole.csv")
    # Another question starts over.
    stopping_after(1)
    with pytest.raises(KeyboardInterrupt):
        attack_file.write_attack_examples(run, out=tmp_path / "again.csv", **options)  # type: ignore[arg-type]
    stopping_after(10)
    fewer = attack_file.write_attack_examples(run, rows=40, recipes=["deepwordbug"], out=tmp_path / "fewer.csv")
    anew = attack_file.write_attack_examples(run, rows=40, recipes=["deepwordbug"], out=tmp_path / "anew.csv")
    assert (fewer.rows, fewer.texts) == (40, anew.texts)


def test_what_attack_examples_refuse(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "attacks.csv", tmp_path / "notes.csv"
    other.write_text("mine,alone\n", encoding="utf-8")
    own, wide = tmp_path / "own.csv", tmp_path / "wide.csv"
    own.write_text("id,text,label\n1,good,pos\n", encoding="utf-8")
    wide.write_text("x" * 200_000, encoding="utf-8")
    kept = {path: path.read_bytes() for path in (other, own, wide)}
    for arguments, says in (
        (("--attack-examples", out, "--kinds", "deepwordbg"), "Did you mean 'deepwordbug'?"),
        (("--attack-examples", out, "--kinds", "hotflip"), "needs the gradients"),
        (("--attack-examples", out, "--rows", 0), "--rows is 0"),
        (("--attack-examples", out, "--suite", other), "exclude each other"),
        (("--attack-examples", other), "it would be lost"),
        (("--attack-examples", own), "it would be lost"),
        (("--attack-examples", wide), "it would be lost"),
        (("--attack-examples", tmp_path / "attacks.txt"), "must end in .csv"),
    ):
        said = veridical("probe", run, *arguments)
        assert (said.code, says in said.err, "Traceback" in said.err) == (2, True, False), said.err
        assert not out.exists()
    assert all(path.read_bytes() == content for path, content in kept.items())
