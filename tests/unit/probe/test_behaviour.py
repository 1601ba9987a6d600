"""Suites read from files, failure rates that are known, and labels that cannot be told."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from veridical.audit._made_up import dataset
from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.core.multiplicity import holm
from veridical.core.proportion import wilson
from veridical.models.queries import Queries
from veridical.probe import behaviour
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._suite_judging import judged
from veridical.probe._suites import Suite, SuiteTest, own_suite, own_suites, parsed, read_suite
from veridical.probe._toys import ToyModel
from veridical.probe.behaviour import Params, probe
from veridical.report.sentences import translated_error

SUITE = """
name: colours
labels: {warm: [w], cold: [c]}
words: {colour: [red, orange], chill: [blue, green, grey], who: [Ann, Bob, Cid]}
tests:
  - {name: warm ones, capability: words, type: MFT, expect: warm, templates: ["it is {colour}", "{colour} it is"]}
  - {name: cold ones, capability: words, type: MFT, expect: [cold], templates: ["it is {chill}"]}
  - {name: who, capability: names, type: INV, vary: who, templates: ["{who} likes {colour}"]}
  - {name: both, capability: noise, type: INV, variants: [["{chill}", "oh {chill}", "{chill} !"]]}
  - {name: more, capability: direction, type: DIR, label: warm, goes_not: down, variants: [["{chill}", "{chill} and red"]]}
