"""Probes that look inside a tuned encoder, on a tiny one. Needs torch."""

from dataclasses import replace

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import Skipped
from veridical.models.queries import Queries
from veridical.probe._representation import inside_of
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, Subject
from veridical.probe.memory import probe as memory
from veridical.probe.pretrained_features import probe as pretrained_features
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
