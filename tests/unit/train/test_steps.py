"""Known answers: the course of the step size, how batches are cut, what is recorded, what suits the machine."""

import numpy as np
import pytest

from veridical.models.tokens import Tokens, cut_by_tokens
from veridical.train import machine
from veridical.train.batching import automatic_budget, epoch_batches, make_batch
from veridical.train.config import TrainConfig
from veridical.train.dynamics import empty, note
from veridical.train.optimizer import make_optimizer, rate_share


def test_step_size_rises_over_the_warm_up_and_falls_to_the_end():
    shares = [rate_share(i, n_steps=10, warmup_share=0.2) for i in range(10)]
    assert shares == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8])
    assert [rate_share(i, n_steps=4, warmup_share=0.0) for i in range(4)] == [1, 0.75, 0.5, 0.25]
    assert rate_share(0, n_steps=1, warmup_share=1.0) == 1


def test_no_decay_on_biases_and_norms_and_a_faster_head():
    import torch

    network = torch.nn.ModuleDict({"body": torch.nn.Linear(2, 2), "norm": torch.nn.LayerNorm(2), "head": torch.nn.Linear(2, 3)})
    optimizer = make_optimizer(network, TrainConfig(learning_rate=0.01, head_rate=3.0, weight_decay=0.1))
    found = {id(p): (g["weight_decay"], g["base"]) for g in optimizer.param_groups for p in g["params"]}
    assert found[id(network["body"].weight)] == (0.1, 0.01)
    assert found[id(network["body"].bias)] == found[id(network["norm"].weight)] == (0.0, 0.01)
    assert found[id(network["head"].weight)] == (0.1, pytest.approx(0.03))
    assert found[id(network["head"].bias)] == (0.0, pytest.approx(0.03))


def test_every_row_comes_once_an_epoch_within_the_budget():
    rng = np.random.default_rng(0)
    rows = rng.permutation(5000)[:3000]
    lengths = rng.integers(3, 60, 3000)
    batches = epoch_batches(rows, lengths, token_budget=512, seed=3, epoch=0)
    assert sorted(np.concatenate(batches)) == sorted(rows)
    of_row = dict(zip(rows.tolist(), lengths.tolist(), strict=True))
    padded = [max(of_row[r] for r in batch.tolist()) * len(batch) for batch in batches]
    assert max(padded) <= 512
    assert lengths.sum() / sum(padded) > 0.95  # less than 5 % padding
    other = epoch_batches(rows, lengths, token_budget=512, seed=3, epoch=1)
    assert [b.tolist() for b in other] != [b.tolist() for b in batches]
    again = epoch_batches(rows, lengths, token_budget=512, seed=3, epoch=0)
    assert [b.tolist() for b in again] == [b.tolist() for b in batches]


def test_a_row_longer_than_the_budget_is_a_step_of_its_own():
    runs = cut_by_tokens(np.arange(3), np.array([100, 5, 5]), token_budget=20)
    assert [r.tolist() for r in runs] == [[0], [1, 2]]
    assert cut_by_tokens(np.zeros(0, np.int64), np.zeros(0, np.int64), token_budget=20) == []


def test_padding_and_pieces():
    tokens = Tokens(np.array([2, 7, 3, 2, 7, 8, 9, 3], np.int32), None, np.array([0, 3, 8]), pad=0)
    batch = make_batch(tokens, np.array([0, 1]), codes=np.array([1, 0]), weights=np.array([1.0, 2.0]))
    assert batch.ids.tolist() == [[2, 7, 3, 0, 0], [2, 7, 8, 9, 3]]
    assert batch.mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    pieces = batch.pieces(3)
    assert [p.rows.tolist() for p in pieces] == [[0], [1], [-1]]
    assert sum(p.weights.sum() for p in pieces) == 3.0


def test_automatic_budget_gives_small_sets_their_steps():
    assert automatic_budget(np.full(100, 20), epochs=4) == 384
    assert automatic_budget(np.full(2500, 20), epochs=3) == 750
    assert automatic_budget(np.full(100_000, 20), epochs=3) == 1024


def test_loss_and_margin_by_hand():
    epoch = empty(3)
    logits = np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 0.0]], np.float32)
    note(epoch, np.array([2, 0]), logits, np.array([0, 1]))
    assert epoch.margin[2] == 1.0
    assert epoch.margin[0] == 0.0
    assert epoch.loss[0] == pytest.approx(np.log(3))
    assert epoch.loss[2] == pytest.approx(np.log(1 + np.exp(-2) + np.exp(-1)))
    assert np.isnan(epoch.loss[1])


@pytest.mark.parametrize(
    ("computes", "on_cpu", "width", "expected"),
    [
        (True, True, 384, ("bfloat16", "eager")),
        (True, True, 64, ("bfloat16", "eager")),
        (True, True, 32, ("float32", "eager")),  # nothing to win
        (False, True, 384, ("float32", "eager")),
        (False, False, 384, ("bfloat16", "sdpa")),
    ],
)
def test_choices_follow_the_machine_and_the_width(monkeypatch, computes, on_cpu, width, expected):
    """No clock is asked: how busy the machine is changes no model."""
    monkeypatch.setattr(machine, "computes_bfloat16", lambda: computes)
    assert machine.tuned(TrainConfig(), on_cpu=on_cpu, width=width) == expected


def test_what_is_asked_for_is_taken(monkeypatch):
    monkeypatch.setattr(machine, "computes_bfloat16", lambda: False)
    assert machine.tuned(TrainConfig(attention="sdpa"), on_cpu=True, width=384) == ("float32", "sdpa")
    fixed = TrainConfig(dtype="bfloat16", attention="eager")
    assert machine.tuned(fixed, on_cpu=True, width=384) == ("bfloat16", "eager")
