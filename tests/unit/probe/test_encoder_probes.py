"""Probes that look inside a tuned encoder, on a tiny one. Needs torch."""

from dataclasses import replace

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import Skipped
from veridical.models._encoder_network import EncoderClassifier, open_encoder
from veridical.models.queries import Queries
from veridical.models.weights import resolve
from veridical.probe._representation import inside_of
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, Subject
from veridical.probe.forgetting import probe as forgetting
from veridical.probe.memory import probe as memory
from veridical.probe.pretrained_features import probe as pretrained_features
from veridical.probe.shift import probe as shift
from veridical.train.training import train


@pytest.fixture(scope="module")
def rows():
    """`good` or `bad` tells the label; every text is its own."""
    rng, found = np.random.default_rng(0), []
    for i in range(320):
        good = bool(rng.random() < 0.5)
        text = " ".join([*[f"w{k}" for k in rng.integers(0, 20, 8)], "good" if good else "bad"])
        found.append((str(i), "train" if i < 200 else "test", text, "pos" if good else "neg"))
    return dataset(found)


@pytest.fixture(scope="module")
def tuned(rows, tiny_bert):
    trained = train(rows, model=tiny_bert, config=TINY, seed=0)
    return Subject(trained, Evidence(rows, seed=0), Queries(trained.model), Recipe(tiny_bert, (), TINY), budget="quick")


def test_memory_of_an_encoder_is_measured_against_its_base(tuned):
    found = run_probe("memory", memory, subject=tuned)
    assert found.status in ("found", "not_detected")
    reference = found.measure("reference_auc")
    assert reference is not None
    assert "base encoder" in reference.about
    assert reference.mde is not None
    assert reference.mde > 0


def test_a_head_on_a_random_half_of_train_describes_and_the_model_s_own_losses_decide(rows, tiny_bert, tuned):
    """Labels are dealt at random, so that a head can only learn its rows by heart."""
    dealt = np.random.default_rng(1).integers(0, 2, len(rows)).tolist()
    data = dataset(list(zip(rows.ids, rows.splits, rows.texts, [rows.labels[code] for code in dealt], strict=True)))
    found = run_probe("memory", memory, subject=replace(tuned, evidence=Evidence(data, seed=0), budget="thorough"))
    for name in ("random_split_auc", "random_split_found_at_low_alarm"):
        measure = found.measure(name)
        assert measure is not None
        assert measure.status == "described"
        assert "a head on the frozen features of the encoder" in measure.about
    assert any("not by the tuned encoder" in note for note in found.notes)
    assert found.measure("loss_auc").null == 0.5
    own = [m for m in found.measures if m.name.startswith(("loss_", "reference_", "planted_"))]
    assert (found.status == "found") == any(m.status == "found" for m in own)
    quick = run_probe("memory", memory, subject=tuned)
    assert any("With --budget thorough a head on its frozen features" in note for note in quick.notes)


def test_features_and_head_give_the_answers_of_the_model(rows, tuned):
    inside = inside_of(tuned)
    inputs = rows.inputs(rows.rows("test"))
    assert not isinstance(inside, Skipped)
    assert inside.decide(inside.after(inputs)) == pytest.approx(tuned.model.predict(inputs), abs=1e-5)
    assert np.abs(inside.after(inputs) - inside.before(inputs)).max() > 0.01


def test_pretrained_features_look_into_an_encoder(tuned):
    found = run_probe("pretrained_features", pretrained_features, subject=tuned)
    assert found.status in ("found", "not_detected")
    length = found.measure("read_after_length")
    assert length is not None
    assert length.estimate.low > 0.5


def test_models_without_an_inside_are_skipped_with_the_reason(rows, tuned, tmp_path):
    linear = train(rows, model="linear", seed=0)
    plain = replace(tuned, trained=linear, queries=Queries(linear.model), recipe=Recipe("linear"))
    assert "no representation" in run_probe("pretrained_features", pretrained_features, subject=plain).why
    orphan = run_probe("pretrained_features", pretrained_features, subject=replace(tuned, recipe=None))
    assert "not known" in orphan.why
    gone = replace(tuned, recipe=Recipe(str(tmp_path / "gone" / "model")))
    assert run_probe("pretrained_features", pretrained_features, subject=gone).status == "skipped"


def _untuned(subject, folder):
    """The same subject with the encoder as it came."""
    model = replace(
        subject.model,
        network=EncoderClassifier(open_encoder(resolve(folder).folder, dropout=0.0, attention="eager"), n_classes=2, seed=0),
    )
    return replace(subject, trained=replace(subject.trained, model=model))


