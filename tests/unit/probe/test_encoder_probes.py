"""Probes that look inside a tuned encoder, on a tiny one. Needs torch."""

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.models.queries import Queries
from veridical.probe._runner import run_probe
from veridical.probe._subject import Recipe, Subject
from veridical.probe.memory import probe as memory
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
