"""Gradient products over all trained tensors of an encoder, against each row's own gradient and against steps really taken."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.tiny_encoder import TINY, make_data, make_toy

from veridical.core.progress import silent
from veridical.explain import _tracin
from veridical.explain.attribution import Asked
from veridical.explain.models import TracedEncoder
from veridical.models._encoder_network import batch_tensors, open_encoder
from veridical.models.encoder import load_encoder_model
from veridical.models.trained_answers import TrainedAnswers
from veridical.models.weights import resolve
from veridical.train.training import train

KNOBS = {"last_layers": ("layers=1",), "prefix": ("tokens=4",), "prompt": ("tokens=4",)}
METHODS = ["full", "last_layers", "bitfit", "lora", "dora", "adalora", "ia3", "adapters", "prefix", "prompt"]
MERGED = ("lora", "dora", "adalora", "ia3")
ASKED = np.arange(160, 200)


def tuned(tiny_bert, folder, tuning="full", **changes):
    """A model as a run reads it back, its configuration and its data."""
    config = replace(TINY, epochs=1, tuning=tuning, tuning_knobs=KNOBS.get(tuning, ()), **changes)
    toy = make_toy()
    train(toy, model=tiny_bert, config=config, seed=0).model.save(folder / "model")
    return load_encoder_model(folder / "model"), config, toy


def of_one_row(network, names, tokens, row, weighed):
    """Gradient of what `weighed` makes of a row's logits (1, C), by the ordinary way."""
    weights = [network.get_parameter(name) for name in names]
    out = weighed(network(*batch_tensors(tokens, np.array([row]), torch.device("cpu"))))
    return dict(zip(names, torch.autograd.grad(out, weights), strict=True))