def test_an_unchanged_encoder_forgets_exactly_nothing(tuned, tiny_bert):
    found = run_probe("forgetting", forgetting, subject=_untuned(tuned, tiny_bert))
    assert found.status == "not_detected"
    forgot = [m.estimate.value for m in found.measures if m.name.startswith("forgot_")]
    assert len(forgot) >= 3
    assert set(forgot) == {0.0}
    kept = found.measure("features_kept")
    assert kept is not None
    assert kept.estimate.value == 1.0
    assert any("no masked or causal language head" in note for note in found.notes)


def test_a_tuned_encoder_is_measured(tuned):
    found = run_probe("forgetting", forgetting, subject=tuned)
    kept = found.measure("features_kept")
    assert kept is not None
    assert kept.estimate.value < 1.0


def _by_length(n, *, exceptions):
    """Nothing but the length goes with the label, in all rows but the share `exceptions`."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        positive = bool(rng.random() < 0.5)
        long = positive if rng.random() >= exceptions else not positive
        words = rng.integers(0, 20, int(rng.integers(9, 13) if long else rng.integers(3, 7)))
        text = " ".join(f"w{k}" for k in words)
        found.append((str(i), "train" if i < n * 2 // 3 else "test", text, "pos" if positive else "neg"))
    return dataset(found)


def test_an_encoder_that_decides_by_length_is_seen(tiny_bert):
    data, config = _by_length(600, exceptions=0.15), replace(TINY, epochs=6, token_budget=200, validation_share=0.0)
    trained = train(data, model=tiny_bert, config=config, seed=0)
    subject = Subject(trained, Evidence(data, seed=0), Queries(trained.model), Recipe(tiny_bert, (), config), budget="quick")
    found = run_probe("pretrained_features", pretrained_features, subject=subject)
    length = found.measure("leans_on_length")
    assert length is not None
    assert length.status == "found"
    assert length.estimate.low > 3


def test_a_property_without_exceptions_is_not_erased(tiny_bert):
    data = _by_length(360, exceptions=0.0)
    trained = train(data, model=tiny_bert, config=replace(TINY, epochs=1, validation_share=0.0), seed=0)
    subject = Subject(trained, Evidence(data, seed=0), Queries(trained.model), Recipe(tiny_bert, (), TINY), budget="quick")
    found = run_probe("pretrained_features", pretrained_features, subject=subject)
    assert found.measure("leans_on_length") is None
    assert any(note.startswith("Length goes with the label") for note in found.notes)


def test_an_encoder_held_ready_answers_the_same_and_forgets_old_weights_afterwards(rows, tiny_bert):
    model = train(rows, model=tiny_bert, config=replace(TINY, dtype="bfloat16", epochs=1), seed=0).model
    inputs = rows.inputs(rows.rows("test"))[:30]
    alone = model.predict(inputs)
    with model.reading():
        held = [model.predict(inputs[:10]), model.predict(inputs[10:])]
    assert np.concatenate(held) == pytest.approx(alone, abs=1e-3)
    model.network.head.weight.data.zero_()
    for layer in model.network.encoder.encoder.layer:
        layer.output.dense.weight.data.zero_()
    assert np.abs(model.predict(inputs) - alone).max() > 1e-3


def test_rows_against_what_their_label_mostly_has_are_looked_at_apart():
    """A number stands in nine positive rows of ten: the cheat decides by it and loses the tenth; the honest one reads a word."""
    toys = pretrained_features.toys()
    measured = {}
    for who, subject in (("honest", toys.honest), ("cheat", toys.cheat)):
        found = run_probe("pretrained_features", pretrained_features, subject=subject)
        measured[who] = next(m for m in found.measures if m.name == "against_number"), found.summary
    assert measured["cheat"][0].status == "found"
    assert measured["cheat"][0].estimate.value > 50
    assert "differ from most of their label in number" in measured["cheat"][1]
    assert measured["honest"][0].status == "not_detected"
    assert "answered worse" not in measured["honest"][1]


def test_a_source_is_left_out_of_the_head_of_an_encoder_which_describes_only(rows, tuned):
    sources = rows.with_column("source", [("a", "b")[at % 2] for at in range(len(rows))])
    subject = replace(tuned, evidence=Evidence(sources, seed=0))
    quick = run_probe("shift", shift, subject=subject)
    assert any("With --budget thorough a head on its frozen features is trained in its place" in note for note in quick.notes)
    assert quick.measure("left_out: a") is None
    found = run_probe("shift", shift, subject=replace(subject, budget="thorough"))
    assert not any("No source was left out" in note for note in found.notes)
    assert any("stands in for the tuned one" in note for note in found.notes)
    left = found.measure("left_out: a")
    assert left is not None
    assert left.status == "described"
    assert "a head on the frozen features of the encoder" in left.about
