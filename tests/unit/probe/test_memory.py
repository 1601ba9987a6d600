"""Memory of train rows: chance where there is none, found where it is planted, and never called leakage."""

import numpy as np
import pytest

from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset, nonsense
from veridical.core.finding import Skipped
from veridical.models.linear import train_linear
from veridical.models.queries import Queries
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, Subject, subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.memory import Params, _Rows, _told, confidence, lira, probe, run
from veridical.train.trained import Trained
from veridical.train.training import train


def _rows(n_train=300, n_test=300, seed=0):
    """Words tell the label in part; the rest can only be learned by heart."""
    rng, rows = np.random.default_rng(seed), []
    words = [f"w{k}" for k in range(300)]
    for i in range(n_train + n_test):
        positive = bool(rng.random() < 0.5)
        label = positive if rng.random() < 0.75 else not positive
        text = " ".join(["good" if positive else "bad", *rng.choice(words, 12).tolist()])
        rows.append((str(i), "train" if i < n_train else "test", text, "pos" if label else "neg"))
    return dataset(rows)


def _linear_subject(data, budget="quick"):
    trained = train(data, model="linear", seed=0)
    return Subject(trained, Evidence(data, seed=0), Queries(trained.model), Recipe("linear"), budget=budget)


def test_log_odds_of_the_label():
    found = confidence(np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]]), np.array([1, 0, 0]))
    assert found == pytest.approx([np.log(4), 0.0, 30.0])


def test_chance_is_rarely_called_memory():
    rng, called = np.random.default_rng(0), 0
    rows = _Rows(np.arange(150), np.arange(150, 300))
    for _ in range(60):
        measures = _told("loss", rows, rng.normal(size=300), "x", Params(replicates=99), rng)
        called += any(m.p is not None and m.p <= 0.025 for m in measures)
    assert called <= 8


def test_reference_models_tell_more_than_the_loss():
    found = run_probe("memory", probe, subject=_linear_subject(_rows()))
    assert found.status == "found"
    plain, reference = found.measure("loss_auc"), found.measure("reference_auc")
    assert plain is not None
    assert reference is not None
    assert reference.estimate.value > plain.estimate.value > 0.5
    assert "not proof of leakage" in found.summary


def test_a_model_of_other_rows_has_no_memory_of_these():
    other, data = _rows(seed=1), _rows(seed=2)
    train_rows = other.rows("train")
    model = train_linear(other.inputs(train_rows), other.codes[train_rows], labels=other.labels)
    rows = np.concatenate([data.rows("train"), data.rows("test")])
    plain = confidence(model.predict(data.inputs(rows)), data.codes[rows])
    scores = lira(data, rows, plain, n_models=6, rng=np.random.default_rng(0))
    (auc, _) = _told("reference", _Rows(rows[:300], rows[300:]), scores, "x", Params(), np.random.default_rng(0))
    assert auc.estimate.low < 0.5 < auc.estimate.high


def test_planted_rows_are_ranked_above_rows_that_were_not_planted():
    found = run_probe("memory", probe, subject=_linear_subject(_rows(), budget="thorough"))
    planted, exposure = found.measure("planted_auc"), found.measure("planted_exposure")
    assert planted is not None
    assert exposure is not None
    assert planted.status == "found"
    assert exposure.estimate.low > 1
    quick = run_probe("memory", probe, subject=_linear_subject(_rows()))
    assert quick.measure("planted_auc") is None
    assert any("thorough" in note for note in quick.notes)


def test_test_predictions_alone_are_skipped():
    data = _rows(150, 150)
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 1.0)))
    probabilities = subject.trained.probabilities.copy()
    probabilities[data.rows("train")] = np.nan
    known = Trained(None, "predictions", tuple(data.ids), probabilities, data.labels, None, 0.0, external=True)
    found = run(Subject(known, subject.evidence, None), Params(), np.random.default_rng(0))
    assert isinstance(found, Skipped)
    assert "predictions for train rows" in found.why


def test_rows_with_a_twin_on_the_other_side_are_left_out():
    rng = np.random.default_rng(0)
    texts = [nonsense(rng, 15) for _ in range(260)]
    rows = [(f"a{i}", "train", text, "ab"[i % 2]) for i, text in enumerate(texts[:130])]
    rows += [(f"b{i}", "test", text, "ab"[i % 2]) for i, text in enumerate(texts[130:])]
    rows += [(f"c{i}", "test", text, "ab"[i % 2]) for i, text in enumerate(texts[:20])]
    data = dataset(rows)
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, len(text) / 100)))
    found = run(subject, Params(), np.random.default_rng(0))
    assert not isinstance(found, Skipped)
    assert found.n_rows == 110 + 130


def test_a_random_half_says_what_is_memory_where_train_and_test_were_collected_apart():
    """Wrong test labels look like memory to the loss; what a random half of train is told apart by does not move."""
    data = _rows()
    flipped = np.where(data.splits == "test", 1 - data.codes, data.codes)
    apart = dataset([(i, s, t, data.labels[c]) for i, s, t, c in zip(data.ids, data.splits, data.texts, flipped, strict=True)])
    as_given, wrong = (run_probe("memory", probe, subject=_linear_subject(given)) for given in (data, apart))
    for name in ("random_split_auc", "random_split_found_at_low_alarm"):
        assert as_given.measure(name).estimate == wrong.measure(name).estimate
    assert as_given.measure("random_split_auc").status == "found"
    assert as_given.measure("random_split_auc").estimate.n == 300
    assert wrong.measure("loss_auc").estimate.value > as_given.measure("loss_auc").estimate.value + 0.15
