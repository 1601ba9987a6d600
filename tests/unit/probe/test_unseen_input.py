"""Answers without evidence: known answers for a model of priors, a memorising model, pairs and Chinese."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Skipped
from veridical.core.probe_decision import decided
from veridical.dataset.rows import SCHEMA, Dataset
from veridical.probe import _no_evidence
from veridical.probe._runner import FAILED, run_probe
from veridical.probe._said import PART_FAILED
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.unseen_input import Params, probe, run


def _measured(subject):
    return {m.name: m for m in decided(run(subject, Params(), np.random.default_rng(0)).measures)}


def _noisy_rows(n_train=500, n_test=500):
    """Families of texts share words; labels are coin flips, so a near row says nothing about a label."""
    rng, rows = np.random.default_rng(3), []
    families = [nonsense(rng, 6).split() for _ in range(60)]
    for i in range(n_train + n_test):
        text = [*rng.choice(families[i % 60], 3, replace=False), *nonsense(rng, 5).split()]
        label = ("neg", "pos")[int(rng.random() < 0.5)]
        rows.append((str(i), "train" if i < n_train else "test", " ".join(text), label))
    return dataset(rows)


def test_a_model_of_priors_claims_nothing_and_lies_at_the_mix_of_train():
    rng = np.random.default_rng(0)
    rows = [(str(i), "train" if i < 300 else "test", nonsense(rng, 8), "a" if i % 10 < 7 else "b") for i in range(500)]
    data = dataset(rows)
    found = _measured(subject_of(data, ToyModel(data.labels, lambda text: (float(np.log(0.7 / 0.3)), 0.0))))
    for name, measure in found.items():
        if name.startswith("excess_"):
            assert abs(measure.estimate.value) < 1e-9
        if name.startswith("auroc_"):
            assert measure.estimate.value == 0.5
    pull = found["pull_to_train_mix"]
    assert abs(pull.estimate.value - 0.7) < 1e-9
    assert pull.status == "not_detected"
    assert found["largest_answer"].estimate.value == 1.0


def _without_cue(share, says, *, n=600):
    """`good` or `bad` decides; a text that holds neither gets the logits `says`. A `share` of the labels is pos."""
    rng, rows = np.random.default_rng(4), []
    for i in range(n):
        positive = i % 100 < 100 * share
        text = f"{nonsense(rng, 7)} {'good' if positive else 'bad'}"
        rows.append((str(i), "train" if i % 2 else "test", text, "pos" if positive else "neg"))
    data = dataset(rows)

    def answer(text):
        held = str(text).split()
        return says if not {"good", "bad"} & set(held) else (0.0, 4.0 if "good" in held else -4.0)

    return subject_of(data, ToyModel(data.labels, answer))


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_pull_to_the_mix_of_train_is_found_and_none_is_not(share):
    pulled, even, minority = (_measured(_without_cue(share, (0.0, z)))["pull_to_train_mix"] for z in (5.0, 0.0, -5.0))
    assert pulled.status == "found"
    assert {even.status, minority.status} == {"not_detected"}
    assert even.estimate.value == pytest.approx(0.5, abs=0.01)
    assert 0 < even.mde < 0.2
    for measure in (pulled, even, minority):
        assert 0 <= measure.estimate.low <= measure.estimate.high <= 1


def test_near_balance_the_pull_is_not_measured_and_said():
    subject = _without_cue(0.52, (0.0, 5.0))
    assert "pull_to_train_mix" not in _measured(subject)
    notes = run(subject, Params(), np.random.default_rng(0)).notes
    assert any("its larger ones hold 0.52 of the rows where an even share is 0.50" in note for note in notes)


def test_a_model_of_train_rows_is_pulled_and_a_rule_is_not():
    from veridical.models.linear import train_linear

    data = _noisy_rows()
    train = data.rows("train")
    memory = train_linear(data.inputs(train), data.codes[train], labels=data.labels)
    pulled = _measured(subject_of(data, memory))["pull_to_nearest_train_row"]
    assert pulled.estimate.low > 3
    rule = ToyModel(data.labels, lambda text: (0.0, 3.0 if len(text) % 2 else -3.0))
    calm = _measured(subject_of(data, rule))["pull_to_nearest_train_row"]
    assert calm.estimate.low < 0 < calm.estimate.high


def test_predictions_alone_are_skipped():
    data = _noisy_rows(100, 120)
    subject = replace(subject_of(data, ToyModel(data.labels, lambda text: (0.0, 0.0))), queries=None)
    assert isinstance(run(subject, Params(), np.random.default_rng(0)), Skipped)


def _ordered(*, n=700, cues=("good", "bad")):
    """Every row holds both cue words; which of them comes first is the label."""
    rng, rows = np.random.default_rng(5), []
    for i in range(n):
        first, second = cues if i % 2 else cues[::-1]
        text = f"{first} {nonsense(rng, 3)} {second} {nonsense(rng, 3)}"
        rows.append((str(i), "train" if i < 300 else "test", text, "pos" if i % 2 else "neg"))
    return dataset(rows)


def _first(text):
    held = [word for word in str(text).split() if word in ("good", "bad")]
    return held[0] if held else ""


def test_sure_of_words_in_any_order_is_found_only_where_the_answers_get_wrong():
    data = _ordered()
    logits = {"good": 4.0, "bad": -4.0, "": 0.0}
    careless = _measured(subject_of(data, ToyModel(data.labels, lambda text: (0.0, logits[_first(text)]))))
    # It knows that a row begins with its cue, and is not sure of one that does not.
    careful = ToyModel(data.labels, lambda text: (0.0, logits[_first(text)] if str(text).startswith(("good", "bad")) else 0.0))
    careful = _measured(subject_of(data, careful))
    assert careless["excess_word_shuffled"].status == "found"
    assert careless["excess_word_shuffled"].estimate.value == pytest.approx(0.48, abs=0.1)
    assert careful["excess_word_shuffled"].status == "not_detected"
    assert 0 < careful["excess_word_shuffled"].mde < 0.2
    assert careful["confidence_word_shuffled"].estimate.high < careless["confidence_word_shuffled"].estimate.low
    assert careless["answer_stays_word_shuffled"].estimate.value < 0.7


def test_to_a_model_that_counts_words_shuffled_ones_are_evidence():
    data = _noisy_rows()
    counting = ToyModel(data.labels, lambda text: (0.0, 9.0 if len(str(text)) % 2 else -9.0))
    subject = subject_of(data, counting)
    found = run(subject, Params(), np.random.default_rng(0))
    measures = {measure.name: measure for measure in decided(found.measures)}
    assert measures["excess_word_shuffled"].estimate.value == 0.0
    assert measures["excess_word_shuffled"].status == "not_detected"
    assert measures["answer_stays_word_shuffled"].estimate.value == 1.0
    assert measures["confidence_word_shuffled"].estimate.value > 0.99  # beside the others, not among them
    assert measures["confidence_word_shuffled"].status == "described"
    assert "word shuffled" not in found.summary
    assert "auroc_word_shuffled" not in measures


def test_rows_of_one_word_cannot_be_shuffled_and_this_is_said():
    rows = [(str(i), "train" if i < 100 else "test", f"word{i}", "ab"[i % 2]) for i in range(250)]
    data = dataset(rows)
    found = run(subject_of(data, ToyModel(data.labels, lambda text: (0.0, 1.0))), Params(), np.random.default_rng(0))
    assert any("Word-shuffled rows were not asked" in note for note in found.notes)


def _failing(data, fails):
    """Surest of the first label; NaN where `fails` says so."""

    class Failing(ToyModel):
        def predict(self, inputs):
            said = super().predict(inputs)
            said[[fails(text) for text in inputs]] = np.nan
            return said

    return subject_of(data, Failing(data.labels, lambda text: (2.0, 0.0)))


def test_an_input_that_the_model_cannot_answer_costs_its_part_only():
    data = _noisy_rows(100, 120)
    questions = set(_no_evidence.written()["questions"]["en"])
    whole = run(_failing(data, lambda text: False), Params(), np.random.default_rng(0))
    empty = run(_failing(data, lambda text: not text), Params(), np.random.default_rng(0))
    some = run(_failing(data, lambda text: text in questions), Params(), np.random.default_rng(0))
    assert [m for m in whole.measures if m.name != "confidence_empty"] == list(empty.measures)
    (note,) = [note for note in empty.notes if note not in whole.notes]
    assert note.startswith(f"{PART_FAILED}the empty input. The model gave NaN or infinity for 1 of 1 inputs.")
    names = {measure.name for measure in some.measures}
    assert "excess_out_of_scope_question" not in names
    assert {"excess_random_words", "confidence_empty"} <= names
    assert any(note.startswith(f"{PART_FAILED}out of scope question. ") for note in some.notes)


def test_a_model_that_answers_no_such_input_could_not_be_looked_at():
    data = _noisy_rows(100, 120)
    known = set(data.texts)
    found = run_probe("unseen_input", probe, subject=_failing(data, lambda text: text not in known))
    assert found.status == "skipped"
    assert found.why.startswith(FAILED)


def test_pairs_are_asked_as_pairs_and_chinese_in_chinese():
    rng, seen = np.random.default_rng(1), []
    words = ["天气", "河流", "城市", "图书", "音乐", "道路", "窗户", "学校", "春天", "时间"]
    rows = []
    for i in range(240):
        first, second = ("".join(rng.choice(words, 6)) for _ in range(2))
        split = "train" if i < 120 else "test"
        rows.append({"id": str(i), "split": split, "text": first, "second": second, "label": "ab"[i % 2]})
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    data = Dataset("classification", table, ("a", "b"), table.slice(0, 0))
    model = ToyModel(data.labels, lambda text: (seen.append(text), (0.0, 0.0))[1])
    _measured(subject_of(data, model))
    assert all(isinstance(text, tuple) for text in seen)
    questions = set(_no_evidence.written()["questions"]["zh"])
    assert any(text[0] in questions for text in seen)
    english = set(_no_evidence.written()["facts"]["en"])
    assert any(text[0] in english for text in seen)


def test_the_data_file_is_whole():
    written = _no_evidence.written()
    assert {len(texts) for texts in written["facts"].values()} == {24}
    for language in ("en", "zh"):
        assert {len(texts) for texts in written["domains"][language].values()} == {10}
        assert len(set(written["questions"][language])) == 24


def test_neutral_words_lean_to_no_label():
    rows = [(str(i), "train", f"{'good' if i % 2 else 'bad'} stone {'w' + str(i % 4)}", "np"[i % 2]) for i in range(80)]
    data = dataset(rows)
    found = _no_evidence.train_words(data, data.rows("train"), least=5, lean=0.3)
    assert "stone" in found.neutral
    assert not {"good", "bad"} & set(found.neutral)
