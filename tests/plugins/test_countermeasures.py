"""Every countermeasure found in the folder keeps the promises of the contract."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.core.plugins import get, module, names
from veridical.train.training import train

PACKAGE = "veridical.train.countermeasures"
HEADINGS = ("What it measures:", "Why it inflates a score:", "How it errs:", "Source:")


@pytest.fixture(params=names(PACKAGE))
def name(request) -> str:
    return str(request.param)


@pytest.fixture
def countermeasure(name):
    return get(PACKAGE, "countermeasure", name)


def test_its_docstring_answers_four_questions(name):
    text = module(PACKAGE, name).__doc__ or ""
    positions = [text.find(f"\n{heading} ") for heading in HEADINGS]
    assert positions == sorted(positions)
    assert min(positions) > 0


def test_every_parameter_is_explained(name, countermeasure):
    import inspect

    source = inspect.getsource(type(countermeasure.params))
    for field in fields(countermeasure.params):
        assert source.split(f"    {field.name}:")[1].split("\n", 1)[1].lstrip().startswith('"""')


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
    for scale in (0.0, 1.0, 50.0):
        logits = (torch.arange(12.0).reshape(4, 3) * scale).requires_grad_()
        loss = countermeasure.loss(logits, torch.tensor([0, 1, 2, 0]), countermeasure.params)
        assert loss.shape == (4,)
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(logits.grad).all()


def test_its_toy_is_in_less_trouble_with_it(countermeasure, tiny_bert):
    toy = countermeasure.toy()
    config = replace(TINY, epochs=6, token_budget=200, validation_share=0.0)
    without = train(toy.data, model=tiny_bert, config=config, seed=0)
    given = train(toy.data, model=tiny_bert, config=config, seed=0, countermeasures=[countermeasure])
    assert toy.trouble(given.probabilities, toy.data) < toy.trouble(without.probabilities, toy.data) - 0.02
