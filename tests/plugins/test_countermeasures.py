"""Every countermeasure found in the folder keeps the promises of the contract."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tiny_encoder import TINY, same
from veridical.core.errors import VeridicalError
from veridical.core.plugins import get, module, names
from veridical.train._contract import Countermeasure
from veridical.train._knobs import knobs, refuse_outside
from veridical.train.training import train

PACKAGE = "veridical.train.countermeasures"
HEADINGS = ("What it measures:", "Why it inflates a score:", "How it errs:", "Source:")
SEEDS = (0, 1)
DRAWS_BY_PIECE = ("r_drop",)
"""Dropout masks are drawn piece by piece, so what needs them cannot be the same in other pieces."""


@pytest.fixture(params=names(PACKAGE))
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def countermeasure(name):
    """The record; with the params of its toy where its defaults lack what only a user can name."""
    found = get(PACKAGE, "countermeasure", name)
    needed = found.toy().params
    return found if needed is None else replace(found, params=needed)


@pytest.fixture(scope="module")
def trained_once():
    """Remembers trainings without a countermeasure; toys share them."""
    return {}


def test_its_docstring_answers_four_questions(name):
    text = module(PACKAGE, name).__doc__ or ""
    positions = [text.find(f"\n{heading} ") for heading in HEADINGS]
    assert positions == sorted(positions)
    assert min(positions) > 0


def test_every_parameter_is_explained(countermeasure):
    import inspect

    source = inspect.getsource(type(countermeasure.params))
    for field in fields(countermeasure.params):
        assert source.split(f"    {field.name}:")[1].split("\n", 1)[1].lstrip().startswith('"""')


def test_every_number_among_its_knobs_declares_its_range(countermeasure):
    for field in knobs(countermeasure.params):
        assert field.type not in (int, float) or field.metadata["low"] <= getattr(countermeasure.params, field.name), field.name
    refuse_outside("it", countermeasure.params)
    refuse_outside("it", countermeasure.off)


def test_row_weights_sum_to_the_number_of_rows(countermeasure):
    if countermeasure.row_weights is None:
        return
    codes = np.array([0, 0, 0, 0, 1, 1, 2])
    weights = countermeasure.row_weights(codes, 4, countermeasure.params)
    assert weights.shape == codes.shape
    assert np.all(weights > 0)
    assert weights.sum() == pytest.approx(len(codes))


def test_its_loss_is_finite_with_finite_gradients(countermeasure):
    import torch

    if countermeasure.loss is None:
        return
    params = countermeasure.params
    if countermeasure.prepare:
        params = countermeasure.prepare(np.array([0, 0, 1, 0]), 3, params)
    for scale in (0.0, 1.0, 50.0):
        logits = (torch.arange(12.0).reshape(4, 3) * scale).requires_grad_()
        loss = countermeasure.loss(logits, torch.tensor([0, 1, 2, 0]), params)
        assert loss.shape == (4,)
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(logits.grad).all()


def test_off_is_the_baseline_bit_for_bit(countermeasure, toy, tiny_bert, trained_once):
    if countermeasure.normaliser:
        toy = countermeasure.toy().data  # elsewhere it knows all words and changes nothing
    key = ("plain", tuple(toy.texts))
    if key not in trained_once:
        trained_once[key] = train(toy, model=tiny_bert, config=TINY, seed=1)
    plain = trained_once[key]
    off = replace(countermeasure, params=countermeasure.off)
    assert same(train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[off]), plain)
    assert not same(train(toy, model=tiny_bert, config=TINY, seed=1, countermeasures=[countermeasure]), plain)


def test_pieces_do_not_change_its_result(countermeasure, name, toy, tiny_bert):
    if name in DRAWS_BY_PIECE:
        pytest.skip("dropout masks are drawn by piece")
    # Few steps of a small size: rounding grows along a training, a wrong sum shows in the first.
    config = replace(TINY, epochs=1, token_budget=400, learning_rate=1e-3)
    weights = {id_: 0.5 + i % 3 for i, id_ in enumerate(toy.ids) if toy.splits[i] == "train"}
    whole, pieced = (
        train(
            toy,
            model=tiny_bert,
            config=replace(config, accumulation=n),
            seed=1,
            weights=weights,
            countermeasures=[countermeasure],
        )
        for n in (1, 3)
    )
    np.testing.assert_allclose(pieced.probabilities, whole.probabilities, atol=1e-4)


class Interrupted(VeridicalError):
    pass


def test_interrupted_it_ends_as_if_it_had_not_been(countermeasure, toy, tiny_bert, tmp_path):
    config = replace(TINY, dropout=0.1, accumulation=2, epochs=2, token_budget=200)
    n_steps = []

    def count(stage, done, total):
        if stage == "train":
            n_steps.append(total)

    whole = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[countermeasure], progress=count)
    for at in (3, n_steps[0] // 2 + 2, n_steps[0] - 1):

        def stop(stage, done, total, at=at):
            if stage == "train" and done == at:
                raise Interrupted("stop")

        with pytest.raises(Interrupted):
            train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[countermeasure], folder=tmp_path, progress=stop)
    resumed = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[countermeasure], folder=tmp_path)
    assert same(resumed, whole)


def test_its_toy_is_in_less_trouble_with_it(countermeasure, tiny_bert, trained_once):
    toy = countermeasure.toy()
    settings = {"epochs": 6, "token_budget": 200, "validation_share": 0.0, **(toy.settings or {})}
    config = replace(TINY, **settings)
    planted = [] if toy.encoder is None else [Countermeasure(None, countermeasure.toy, network=lambda n, _p, _r: toy.encoder(n))]
    gains = []
    for seed in SEEDS:
        key = (str(toy.data.table.to_pylist()), str(settings), toy.encoder, seed)
        if key not in trained_once:
            trained_once[key] = train(toy.data, model=tiny_bert, config=config, seed=seed, countermeasures=planted).probabilities
        given = train(toy.data, model=tiny_bert, config=config, seed=seed, countermeasures=[*planted, countermeasure])
        gains.append(toy.trouble(trained_once[key], toy.data) - toy.trouble(given.probabilities, toy.data))
    assert np.mean(gains) > 0.02, gains
    assert min(gains) >= 0, gains
