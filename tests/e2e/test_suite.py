"""Suites of one's own through the command line: a model that adds up words fails where a denial stands, and nowhere else."""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import BAD, GOOD, sentences, write_csv

ROLES = ("--text", "text", "--label", "label", "--id", "id", "--no-repair", "--probes", "none", "--quiet")
SUITE = """
name: words
labels: {bad: [negative], good: [positive]}
words:
  nice: [great, lovely, wonderful, tasty, friendly, excellent]
  ill: [awful, rude, stale, broken, terrible, noisy]
  day: [monday, friday, sunday]
tests:
  - {name: praise, capability: words, type: MFT, expect: good, templates: ["the soup was {nice} {nice}"]}
  - {name: denied, capability: negation, type: MFT, expect: bad, templates: ["the soup was not {nice} and not {nice}"]}
  - {name: days, capability: names, type: INV, vary: day, templates: ["{nice} soup on {day}"]}
  - {name: worse, capability: direction, type: DIR, label: bad, goes_not: down, variants: [["soup", "soup {ill}"]]}
"""


ADDS_UP = f"""
GOOD, BAD = {set(GOOD)!r}, {set(BAD)!r}


def score(texts):
    sums = [sum((w in GOOD) - (w in BAD) for w in text.split()) for text in texts]
    shares = [min(max(0.5 + 0.2 * s, 0.05), 0.95) for s in sums]
    return [{{"pos": share, "neg": 1 - share}} for share in shares]
"""


@pytest.fixture
def run(veridical: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "adds_up.py").write_text(ADDS_UP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "adds_up", raising=False)
    rows = sentences(random.Random(2), 200, language="en")
    train, test = write_csv(tmp_path / "train.csv", rows[:100]), write_csv(tmp_path / "test.csv", rows[100:])
    assert veridical("run", train, "--test", test, *ROLES, "--model", "adds_up:score", "--out", tmp_path / "run").code == 0
    return tmp_path / "run"


def _rates(run: Path) -> dict[str, tuple[float, str]]:
    record = json.loads((run / "probes.json").read_text(encoding="utf-8"))
    (outcome,) = [found for found in record["probes"] if found["probe"] == "suite_file"]
    return {m["name"].removeprefix("fails: ").split(" (")[0]: (m["estimate"]["value"], m["status"]) for m in outcome["measures"]}


def test_a_suite_in_yaml_and_its_cases_in_lines_say_the_same(veridical: Callable[..., Any], run: Path, tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(SUITE, encoding="utf-8")
    said = veridical("probe", run, "--suite", file, "--suite-labels", "bad=neg,good=pos")
    assert said.code == 0, said.err
    assert "Written tests: found." in said.out
    rates = _rates(run)
    assert rates["denied"] == (1.0, "found")
    assert {rates[name] for name in ("praise", "days", "worse")} == {(0.0, "not_detected")}
    lines = [
        {"test": "denied", "type": "MFT", "examples": [f"the soup was not {w} and not {w}"], "label": "neg"}
        for w in ("great", "lovely", "wonderful")
    ]
    lines += [{"test": "praise", "type": "MFT", "examples": ["the soup was great great"], "label": "pos"}]
    other = tmp_path / "words.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert "自编测试" in veridical("probe", run, "--suite", other, "--lang", "zh").out
    assert {name: rate for name, (rate, _) in _rates(run).items()} == {"denied": 1.0, "praise": 0.0}
    # It stands beside other probes whatever their budget, and in the report.
    assert veridical("probe", run, "--only", "calibration", "--budget", "quick", "--quiet").code == 0
    assert _rates(run)["denied"][0] == 1.0
    assert "Written tests" in (run / "report.html").read_text(encoding="utf-8")


def test_our_own_suite_can_be_given_with_other_labels(veridical: Callable[..., Any], run: Path) -> None:
    said = veridical("probe", run, "--suite", "sentiment_en", "--suite-labels", "negative=neg,positive=pos")
    assert said.code == 0, said.err
    assert "denied praise" in _rates(run)


@pytest.mark.parametrize(
    ("suite", "labels", "says"),
    [
        (SUITE, "", "--suite-labels bad=neg"),
        (SUITE, "bad=neg,fine=pos", "Unknown label of the suite 'fine'"),
        (SUITE, "bad=neg,good=poz", "Did you mean 'pos'?"),
        (SUITE, "bad", "give pairs like bad=neg"),
        ("a: b: c", "", "is no YAML"),
        (None, "", "no suite of tests"),
        ('{"test": "t", "type": "MFT", "examples": [["a", "b"]], "label": "pos"}', "", "reads texts"),
        ('{"test": "t", "type": "MFT", "examples": ["a"], "label": "mixed"}', "", "(neg, pos) are not known to mean"),
    ],
)
def test_what_a_suite_must_hold(
    veridical: Callable[..., Any], run: Path, tmp_path: Path, suite: str | None, labels: str, says: str
) -> None:
    file = tmp_path / ("own.jsonl" if suite and suite.startswith("{") else "own.yaml")
    if suite is not None:
        file.write_text(suite, encoding="utf-8")
    said = veridical("probe", run, "--suite", file, *(("--suite-labels", labels) if labels else ()))
    assert said.code == 2
    assert says in said.err
    assert "Traceback" not in said.err
    assert not (run / "probes.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "says", "chinese"),
    [
        ("a.jsonl", '{"text": "a", "template": "b", "person": "c"}\n[1]\n', "Line 2 of {} is no JSON object; ", "第 2 行不是"),
        ("b.csv", "text;template;person\na;b;c\n", "{} needs the columns text (or sentence), template and ", "以逗号分隔"),
        ("c.tsv", "text\ttemplate\tperson\na\tb\tc\n", "separated by commas; its first line names", "以逗号分隔"),
        ("d.csv", "text,template,person\n", "{} has a header and no rows; ", "{} 只有表头，没有数据行"),
    ],
)  # fmt: skip
def test_a_broken_file_of_persons_is_refused_in_a_sentence(
    veridical: Callable[..., Any], run: Path, tmp_path: Path, name: str, content: str, says: str, chinese: str
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    for language, wanted in (("en", says), ("zh", chinese)):
        said = veridical("probe", run, "--suite", file, "--lang", language)
        assert said.code == 2
        assert wanted.format(file) in said.err
        assert "YAML" not in said.err
        assert "mapping" not in said.err


def test_lines_of_pairs_are_for_models_of_pairs(veridical: Callable[..., Any], tmp_path: Path) -> None:
    rng, rows = random.Random(5), []
    for k in range(300):
        same = rng.random() < 0.5
        first, other = rng.sample(["soup", "hotel", "phone", "book"], 2)
        rows.append({"id": str(k), "a": f"a {first} {k}", "b": f"the {first if same else other} {k}", "label": "yn"[not same]})
    train, test = write_csv(tmp_path / "train.csv", rows[:200]), write_csv(tmp_path / "test.csv", rows[200:])
    roles = ("--text", "a", "--second", "b", "--label", "label", "--id", "id", "--no-repair", "--probes", "none", "--quiet")
    assert veridical("run", train, "--test", test, *roles, "--out", tmp_path / "run").code == 0
    cases = [{"test": "same", "type": "MFT", "examples": [[f"a soup {k}", f"the soup {k}"]], "label": "y"} for k in range(5)]
    cases += [{"test": "swap", "type": "INV", "examples": [["a soup", "soup"], ["one soup", "soup"]]}]
    cases += [{"test": "other", "type": "MFT", "examples": [["a soup", "the hotel"]], "label": "n"}]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(case) + "\n" for case in cases), encoding="utf-8")
    said = veridical("probe", tmp_path / "run", "--suite", file)
    assert said.code == 0, said.err
    assert set(_rates(tmp_path / "run")) == {"same", "swap", "other"}


