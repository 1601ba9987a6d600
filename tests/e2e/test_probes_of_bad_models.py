"""Models and groups that probes cannot look at as they are: said, measured where it can be, and no reason to lose the rest."""

import csv
import itertools
import json
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import BAD, GOOD, sentences, write_csv
from tests.endpoint_server import Reply, serving

from veridical.report.sentences import translated

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair")
MODEL = f"""
import random

BAD, KNOWN, RNG = {set(BAD)!r}, set(), random.Random(0)


def plain(texts, noise=0.0):
    shares = [min(max((0.8 if BAD & set(t.split()) else 0.2) + RNG.uniform(-noise, noise), 0.01), 0.99) for t in texts]
    return [{{"neg": share, "pos": 1 - share}} for share in shares]


def one_label(texts):
    return [{{"pos": 1.0}} for _ in texts]


def sparse(texts):
    return [{{"neg" if BAD & set(text.split()) else "pos": 1.0}} for text in texts]


def nan(texts):
    return [{{"neg": float("nan"), "pos": 0.5}} for _ in texts]


def third(texts):
    return [{{"neg": 0.2, "pos": 0.5, "third": 0.3}} for _ in texts]


def one_less(texts):
    return plain(texts)[1:]


def fickle(texts):
    return plain(texts, noise=0.5)


def raises_on_nothing(texts):
    if any(not text.strip() for text in texts):
        raise ValueError("empty text")
    return plain(texts)


def nan_on_strange_words(texts):
    strange = [any(len(word) == 1 or not word.isalpha() for word in text.split()) for text in texts]
    return [{{"neg": float("nan"), "pos": 1.0}} if odd else said for odd, said in zip(strange, plain(texts))]
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    (tmp_path / "bad_models.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "bad_models", raising=False)
    rows = sentences(random.Random(6), 330, language="en")
    for number, row in enumerate(rows):
        row["author"], row["region"] = f"a{number}", "alone" if number == 0 else ("north", "south")[number % 2]
    return write_csv(tmp_path / "train.csv", rows[150:]), write_csv(tmp_path / "test.csv", rows[:150])


def _run(veridical: Callable[..., Any], files: tuple[Path, Path], *more: object) -> Any:
    return veridical("run", files[0], "--test", files[1], *ROLES, *more, "--out", "run", "--quiet")


def _outcomes() -> dict[str, dict[str, Any]]:
    return {p["probe"]: p for p in json.loads(Path("run/probes.json").read_text(encoding="utf-8"))["probes"]}


@pytest.mark.parametrize(
    ("model", "says"), [("nan", "gives nan"), ("third", "the label 'third'"), ("one_less", "gave 255; it must return a list")]
)
def test_answers_that_cannot_be_used_are_refused_before_anything_is_probed(
    veridical: Callable[..., Any], files: tuple[Path, Path], model: str, says: str
) -> None:
    said = _run(veridical, files, "--model", f"bad_models:{model}", "--probes", "quick")
    assert said.code == 2
    assert says in said.err
    assert "Traceback" not in said.err
    assert not Path("run/probes.json").exists()


def test_a_model_that_fails_on_some_inputs_loses_only_the_parts_that_ask_them(
    veridical: Callable[..., Any], files: tuple[Path, Path]
) -> None:
    assert _run(veridical, files, "--model", "bad_models:raises_on_nothing", "--probes", "quick").code == 0
    outcomes = _outcomes()
    names = ("calibration", "robustness", "shortcuts", "unseen_input")
    assert {outcomes[name]["status"] for name in names} <= {"found", "not_detected"}
    (note,) = [said for said in outcomes["unseen_input"]["notes"] if said.startswith("The model failed on a part of this probe")]
    assert "the empty input. bad_models:raises_on_nothing raised ValueError: empty text" in note
    assert "模型在该探测的一部分输入上失败，这一部分已略去：空输入" in translated(note, "zh")
    # Once it answers, it is asked again.
    text = Path("bad_models.py").read_text(encoding="utf-8").replace("not text.strip()", "False")
    Path("bad_models.py").write_text(text, encoding="utf-8")
    sys.modules.pop("bad_models")
    assert veridical("probe", "run", "--only", "unseen_input", "--quiet").code == 0
    assert "confidence_empty" in [measure["name"] for measure in _outcomes()["unseen_input"]["measures"]]


def test_answers_that_never_name_a_label_are_said_and_sparse_ones_are_not(
    veridical: Callable[..., Any], files: tuple[Path, Path], tmp_path: Path
) -> None:
    def warnings(model: str) -> list[str]:
        assert _run(veridical, files, *model.split(), "--probes", "none", "--fresh").code == 0
        record = json.loads(Path("run/run.json").read_text(encoding="utf-8"))
        return [said for said in record["warnings"] if "no probability" in said]

    (said,) = warnings("--model bad_models:one_label")
    head = r"bad_models:one_label gives 1 of 2 labels \('neg'\) no probability in any of \d+ answers, so "
    assert re.match(head + r"\d+ of \d+ tested rows cannot be answered rightly\. If answers leave", said)
    assert "在全部" in translated(said, "zh")
    assert "若回答误漏了标签" in translated(said, "zh")
    assert warnings("--model bad_models:sparse") == []
    with files[1].open(encoding="utf-8", newline="") as rows:
        lines = [json.dumps({"id": row["id"], "probabilities": {"pos": 1.0}}) for row in csv.DictReader(rows)]
    (tmp_path / "said.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (said,) = warnings(f"--predictions {tmp_path / 'said.jsonl'}")
    assert said.startswith(f"The file of predictions gives 1 of 2 labels ('neg') no probability in any of {len(lines)} answers")


def test_nan_on_changed_texts_is_said_by_each_probe_that_meets_it(
    veridical: Callable[..., Any], files: tuple[Path, Path]
) -> None:
    assert _run(veridical, files, "--model", "bad_models:nan_on_strange_words", "--probes", "quick").code == 0
    outcomes = _outcomes()
    assert "gives nan for label 'neg'" in outcomes["robustness"]["why"]
    assert outcomes["calibration"]["status"] != "skipped"


def test_a_model_that_changes_its_answers_is_measured_and_every_probe_says_so(
    veridical: Callable[..., Any], files: tuple[Path, Path]
) -> None:
    assert _run(veridical, files, "--model", "bad_models:fickle", "--probes", "robustness,calibration").code == 0
    record = json.loads(Path("run/run.json").read_text(encoding="utf-8"))
    assert any("changes its answers: asked twice," in warning for warning in record["warnings"])
    outcomes = _outcomes()
    assert outcomes["robustness"]["counts"]["changed"] > 0.5
    assert any("Asked twice," in note for note in outcomes["robustness"]["notes"])
    assert not any("Asked twice," in note for note in outcomes["calibration"]["notes"])  # it asked nothing


@pytest.mark.loopback
@pytest.mark.parametrize("failing", ["500", "timeout"])
def test_an_endpoint_that_dies_while_it_is_probed_keeps_what_was_found(
    veridical: Callable[..., Any], files: tuple[Path, Path], failing: str
) -> None:
    calls, alive = itertools.count(), True

    def answer(texts: list[Any]) -> Reply:
        if not alive and next(calls) >= 3:
            if failing == "500":
                return Reply("gone", 500)
            time.sleep(1.5)
        shares = [0.8 if set(BAD) & set(text.split()) else 0.2 for text in texts]
        return Reply([{"neg": share, "pos": 1 - share} for share in shares])

    with serving(answer) as served:
        settings = ("--model", served.address, "--retries", 0, "--timeout", 0.5, "--texts-per-request", 200)
        assert _run(veridical, files, *settings, "--probes", "none").code == 0
        alive = False
        probe = ("probe", "run", "--only", "calibration,shortcuts,unseen_input", "--budget", "quick", "--quiet")
        said = veridical(*probe)
        assert (said.code, "Traceback" in said.err) == (3, False), said.err
        assert served.address in said.err
        assert list(_outcomes()) == ["calibration"]
        alive = True
        assert veridical(*probe).code == 0
    assert set(_outcomes()) == {"calibration", "shortcuts", "unseen_input"}


def test_groups_of_one_row_are_left_out_and_named(veridical: Callable[..., Any], files: tuple[Path, Path]) -> None:
    assert _run(veridical, files, "--model", "bad_models:plain", "--group", "author", "--probes", "fairness").code == 0
    assert "(the largest has 1)" in _outcomes()["fairness"]["why"]
    assert _run(veridical, files, "--model", "bad_models:plain", "--group", "region", "--probes", "fairness", "--fresh").code == 0
    fairness = _outcomes()["fairness"]
    assert fairness["status"] in ("found", "not_detected", "described")
    assert any("1 groups were left out" in note and "alone" in note for note in fairness["notes"])


def test_a_contract_without_overlap_abstains_and_names_the_weights(
    veridical: Callable[..., Any], files: tuple[Path, Path]
) -> None:
    rng = random.Random(3)
    elsewhere = [{**row, "text": f"{rng.choice(GOOD)} {row['text'].split()[0]}"} for row in sentences(rng, 120, language="en")]
    write_csv(Path("elsewhere.csv"), elsewhere)
    Path("there.yaml").write_text("name: there\ngroups: {alone: 0.9, north: 0.1}\ntarget: elsewhere.csv\n", encoding="utf-8")
    more = ("--model", "bad_models:plain", "--group", "region", "--contract", "there.yaml")
    assert _run(veridical, files, *more).code == 0
    components = {c["name"]: c for c in json.loads(Path("run/run.json").read_text(encoding="utf-8"))["components"]}
    for name in ("groups", "shift"):
        assert (components[name]["status"], components[name]["points"]) == ("skipped", None)
    assert "effective rows, fewer than 50; the ten heaviest hold" in components["groups"]["why"]
    assert "only 0 of 120 rows of the target are like any test row" in components["shift"]["why"]
    assert "(the first of them: 'r0'" in components["groups"]["why"]