@pytest.mark.parametrize("tuning", METHODS)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_it_is_the_product_with_each_rows_own_gradient(tiny_bert, tmp_path, tuning, attention):
    model, config, toy = tuned(tiny_bert, tmp_path, tuning, attention=attention)
    network, rng = model.network, np.random.default_rng(0)
    steps = _tracin.step_sizes(network, config, {})
    theirs, mine, rows = model.tokens(toy.inputs(ASKED)), model.tokens(toy.inputs(np.arange(24))), np.arange(24)
    pull, own, codes = rng.normal(size=(len(ASKED), 2)), rng.uniform(0.5, 2.0, len(rows)), toy.codes[rows]
    pull[:5] = 0.0
    points = _tracin.tracked(
        network, steps, pull, theirs=theirs, mine=mine, codes=codes, row_weights=own, dtype="float32", progress=silent
    )
    total = {name: torch.zeros_like(network.get_parameter(name)) for name in steps}
    for row in range(len(ASKED)):
        by_row = torch.from_numpy(pull[row]).float()
        for name, part in of_one_row(network, list(steps), theirs, row, lambda z, p=by_row: (p * z.softmax(1)).sum()).items():
            total[name] += part
    expected = []
    for row in rows:
        loss = of_one_row(network, list(steps), mine, row, lambda z, c=int(codes[row]): -z.log_softmax(1)[0, c])
        expected.append(-own[row] * sum(steps[name] * float((total[name] * part).sum()) for name, part in loss.items()))
    assert np.abs(points - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("tuning", METHODS)
def test_the_tensors_are_those_that_training_changed(tiny_bert, tmp_path, tuning):
    model, config, _ = tuned(tiny_bert, tmp_path, tuning, freeze_embeddings=True)
    before = open_encoder(resolve(tiny_bert).folder, dropout=0.0, attention="eager").state_dict()
    after = model.network.encoder.state_dict()
    changed = {f"encoder.{name}" for name in after if name not in before or not torch.equal(before[name], after[name])}
    steps = _tracin.step_sizes(model.network, config, {})
    if tuning == "ia3":  # its factors reach the biases too, and count as those of the matrices
        changed = {name for name in changed if not name.endswith("bias")}
    assert steps.keys() - {"head.weight", "head.bias"} == changed
    assert steps["head.bias"] == pytest.approx(config.learning_rate * config.head_rate)
    rate = 1.0 if tuning in MERGED else config.method().params.rate
    assert {round(step / config.learning_rate, 6) for name, step in steps.items() if name in changed} == {rate}


def test_factors_of_countermeasures_count(tiny_bert, tmp_path):
    model, config, _ = tuned(tiny_bert, tmp_path)
    plain, slowed = (_tracin.step_sizes(model.network, config, given) for given in ({}, {"head.bias": 0.25}))
    assert slowed == {**plain, "head.bias": plain["head.bias"] / 4}


def test_points_are_what_a_small_step_on_the_row_does(tiny_bert, tmp_path):
    model, config, toy = tuned(tiny_bert, tmp_path)
    network, small = model.network, 1e-3
    steps = _tracin.step_sizes(network, config, {})
    theirs, mine, codes = model.tokens(toy.inputs(ASKED)), model.tokens(toy.inputs(np.arange(6))), toy.codes[:6]
    pull = np.random.default_rng(1).normal(size=(len(ASKED), 2))
    points = _tracin.tracked(
        network, steps, pull, theirs=theirs, mine=mine, codes=codes, row_weights=np.ones(6), dtype="float32", progress=silent
    )
    network.double()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    def asked():
        with torch.no_grad():
            z = network.head.double()(network.pooled(*batch_tensors(theirs, np.arange(len(ASKED)), torch.device("cpu"))).double())
        return float((pull * z.softmax(1).numpy()).sum())

    before, moved = asked(), []
    for row in range(6):
        # Both logits and pooling pass float32; the step is far above its rounding.
        states = network.pooled(*batch_tensors(mine, np.array([row]), torch.device("cpu"))).double()
        loss = -network.head(states).log_softmax(1)[0, int(codes[row])]
        weights = [network.get_parameter(name) for name in steps]
        with torch.no_grad():
            for weight, step, part in zip(weights, steps.values(), torch.autograd.grad(loss, weights), strict=True):
                weight -= small * step * part
        moved.append((asked() - before) / small)
        network.load_state_dict(state)
    assert np.abs(points - moved).max() < 0.05 * np.abs(moved).max()


def test_what_pulls_on_nothing_hangs_on_no_row(tiny_bert, tmp_path):
    model, config, toy = tuned(tiny_bert, tmp_path)
    steps, tokens = _tracin.step_sizes(model.network, config, {}), model.tokens(toy.inputs(np.arange(6)))
    points = _tracin.tracked(
        model.network, steps, np.zeros((6, 2)), theirs=tokens, mine=tokens, codes=toy.codes[:6], row_weights=np.ones(6),
        dtype="float32", progress=silent,
    )  # fmt: skip
    assert np.array_equal(points, np.zeros(6))


def test_bfloat16_tells_the_same(tiny_bert, tmp_path):
    model, config, toy = tuned(tiny_bert, tmp_path)
    steps = _tracin.step_sizes(model.network, config, {})
    theirs, mine = model.tokens(toy.inputs(ASKED)), model.tokens(toy.inputs(np.arange(160)))
    pull = np.random.default_rng(0).normal(size=(len(ASKED), 2))
    said = [
        _tracin.tracked(
            model.network, steps, pull, theirs=theirs, mine=mine, codes=toy.codes[:160], row_weights=np.ones(160), dtype=dtype,
            progress=silent,
        )
        for dtype in ("float32", "bfloat16", "bfloat16")
    ]  # fmt: skip
    assert np.corrcoef(said[0], said[1])[0, 1] > 0.99
    assert np.array_equal(said[1], said[2])


def test_stopped_midway_the_network_is_as_it_was(tiny_bert, tmp_path):
    model, config, toy = tuned(tiny_bert, tmp_path)
    network = model.network.train()
    asked = [parameter.requires_grad for parameter in network.parameters()]
    tokens = model.tokens(toy.inputs(np.arange(160)))
    told = []

    def stop(stage, done, total):
        told.append((stage, done, total))
        raise KeyboardInterrupt

    names = list(_tracin.step_sizes(network, config, {}))
    direction = {name: torch.ones_like(network.get_parameter(name)) for name in names}
    with pytest.raises(KeyboardInterrupt):
        _tracin.along(network, direction, tokens, dtype="float32", progress=stop)
    with pytest.raises(KeyboardInterrupt):
        _tracin.gradient(network, names, tokens, np.ones((160, 2)), dtype="float32", progress=stop)
    assert [(stage, 0 < done < total == int(tokens.lengths.sum())) for stage, done, total in told] == [("gradients", True)] * 2
    assert network.training
    assert [parameter.requires_grad for parameter in network.parameters()] == asked
    assert all(parameter.grad is None for parameter in network.parameters())


def with_one_teacher(*, teaches):
    """`plain` stands in one train row alone, and in the test row that copies it; in the twin, in the test row alone."""
    rng, rows = np.random.default_rng(3), []
    for k in range(200):
        positive = bool(k % 2)
        words = [f"w{j}" for j in rng.integers(0, 20, 4)] + ["good" if positive else "bad"]
        rows.append({"id": f"r{k}", "split": "train", "text": " ".join(words), "label": "pos" if positive else "neg"})
    rows[40] |= {"text": "plain plain film"} if teaches else {}
    copied = {"id": "copy", "split": "test", "text": "plain plain film", "label": "neg"}
    return make_data([*rows, copied])


@pytest.mark.parametrize("tuning", ["full", "lora"])
@pytest.mark.parametrize("teaches", [True, False])
def test_the_one_row_that_teaches_a_word_comes_first(tiny_bert, tmp_path, tuning, teaches):
    data = with_one_teacher(teaches=teaches)
    rate = TINY.learning_rate / (10 if tuning == "lora" else 1)  # lora has a factor of 10 of its own
    config = replace(TINY, tuning=tuning, learning_rate=rate, validation_share=0.0)
    done = train(data, model=tiny_bert, config=config, seed=0)
    model = TracedEncoder(done.model, data, tiny_bert, (), config, 90.0, TrainedAnswers(tmp_path / "retrained"))
    pull = np.zeros((1, 2))
    pull[0, data.labels.index("neg")] = 100.0
    asked = Asked(["plain plain film"], (pull,))
    found = model.trace(asked, clusters=np.arange(len(data)), seed=0, retrainings=None, progress=silent)
    assert (int(found.points[0].argmax()) == 40) == teaches
    assert found.why.startswith("Gradients of all trained weights")
    assert "Nothing was trained again" in found.why