PERSONS = {"male": ["adam", "roger", "he", "alan", "john"], "female": ["ellen", "nancy", "she", "betsy", "jane"]}


def _about_persons(path: Path) -> Path:
    templates = ["{} said the soup was {}", "{} called our room {}", "the film made {} feel {}", "{} wrote that it was {}"]
    lines = [
        {"text": template.format(person, word), "template": template, "person": person, "gender": gender, "emotion_word": word}
        for template in templates
        for word in ("great", "lovely", "awful", "rude")
        for gender, persons in PERSONS.items()
        for person in persons
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_sentences_that_differ_in_the_person_alone_find_a_leaning_and_are_silent_without_one(
    veridical: Callable[..., Any], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _about_persons(tmp_path / "persons.jsonl")
    said = veridical("probe", run, "--suite", file)
    assert said.code == 0, said.err
    assert "Written tests: not detected" in said.out
    leans = ADDS_UP.replace("0.5 + 0.2 * s", "0.5 + 0.2 * s + 0.1 * m")
    leans = leans.replace("for text in texts]", "for text in texts]\n    men = [bool(MEN & set(t.split())) for t in texts]", 1)
    leans = leans.replace("for s in sums", "for s, m in zip(sums, men)").replace(
        "GOOD, BAD =", f"MEN = {set(PERSONS['male'])}\nGOOD, BAD ="
    )
    (tmp_path / "leans.py").write_text(leans, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "leans", raising=False)
    rows = (tmp_path / "train.csv", "--test", tmp_path / "test.csv", *ROLES)
    assert veridical("run", *rows, "--model", "leans:score", "--out", tmp_path / "leaning").code == 0
    said = veridical("probe", tmp_path / "leaning", "--suite", file)
    assert said.code == 0, said.err
    assert "Written tests: found." in said.out
    (outcome,) = json.loads((tmp_path / "leaning" / "probes.json").read_text(encoding="utf-8"))["probes"]
    largest = next(m for m in outcome["measures"] if m["name"] == "largest_shift (gender)")
    assert largest["estimate"]["value"] == pytest.approx(10.0)
    assert "comes with gender: 10.0 points" in outcome["summary"]
    assert "性别" in veridical("probe", tmp_path / "leaning", "--suite", file, "--lang", "zh").out
    said = veridical("probe", run, "--suite", file, "--suite-labels", "a=neg")
    assert (said.code, "Leave --suite-labels out" in said.err) == (2, True)
