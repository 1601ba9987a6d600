"""Every tuning method found in the folder keeps the promises of the contract."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from tiny_encoder import TINY, make_toy, same
from veridical.core.errors import VeridicalError
from veridical.core.field_docs import field_docs
from veridical.core.plugins import get, module, names
from veridical.models.stored import open_model
from veridical.models.weights import resolve
from veridical.train.config import TrainConfig
from veridical.train.training import train

PACKAGE = "veridical.train.tuning"
HEADINGS = ("What learns:", "What is saved:", "How it errs:", "Source:")
KNOBS = {
    "adapters": ("width=8", "rate=1"),
    "last_layers": ("layers=1",),
    "head": (),
    "full": (),
    "ia3": ("rate=3",),
    "prefix": ("tokens=4", "rate=3"),
    "prompt": ("tokens=4", "rate=3"),
    "bitfit": ("rate=1",),
}
"""Steps that suit an encoder of two layers; for methods that are not named, the rank and the rate of the adapters."""


@pytest.fixture(params=names(PACKAGE))
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def tuning(name):
    return get(PACKAGE, "tuning", name)


def of(name: str, **changes: object) -> TrainConfig:
    knobs = KNOBS.get(name, ("rank=4", "rate=1"))
    return replace(TINY, **{"tuning": name, "tuning_knobs": knobs, "freeze_embeddings": True, **changes})


def untrained(name: str, weights: str, seed: int = 1):
    """The network as training would start with it."""
    import torch

    from veridical.models._encoder_network import EncoderClassifier
    from veridical.train.encoder_training import open_network

    data = make_toy()
    with torch.random.fork_rng(devices=[]):
        return open_network(resolve(weights), of(name), (), kind=EncoderClassifier, n_classes=len(data.labels), seed=seed).eval()


def test_its_docstring_answers_four_questions(name):
    text = module(PACKAGE, name).__doc__ or ""
    positions = [text.find(f"\n{heading} ") for heading in HEADINGS]
    assert positions == sorted(positions)
    assert min(positions) > 0


def test_every_knob_is_explained(tuning):
    assert all(field_docs(type(tuning.params)).values())
    assert "rate" in {field.name for field in fields(tuning.params)}


def test_only_what_learns_asks_for_gradients_and_gets_them(name, tuning, tiny_bert):
    """After one training the tensors that ask for none are those of the weights, bit for bit."""
    import torch

    before = untrained("head", tiny_bert).state_dict()
    network = untrained(name, tiny_bert)
    learning = {n for n, p in network.named_parameters() if p.requires_grad}
    assert {"head.weight", "head.bias"} <= learning or tuning.cached
    network.train()
    ids = torch.tensor([[2, 5, 7, 11, 3]])
    network(ids, torch.ones_like(ids), None).square().sum().backward()
    assert {n for n, p in network.named_parameters() if p.grad is not None} == learning
    trained = train(make_toy(), model=tiny_bert, config=of(name, epochs=1), seed=1)
    after = trained.model.network.state_dict()
    if tuning.merge is None:
        still = [n for n in before if n not in learning and not n.startswith("head.")]
        assert still or name == "full"
        assert all(torch.equal(before[n], after[n]) for n in still)
    else:
        assert after.keys() == before.keys()
        assert all(torch.equal(before[n], after[n]) for n in before if "embeddings" in n or "LayerNorm" in n)
    moved = [n for n in after if n not in before or not torch.equal(before[n], after[n])]
    assert any(n.startswith("encoder.") for n in moved) != tuning.cached


def test_it_learns(name, toy, tiny_bert):
    trained = train(toy, model=tiny_bert, config=of(name, epochs=6, patience=6), seed=1)
    rows = toy.rows("train")
    share = (trained.probabilities[rows].argmax(1) == toy.codes[rows]).mean()
    assert share > 0.7
    assert trained.learned.tuning == name
    assert 0 < trained.learned.share <= 1


def test_the_saved_model_answers_the_same(name, tuning, toy, tiny_bert, tmp_path):
    trained = train(toy, model=tiny_bert, config=of(name, epochs=1, frozen_layers=0), seed=1)
    trained.model.save(tmp_path / "model")
    written = {path.name for path in (tmp_path / "model").iterdir()}
    assert not {suffix for suffix in (".bin", ".pt", ".pkl") if any(n.endswith(suffix) for n in written)}
    assert ("tuning" in json.loads((tmp_path / "model" / "model.json").read_text())) == tuning.beside
    opened = open_model(tmp_path / "model")
    np.testing.assert_array_equal(opened.predict(toy.inputs()), trained.model.predict(toy.inputs()))
    np.testing.assert_allclose(opened.predict(toy.inputs()), trained.probabilities, atol=1e-6)
    opened.save(tmp_path / "again")
    assert (tmp_path / "again" / "model.json").read_text() == (tmp_path / "model" / "model.json").read_text()


def test_frozen_layers_stay_or_are_refused(name, tuning, toy, tiny_bert, tmp_path):
    import torch

    if name in ("prefix", "prompt"):
        with pytest.raises(VeridicalError, match="frozen_layers"):
            train(toy, model=tiny_bert, config=of(name, epochs=1, frozen_layers=1), seed=1)
        return
    trained = train(toy, model=tiny_bert, config=of(name, epochs=1, frozen_layers=1), seed=1)
    before, after = untrained("head", tiny_bert).state_dict(), trained.model.network.state_dict()
    lowest = [n for n in before if "layer.0." in n]
    assert lowest
    assert all(torch.equal(before[n], after[n]) for n in lowest)
    assert not [n for n in after if "layer.0." in n and n not in before]
    trained.model.save(tmp_path)
    np.testing.assert_allclose(open_model(tmp_path).predict(toy.inputs()), trained.probabilities, atol=1e-6)


class Interrupted(VeridicalError):
    pass


def test_interrupted_it_ends_as_if_it_had_not_been(name, tuning, toy, tiny_bert, tmp_path):
    config = of(name, dropout=0.1, epochs=2, token_budget=200)
    n_steps = []

    def count(stage, done, total):
        if stage == "train":
            n_steps.append(total)

    whole = train(toy, model=tiny_bert, config=config, seed=1, progress=count)
    for at in [3, n_steps[0] // 2 + 2, n_steps[0] - 1] if n_steps else [0]:

        def stop(stage, done, total, at=at):
            if stage == ("predict" if tuning.cached else "train") and done >= at:
                raise Interrupted("stop")

        with pytest.raises(Interrupted):
            train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path, progress=stop)
    resumed = train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path)
    again = train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path)
    if tuning.cached:
        assert np.array_equal(resumed.probabilities, whole.probabilities)
        assert np.array_equal(again.probabilities, whole.probabilities)
    else:
        assert same(resumed, whole)
        assert same(again, whole)


@pytest.mark.parametrize("countermeasure", ["l2_sp", "mixout", "ema", "fgm", "wise_ft", "r_drop"])
def test_countermeasures_work_on_what_learns_or_are_refused(name, tuning, countermeasure, toy, tiny_bert):
    config = of(name, epochs=1, token_budget=400)
    if tuning.cached or (countermeasure == "wise_ft" and tuning.merge):
        with pytest.raises(VeridicalError, match=countermeasure):
            train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[countermeasure])
        return
    given = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[countermeasure])
    assert np.isfinite(given.probabilities).all()


def test_row_weights_reach_it(name, toy, tiny_bert):
    weights = {id_: 0.1 + 3 * (label == "pos") for id_, label in zip(toy.ids, toy.table["label"].to_pylist(), strict=True)}
    weights = {id_: weight for (id_, weight), split in zip(weights.items(), toy.splits, strict=True) if split == "train"}
    plain = train(toy, model=tiny_bert, config=of(name, epochs=1), seed=1)
    weighted = train(toy, model=tiny_bert, config=of(name, epochs=1), seed=1, weights=weights)
    assert weighted.probabilities[:, 1].mean() > plain.probabilities[:, 1].mean()


def test_pairs_pass_through_it(name, tiny_bert, tmp_path):
    data = make_toy(pair=True, n=60)
    trained = train(data, model=tiny_bert, config=of(name, epochs=1), seed=1)
    trained.model.save(tmp_path)
    np.testing.assert_allclose(open_model(tmp_path).predict(data.inputs()), trained.probabilities, atol=1e-6)
