"""Edits whose cost is known, common random numbers, and how often an edit keeps the label."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.errors import SurroundingsError
from veridical.core.estimate import Estimate
from veridical.core.finding import Skipped
from veridical.core.probe_record import Measure
from veridical.probe import _back_translation, perturbations, robustness
from veridical.probe._clustered import mean
from veridical.probe._edit_review import drawn, tallied
from veridical.probe._label_kept import kept_by_reference, reference_of
from veridical.probe._runner import run_probe
from veridical.probe._share import paired_estimate, share_estimate
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.attack import RECIPES
from veridical.probe.robustness import Params, probe
from veridical.report.sentences import translated


@pytest.fixture(scope="module")
def data():
    """Every label word stands once in a row; the labels take turns."""
    rng, rows = np.random.default_rng(0), []
    for i in range(160):
        word = ("terrible", "wonderful")[i % 2]
        text = f"{nonsense(rng, 2)} {word} {nonsense(rng, 2)}"
        rows.append((str(i), "train" if i < 60 else "test", text, ("neg", "pos")[i % 2]))
    return dataset(rows)


def spelt(text):
    return (3.0, 0.0) if "terrible" in str(text).split() else (0.0, 3.0)


def run(subject, **changes):
    return robustness.run(subject, replace(Params(), **changes), np.random.default_rng(0))


def test_a_slip_in_every_word_costs_half_where_one_word_decides(data):
    found = run(subject_of(data, ToyModel(data.labels, spelt)), strengths=(1.0,))
    losses = {m.name: m for m in found.measures}
    keyboard = losses["loss (keyboard, 100 %)"]
    assert keyboard.estimate.value == pytest.approx(50.0)
    assert keyboard.estimate.low > 35
    assert keyboard.p < 0.001
    assert losses["flips (keyboard, 100 %)"].estimate.value == pytest.approx(0.5)
    still = losses["loss (punctuation, 100 %)"]
    assert (still.estimate.value, still.p) == (0.0, 1.0)
    assert still.estimate.low < 0 < still.estimate.high
    assert still.mde > 0


def test_curves_start_at_the_text_as_it_is_and_examples_are_right_before(data):
    found = run(subject_of(data, ToyModel(data.labels, spelt)))
    curve = next(c for c in found.curves if c.name == "accuracy under ocr")
    assert curve.at == (0.0, 0.1, 0.3)
    assert [e.value for e in curve.estimates] == sorted((e.value for e in curve.estimates), reverse=True)
    assert curve.estimates[0].value == 1.0
    example = found.examples[0]
    assert (example.said_before, example.said_after) == ("neg", "pos")
    assert "terrible" in example.before
    assert "terrible" not in example.after.split()


def test_models_are_asked_the_same_edits_in_few_calls(data):
    heard = []

    def listening(seed):
        calls = []

        class Model(ToyModel):
            def predict(self, inputs):
                calls.append(list(inputs))
                return super().predict(inputs)

        subject = subject_of(data, Model(data.labels, lambda text: (float(len(str(text)) % 7 + seed), 3.0)))
        calls.clear()
        run(subject)
        heard.append(calls)

    listening(0)
    listening(1)
    assert heard[0] == heard[1]
    assert len(heard[0]) == 2


def test_only_predictions_are_skipped_with_the_reason(data):
    subject = replace(subject_of(data, ToyModel(data.labels, spelt)), queries=None)
    assert "predictions" in run_probe("robustness", probe, subject=subject).why


def test_texts_without_a_place_are_not_judged(data):
    marks = dataset([(str(i), "test" if i else "train", "?" * (i + 1), "pos" if i % 2 else "neg") for i in range(20)])
    found = run(subject_of(marks, ToyModel(marks.labels, spelt)))
    assert isinstance(found, Skipped)
    assert "30" in found.why


def test_meaning_changing_edits_are_described_not_judged():
    rows = [(str(i), "test" if i > 3 else "train", f"w{i} is good and w{i + 100} was here", "ab"[i % 2]) for i in range(60)]
    given = dataset(rows)
    model = ToyModel(given.labels, lambda text: (3.0, 0.0) if " not " in str(text) else (0.0, 3.0))
    found = {m.name: m for m in run(subject_of(given, model)).measures}
    assert found["flips (negation, 30 %)"].estimate.value == 1.0
    assert found["flips (negation, 30 %)"].null is None
    assert "loss (negation, 30 %)" not in found
    # Whether the label holds all the same is for readers to say.
    subject = subject_of(given, model)
    pool = robustness.edits(subject, Params(), np.random.default_rng(0))
    denied = [one for one in pool if one.kind == "negation, 30 %"]
    assert denied
    assert all(" not " in one.after for one in denied)
    said = tallied((one.kind, one.right, "no") for one in denied)
    kept = {m.name: m for m in run(replace(subject, reviewed=said)).measures}["label kept, reviewed (negation, 30 %)"]
    assert kept.estimate.value == 0.0


def test_the_reference_says_how_often_the_label_stays(data):
    subject = subject_of(data, ToyModel(data.labels, spelt))
    places = np.arange(len(subject.rows))
    reference = reference_of(subject, places, most=1000, rng=np.random.default_rng(0))
    assert reference.right.mean() > 0.95
    swap = {"terrible": "wonderful", "wonderful": "terrible"}
    able = [i for i in places.tolist() if reference.right[i]]
    edits = [
        (i, " ".join(swap.get(word, word) for word in subject.inputs[i].split()) if n % 2 else subject.inputs[i])
        for n, i in enumerate(able)
    ]
    found = kept_by_reference("half swapped", reference, edits, subject.codes, subject.clusters, level=0.95)
    assert found.estimate.value == pytest.approx(0.5, abs=0.02)
    assert found.null is None
    assert "lower bound" in found.about


def test_the_reference_is_of_another_family_than_the_model(data):
    from veridical.train.training import train

    linear = train(data, model="linear", seed=0).model
    families = [
        reference_of(subject_of(data, used), np.arange(20), most=1000, rng=np.random.default_rng(0)).family
        for used in (linear, ToyModel(data.labels, spelt))
    ]
    assert families == ["word Bayes", "linear"]


def test_without_train_rows_there_is_no_reference(data):
    alone = data.take(data.rows("test"))
    found = run(subject_of(alone, ToyModel(data.labels, spelt)))
    assert not [m for m in found.measures if m.name.startswith("label kept")]
    assert "not known" in found.notes[-1]


def test_reviewed_answers_replace_the_reference_and_correct_the_accuracy(data):
    subject = subject_of(data, ToyModel(data.labels, spelt))
    pool = robustness.edits(subject, Params(), np.random.default_rng(0))
    ocr = [one for one in pool if one.kind == "ocr, 30 %"]
    assert {one.kind for one in pool} > {"ocr, 30 %", "keyboard, 30 %"}
    assert all(one.before != one.after and one.label in data.labels for one in pool)
    # Planted: a reader cannot make out the word in any edit that turned the answer.
    answers = [(one.kind, one.right, "yes" if one.right else "no") for one in drawn(ocr, n=60, rng=np.random.default_rng(1))]
    found = {m.name: m for m in run(replace(subject, reviewed=tallied(answers))).measures}
    wrong = sum(not one.right for one in ocr) / len(ocr)
    assert 0.1 < wrong < 0.9
    assert found["label kept, reviewed (ocr, 30 %)"].estimate.value == pytest.approx(1 - wrong, abs=0.03)
    assert found["accuracy, label kept (ocr, 30 %)"].estimate.value == 1.0
    assert "label kept, reference (ocr, 30 %)" not in found
    assert "label kept, reference (keyboard, 30 %)" in found
    plain = {m.name: m for m in run(subject).measures}
    assert plain["loss (ocr, 30 %)"] == found["loss (ocr, 30 %)"]  # the sheet holds the very edits that were judged
    assert 100 * wrong == pytest.approx(plain["loss (ocr, 30 %)"].estimate.value, abs=6)


def test_shares_keep_a_width_where_nothing_differs():
    clusters = np.arange(50)
    none = share_estimate(mean(np.zeros(50), clusters), level=0.95)
    assert (none.low, none.value) == (0.0, 0.0)
    assert none.high == pytest.approx(0.0714, abs=0.001)
    some = share_estimate(mean((np.arange(50) < 20).astype(float), clusters), level=0.95)
    assert some.low < 0.4 < some.high
    assert paired_estimate(mean(np.zeros(50), clusters), level=0.95, scale=100.0).high == pytest.approx(7.14, abs=0.1)


@pytest.fixture
def fake_apertium(tmp_path, monkeypatch):
    """A command of that name which lists the pair and puts every text in capitals."""
    script = tmp_path / "apertium"
    script.write_text('#!/bin/sh\nif [ "$1" = -l ]; then echo "  en-es"; echo "  es-en"; else tr a-z A-Z; fi\n')
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return script


def test_back_translation_goes_there_and_back_in_two_calls(fake_apertium):
    assert _back_translation.missing() is None
    assert _back_translation.back_translated(["one\ntwo", ("", "b")]) == ["ONE TWO", ("", "B")]


def test_back_translation_is_one_kind_of_edit(fake_apertium):
    rows = [(str(i), "test", f"the film w{i} is good", "ab"[i % 2]) for i in range(60)]
    given = dataset(rows)
    found = run(subject_of(given, ToyModel(given.labels, lambda text: (0.0, 1.0 if "film" in str(text) else -1.0))))
    loss = {m.name: m for m in found.measures}["loss (back_translation)"]
    assert loss.estimate.value == pytest.approx(0.0)
    assert {m.name: m for m in found.measures}["flips (back_translation)"].estimate.value == 1.0


def test_without_apertium_it_is_said_what_to_install(monkeypatch, fake_apertium):
    fake_apertium.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(SurroundingsError, match="apertium"):
        _back_translation.back_translated(["a"])
    monkeypatch.setenv("PATH", "")
    assert "apt-get install apertium" in _back_translation.missing()


def test_pairs_are_edited_in_both_texts(data):
    pairs = data.with_column("second", [f"second of {i}" for i in range(len(data))])
    seen = []

    def answer(text):
        seen.append(text)
        return spelt(text[0])

    found = run(subject_of(pairs, ToyModel(data.labels, answer)), strengths=(1.0,))
    assert {m.name: m for m in found.measures}["loss (keyboard, 100 %)"].estimate.value == pytest.approx(50.0)
    assert all(isinstance(text, tuple) for text in seen)
    assert any(not second.startswith("second of ") for _, second in seen)


def test_every_kind_of_edit_stands_in_the_guide():
    guide = (Path(__file__).parents[3] / "docs" / "guide" / "changed-texts.md").read_text(encoding="utf-8")
    assert not [name for name in (*perturbations.NAMES, robustness.BACK) if f"`{name}`" not in guide]
    assert not [name for name in RECIPES if f"`{name}`" not in guide]


@pytest.mark.parametrize(("low", "said"), [(0.5, "taken alone the clearest is"), (-0.5, "the largest is")])
def test_what_is_said_of_the_losses_promises_nothing_of_them_together(low: float, said: str) -> None:
    estimate = Estimate(3.0, low, 5.5, 0.95, 100, 100, "made up")
    losses = [Measure(f"loss ({kind}, 30 %)", estimate, "points", "Made up.") for kind in ("ocr", "homoglyphs")]
    summary = robustness._summary(losses)
    assert summary.startswith(f"2 edits tried; {said} ")
    assert "surely" not in summary
    assert translated(summary, "zh").startswith("试了 2 种改动；")
