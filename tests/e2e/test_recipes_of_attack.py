"""`veridical probe RUN --kinds`: which recipes of attack the curve over the number of questions is drawn for."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair", "--probes", "none", "--quiet")
ATTACK = ("--only", "adversarial", "--budget", "quick", "--quiet")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, rows = tmp_path_factory.mktemp("recipes"), sentences(random.Random(8), 400, language="en")
    return write_csv(folder / "train.csv", rows[150:]), write_csv(folder / "test.csv", rows[:150])


@pytest.fixture
def run(veridical: Callable[..., Any], data: tuple[Path, Path], tmp_path: Path) -> Path:
    assert veridical("run", data[0], "--test", data[1], *ROLES, "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def _outcomes(run: Path) -> dict[str, dict[str, Any]]:
    return {p["probe"]: p for p in json.loads((run / "probes.json").read_text(encoding="utf-8"))["probes"]}


def _curves(run: Path) -> list[str]:
    return [curve["name"] for curve in _outcomes(run)["adversarial"]["curves"]]


def test_named_recipes_stand_on_the_curve_and_no_other_answers_for_them(veridical: Callable[..., Any], run: Path) -> None:
    assert veridical("probe", run, *ATTACK).code == 0
    own = _outcomes(run)["adversarial"]
    assert "accuracy under deepwordbug" in _curves(run)
    assert not any("beam" in name for name in _curves(run))
    assert veridical("probe", run, *ATTACK, "--kinds", "beam,deepwordbug_paper,beam").code == 0
    found = _outcomes(run)["adversarial"]
    assert _curves(run) == ["accuracy under deepwordbug_paper", "accuracy under beam"]
    assert found["params"]["recipes"] == ["deepwordbug_paper", "beam"]
    assert all(curve["at"] == [0.0, 10.0, 30.0, 100.0] for curve in found["curves"])
    left = [[e["value"] for e in curve["estimates"]] for curve in found["curves"]]
    assert all(values == sorted(values, reverse=True) and values[-1] < values[0] for values in left)
    assert "accuracy under beam" in (run / "report.html").read_text(encoding="utf-8")
    # The same recipes, in any order, are answered by what is stored; other probes leave it where it is.
    assert veridical("probe", run, *ATTACK, "--kinds", "deepwordbug_paper,beam").code == 0
    assert _outcomes(run)["adversarial"] == found
    assert veridical("probe", run, "--only", "calibration", "--quiet").code == 0
    assert _outcomes(run)["adversarial"] == found
    # Without names they are those of the probe again.
    assert veridical("probe", run, *ATTACK).code == 0
    timeless = {"seconds": 0, "counts": 0}
    assert {**_outcomes(run)["adversarial"], **timeless} == {**own, **timeless}


def test_pwws_asking_again_is_tried_where_there_is_a_thesaurus(veridical: Callable[..., Any], run: Path) -> None:
    from veridical.probe.attack import RECIPES

    assert veridical("probe", run, *ATTACK, "--kinds", "pwws_asking_again").code == 0
    outcome = _outcomes(run)["adversarial"]
    assert outcome["params"]["recipes"] == ["pwws_asking_again"]
    if RECIPES["pwws_asking_again"].missing(["good"]):
        assert outcome["why"].startswith("Recipe pwws_asking_again was not tried.")
    else:
        assert outcome["why"] or _curves(run) == ["accuracy under pwws_asking_again"]


def test_texts_that_a_named_recipe_turned_are_read(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    write = ("probe", run, "--label-sheet", sheet, "--only", "adversarial", "--budget", "quick", "--kinds", "beam")
    said = veridical(*write, "--rows", 50)
    assert said.code == 0, said.err
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = [{**line, "answer": "yes"} for line in csv.DictReader(file)]
    assert len(lines) >= 5
    write_csv(sheet, lines)
    assert veridical("probe", run, *ATTACK, "--kinds", "deepwordbug_paper").code == 0
    assert veridical("probe", run, "--label-answers", sheet, "--quiet").code == 0
    measures = [measure["name"] for measure in _outcomes(run)["adversarial"]["measures"]]
    assert "label kept, reviewed (beam)" in measures
    assert _outcomes(run)["adversarial"]["params"]["recipes"] == ["deepwordbug_paper", "beam"]


@pytest.mark.parametrize(
    ("arguments", "says", "in_chinese"),
    [
        (("--only", "adversarial", "--kinds", "beem"), "Did you mean 'beam'? Known: beam,", "未知的攻击配方 'beem'"),
        (("--only", "shift,robustness", "--kinds", "beam"), "--only robustness,shift attacks nothing", "请在 --only 中加上"),
        (("--kinds", " , "), "--kinds ' , ' names nothing", "没有写出任何名称"),
        (("--only", ","), "--only ',' names nothing", "没有写出任何名称"),
        (("--suite", "sentiment_en", "--kinds", "beam"), "--suite takes none", "--suite 不用它"),
        (("--contrast", "x.csv", "--kinds", "beam"), "--contrast takes none", "--contrast 不用它"),
        (("--label-answers", "x.csv", "--kinds", "beam"), "--label-answers takes none", "请不用 --kinds"),
    ],
)  # fmt: skip
def test_kinds_that_nothing_takes_are_refused(
    veridical: Callable[..., Any], run: Path, arguments: tuple[str, ...], says: str, in_chinese: str
) -> None:
    for language, expected in (("en", says), ("zh", in_chinese)):
        said = veridical("probe", run, *arguments, "--lang", language)
        assert (said.code, expected in said.err, "Traceback" in said.err) == (2, True, False), said.err
    assert not (run / "probes.json").exists()