"""


def rng():
    return np.random.default_rng(0)


def data_of(labels=("c", "w"), text="this is a text and it was written"):
    return dataset([(str(i), "test", f"{text} {i}", labels[i % len(labels)]) for i in range(40)])


@pytest.fixture
def colours(tmp_path):
    path = tmp_path / "colours.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


def rates(answer, path, data=None, **changes):
    data = data or data_of()
    subject = subject_of(data, ToyModel(data.labels, answer))
    params = replace(Params(suite=path, fewest=1), **changes)
    return {m.name: m for m in behaviour.run(subject, params, rng()).measures}


def test_failure_rates_are_those_of_the_cases(colours):
    """Red is warm, all else cold; Bob turns it; `oh` shifts the answer without turning it."""

    def answer(text):
        warm = 1.0 if "red" in text.casefold() else -1.0
        return 0.0, -5.0 * warm if "Bob" in text else warm * (0.9 if "oh" in text.casefold() else 1.0)

    found = rates(answer, colours)
    assert found["fails: warm ones (colours)"].estimate.value == 0.5
    assert found["fails: warm ones (colours)"].estimate.n == 4
    assert found["fails: cold ones (colours)"].estimate.value == 0.0
    assert found["fails: who (colours)"].estimate.value == 1.0
    assert found["fails: both (colours)"].estimate.value == 0.0
    assert found["fails: more (colours)"].estimate.value == 0.0


def test_directions_fail_only_beyond_the_tolerance(colours):
    def answer(text):
        return 0.0, -0.5 if " and red" in text.casefold() else 0.0

    fall = 0.5 - 1 / (1 + np.exp(0.5))
    assert rates(answer, colours, tolerance=fall - 0.01)["fails: more (colours)"].estimate.value == 1.0
    assert rates(answer, colours, tolerance=fall + 0.01)["fails: more (colours)"].estimate.value == 0.0


def test_intervals_are_wilson_s_and_p_values_are_corrected_for_all_tests(colours):
    data = data_of()
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 1.0)))
    outcome = run_probe("behaviour", replace(probe, params=Params(suite=colours, fewest=1)), subject=subject)
    cold = outcome.measure("fails: cold ones (colours)")
    assert (cold.estimate.low, cold.estimate.high) == wilson(3, 3)
    assert cold.p == pytest.approx(0.05**3)
    adjusted = dict(zip([m.name for m in outcome.measures], holm([m.p for m in outcome.measures]), strict=True))
    assert {m.name for m in outcome.measures if m.status == "found"} == {n for n, p in adjusted.items() if p <= 0.05}
    assert outcome.status == "found"
    assert outcome.examples[0].said_before.startswith("w ")
    assert "expected: cold" in outcome.examples[0].note


def test_everything_is_asked_in_one_call(colours):
    calls = []

    class Counting(ToyModel):
        def predict(self, inputs):
            calls.append(len(inputs))
            return super().predict(inputs)

    data = data_of()
    subject = subject_of(data, Counting(data.labels, lambda text: (0.0, 1.0)))
    calls.clear()
    behaviour.run(subject, Params(suite=colours, fewest=1), rng())
    assert len(calls) == 1


def test_labels_are_told_by_name_or_by_the_user(colours):
    def answer(text):
        return (0.0, 1.0) if "red" in text.casefold() else (1.0, 0.0)

    assert rates(answer, colours, data_of(("Cold", "WARM")))["fails: cold ones (colours)"].estimate.value == 0.0
    unknown = data_of(("0", "1"))
    said = behaviour.run(subject_of(unknown, ToyModel(unknown.labels, answer)), Params(suite=colours), rng())
    assert isinstance(said, Skipped)
    assert "--suite-labels warm=0,..." in said.why
    given = rates(answer, colours, unknown, labels=(("cold", "0"), ("warm", "1")))
    assert given["fails: cold ones (colours)"].estimate.value == 0.0
    swapped = rates(answer, colours, unknown, labels=(("cold", "1"), ("warm", "0")))
    assert swapped["fails: cold ones (colours)"].estimate.value == 1.0


def test_several_labels_of_the_data_may_stand_for_one(colours):
    stars = data_of(("1", "2", "4", "5"))
    pairs = (("cold", "1"), ("cold", "2"), ("warm", "4"), ("warm", "5"))
    found = rates(lambda text: (0.0, 1.0, 0.0, 0.0), colours, stars, labels=pairs)
    assert found["fails: cold ones (colours)"].estimate.value == 0.0
    assert found["fails: warm ones (colours)"].estimate.value == 1.0


def test_own_suites_are_asked_in_the_languages_of_the_rows():
    assert own_suites() == ("sentiment_en.yaml", "sentiment_zh.yaml")
    labels = ("negative", "positive")
    for text, languages in (("this is the text", {"(en)"}), ("这里的房间很干净", {"(zh)"})):
        data = data_of(labels, text)
        found = behaviour.run(subject_of(data, ToyModel(data.labels, lambda _: (0.0, 1.0))), Params(), rng())
        assert {m.name.split()[-1] for m in found.measures} == languages
        assert any("plain statement" in note for note in found.notes)
    other = data_of(labels, "Ceci n'est pas une phrase que l'on connaisse ici")
    assert (
        "neither language" in behaviour.run(subject_of(other, ToyModel(other.labels, lambda _: (0.0, 1.0))), Params(), rng()).why
    )


@pytest.mark.parametrize("name", ["sentiment_en.yaml", "sentiment_zh.yaml"])
def test_own_sentences_are_whole_and_different(name):
    suite = own_suite(name, most=100, rng=rng())
    assert {test.kind for test in suite.tests} == {"MFT", "INV", "DIR"}
    for test in suite.tests:
        assert len(test.cases) >= 15, test.name
        for case in test.cases:
            assert len(set(case)) == len(case), case
            assert not any(mark in sentence for sentence in case for mark in "{}")
            assert not any(" a e" in sentence or " a a" in sentence for sentence in case), case
    again = own_suite(name, most=100, rng=rng())
    assert again == suite


def test_a_model_with_a_neutral_class_is_asked_neutral_sentences():
    data = data_of(("negative", "neutral", "positive"), "this is the text")
    found = behaviour.run(subject_of(data, ToyModel(data.labels, lambda _: (0.0, 1.0, 0.0))), Params(), rng())
    values = {m.name: m.estimate.value for m in found.measures}
    assert values["fails: plain statement (en)"] == 0.0
    assert values["fails: denied complaint (en)"] == 0.0
    assert values["fails: denied praise (en)"] == 1.0


def test_a_checklist_dump_is_read_as_it_is(tmp_path):
    rows = [
        {"test": "single positive words", "type": "MFT", "capability": "Vocabulary", "examples": [word], "label": 2}
        for word in ("good", "great", "nice")
    ]
    rows += [
        {"test": "not negative", "type": "MFT", "capability": "Negation", "examples": ["it isn't bad"], "label": None},
        {"test": "not negative", "type": "MFT", "capability": "Negation", "examples": [None], "label": None},
        {"test": "opinion", "type": "MFT", "capability": "SRL", "examples": ["I like it"], "label": 2},
        {"test": "opinion", "type": "MFT", "capability": "SRL", "examples": ["I hate it"], "label": 0},
        {"test": "typos", "type": "INV", "capability": "Robustness", "examples": ["thanks", "thnaks"], "label": None},
        {"test": "reducers", "type": "DIR", "capability": "Vocabulary", "examples": ["bad", "a bit bad"], "label": None},
        {"test": "unheard of", "type": "DIR", "capability": "Vocabulary", "examples": ["a", "b"], "label": None},
    ]
    path = tmp_path / "suite.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = read_suite(path, most=2, rng=rng())
    tests = {test.name: test for test in suite.tests}
    opinions = {"opinion: positive", "opinion: negative"}
    assert set(tests) == {"single positive words", "not negative", "typos", "reducers"} | opinions
    assert len(tests["single positive words"].cases) == 3  # written cases are all read
    assert tests["single positive words"].expect == ("positive",)
    assert tests["not negative"].expect == ("neutral", "positive")
    assert tests["not negative"].cases == (("it isn't bad",),)
    assert (tests["reducers"].label, tests["reducers"].goes_not, tests["reducers"].unless) == ("predicted", "up", "neutral")
    assert suite.unread == ("unheard of",)
    path.write_text('{"test": 1}\n')
    with pytest.raises(InputError, match="Line 1"):
        read_suite(path, most=2, rng=rng())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "must be a mapping"),
        ("a: b: c", "no YAML"),
        ("{name: x, tests: [1]}", "no labels"),
        ("{labels: {a: []}, tests: [{type: MFT}]}", "with name"),
        ("{labels: {a: []}, tests: [{name: t, type: XYZ}]}", "Allowed: MFT, INV, DIR"),
        ("{labels: {a: []}, tests: [{name: t, type: MFT, templates: [x]}]}", "expect: a"),
        ("{labels: {a: []}, tests: [{name: t, type: MFT, expect: b, templates: [x]}]}", "none of the suite's labels"),
        ("{labels: {a: []}, tests: [{name: t, type: MFT, expect: a, templates: ['{x}']}]}", "no list"),
        ("{labels: {a: []}, tests: [{name: t, type: INV, templates: [x], vary: y}]}", "varies 'y'"),
        ("{labels: {a: []}, tests: [{name: t, type: INV, variants: [[x]]}]}", "two or more"),
        ("{labels: {a: []}, tests: [{name: t, type: DIR, label: a, variants: [[x, y]]}]}", "goes_not: down"),
        ("{labels: {a: []}, tests: [{name: t, kind: MFT}]}", "unknown key 'kind'"),
    ],
)
def test_suites_that_cannot_be_asked_are_refused_in_one_sentence(text, said):
    with pytest.raises(InputError, match=said):
        parsed(text, most=10, rng=rng(), where="here")


def test_missing_files_pairs_and_predictions_are_said(colours):
    data = data_of()
    subject = subject_of(data, ToyModel(data.labels, lambda _: (0.0, 1.0)))
    with pytest.raises(InputError, match="no suite of tests"):
        behaviour.run(subject, Params(suite="nowhere.yaml"), rng())
    assert "predictions" in behaviour.run(replace(subject, queries=None), Params(suite=colours), rng()).why
    pairs = data.with_column("second", ["b"] * len(data))
    assert (
        "pairs" in behaviour.run(subject_of(pairs, ToyModel(data.labels, lambda _: (0.0, 1.0))), Params(suite=colours), rng()).why
    )


def test_the_suite_of_the_guide_can_be_asked():
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "changed-texts.md").read_text(encoding="utf-8")
    suite = parsed(guide.split("```yaml\n")[1].split("```")[0], most=20, rng=rng(), where="guide")
    assert [(test.kind, len(test.cases)) for test in suite.tests] == [("MFT", 9), ("INV", 3), ("DIR", 9)]
    assert ("The parcel was late.", "The parcel was late. Still waiting after 12 days.") in suite.tests[2].cases


def _lines(tmp_path, *rows):
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps({"capability": "c", **row}) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_a_file_of_lines_names_its_own_labels_and_directions(tmp_path):
    path = _lines(
        tmp_path,
        {"test": "warm", "type": "MFT", "examples": ["it is red"], "label": "w"},
        {"test": "either", "type": "MFT", "examples": ["it is grey"], "label": ["w", "c"]},
        {"test": "cold", "type": "MFT", "examples": ["it is red, not"], "label": "c"},
        {"test": "more", "type": "DIR", "examples": ["red", "red, hardly"], "label": "w", "goes_not": "up"},
        {"test": "less", "type": "DIR", "examples": ["red", "red, hardly"], "label": "w", "goes_not": "down"},
        {"test": "far", "type": "DIR", "examples": ["red", "red, hardly"], "label": "w", "goes_not": "down", "against": "c"},
    )

    def answer(text):
        return 0.0, (0.2 if "hardly" in text else 1.0)  # 0.73 warm, hardly: 0.55

    found = rates(answer, path)
    values = {name.removeprefix("fails: ").split(" (")[0]: m.estimate.value for name, m in found.items()}
    assert values == {"warm": 0.0, "cold": 1.0, "more": 0.0, "less": 1.0, "far": 1.0}  # either: nothing could fail
    # Against the other class a difference counts twice: 0.36 where the probability itself moves by 0.18.
    values = {m.name: m.estimate.value for m in rates(answer, path, tolerance=0.25).values()}
    assert values["fails: less (own)"] == 0.0
    assert values["fails: far (own)"] == 1.0


def test_cases_that_cannot_fail_are_left_out_as_checklist_leaves_them_out():
    labels = ("negative", "neutral", "positive")
    suite = Suite(
        "s", "en", {name: (name,) for name in labels},
        (SuiteTest("up", "c", "DIR", (("sure", "x"), ("so", "x"), ("dull", "x")), (), "predicted", "up", "", "neutral"),),
    )  # fmt: skip

    def answer(text):  # sure: 0.96 positive; so: 0.58; dull: neutral; x: 0.96
        return {"sure": (0.0, 0.0, 4.0), "so": (0.0, 0.0, 1.0), "dull": (0.0, 3.0, 0.0), "x": (0.0, 0.0, 4.0)}[text]

    found = judged(Queries(ToyModel(labels, answer)), [suite], labels, behaviour.judging(Params(fewest=1)))
    (rate,) = found.measures
    assert (rate.estimate.value, rate.estimate.n) == (1.0, 1)  # only `so` tells, and it goes up
    assert any("2 cases of tests of direction tell nothing" in note for note in found.notes)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"test": "t", "type": "XYZ", "examples": ["a"], "label": 0}, "type is 'XYZ'"),
        ({"test": "t", "type": "MFT", "examples": "a", "label": 0}, "list of texts"),
        ({"test": "t", "type": "MFT", "examples": [["a", "b", "c"]], "label": 0}, "list of two texts"),
        ({"test": "t", "type": "MFT", "examples": ["a"]}, "no 'label'"),
        ({"test": "t", "type": "MFT", "examples": ["a"], "label": 7}, "no case"),
        ({"test": "t", "type": "DIR", "examples": ["a", "b"], "label": "w", "goes_not": "left"}, "allowed: down, up"),
        ({"test": "t", "type": "INV", "examples": ["a"]}, "two examples where the type is INV or DIR"),
    ],
)
def test_lines_that_are_no_cases_are_refused(tmp_path, row, said):
    with pytest.raises(InputError, match=said):
        read_suite(Path(_lines(tmp_path, row)), most=2, rng=rng())


def test_a_line_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "listed.jsonl"
    path.write_text('{"test": "t", "type": "MFT", "examples": ["a"], "label": 0}\n[1]\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 2 of .* is no case of a test .it is no object with test, type"):
        read_suite(path, most=2, rng=rng())


def test_a_line_that_is_nested_too_deeply_is_refused(tmp_path):
    path = tmp_path / "nested.jsonl"
    path.write_text('{"test": ' + "[" * 100_000 + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"Line 1 of .* is nested too deeply; each line is a case of a test\.") as refused:
        read_suite(path, most=2, rng=rng())
    assert "嵌套过深" in translated_error(str(refused.value), "zh")


def test_our_own_suites_go_by_their_names():
    assert read_suite(Path("sentiment_zh"), most=3, rng=rng()).language == "zh"
    with pytest.raises(InputError, match="one of ours: sentiment_en, sentiment_zh"):
        read_suite(Path("sentiment_fr"), most=3, rng=rng())
