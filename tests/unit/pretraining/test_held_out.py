"""Perplexity and its interval: known answers."""

import numpy as np
import pytest
import torch

from veridical.train._objectives import lesson
from veridical.train.held_out import answer_frequencies, bits, perplexity, perplexity_ratio, scores, share
from veridical.train.packing import Special, tokenised
from veridical.train.pretrain_config import PretrainConfig


def network_of(name, tokenizer, stories):
    from veridical.core.progress import silent
    from veridical.train.pretraining import PretrainRequest, opened

    config = PretrainConfig(layers=1, width=16, heads=2, max_length=32, token_budget=64, dtype="float32", attention="eager")
    chosen = lesson(name)
    pieces = tokenised(tokenizer, stories, by_sentence=chosen.by_sentence)
    request = PretrainRequest(chosen, pieces, tokenizer, None, config, 0, None, silent)
    return opened(request)[0], chosen, pieces, request.special


@pytest.mark.parametrize("name", ["mlm", "mlm+clm", "denoise"])
def test_a_model_that_knows_nothing_is_as_perplexed_as_there_are_entries(name, tokenizer, stories):
    network, chosen, pieces, special = network_of(name, tokenizer, stories)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    found = scores(
        network, chosen, pieces, special, n_documents=len(stories), frequencies=answer_frequencies(pieces, special),
        max_length=32, dtype="float32",
    )  # fmt: skip
    for one in found.values():
        estimate = perplexity(one.loss, one.wanted, np.arange(len(stories)), name="x")
        assert estimate.value == pytest.approx(len(tokenizer), rel=1e-4)
        assert estimate.low == pytest.approx(estimate.high, rel=1e-4)


def test_every_causal_token_is_asked_for_once_and_belongs_to_its_document(tokenizer, stories):
    network, chosen, pieces, special = network_of("mlm+clm", tokenizer, stories)
    frequencies = answer_frequencies(pieces, special)
    found = scores(
        network, chosen, pieces, special, n_documents=len(stories), frequencies=frequencies, max_length=32, dtype="float32"
    )["clm"]
    lengths = pieces.lengths
    assert found.wanted.tolist() == [n + -(-n // 30) for n in lengths.tolist()], "its tokens, and the end of each of its segments"
    of_first = pieces.ids[: lengths[0]]
    ends = -(-lengths[0] // 30)
    assert found.floor_loss[0] == pytest.approx(-frequencies[of_first].sum() - ends * frequencies[special.close], rel=1e-9)


def test_the_floor_is_the_entropy_of_the_answers():
    """Four entries, as often as 1/2, 1/4, 1/8, 1/8 of many tokens: 1.75 bits."""
    from veridical.train.packing import Pieces

    ids = np.repeat([5, 6, 7, 8], [40_000, 20_000, 10_000, 10_000])
    pieces = Pieces(ids, np.zeros(len(ids), np.int64), np.array([0, len(ids)]), np.zeros(1, np.int64))
    special = Special(0, 2, 3, 4, np.arange(5, 9), 9)
    frequencies = answer_frequencies(pieces, special)
    estimate = perplexity(np.array([-frequencies[ids].sum()]), np.array([float(len(ids))]), np.zeros(1, np.int64), name="x")
    assert estimate.value == pytest.approx(2**1.75, rel=1e-3)


def test_a_pair_is_right_where_its_answer_is_the_likelier(tokenizer, stories):
    network, chosen, pieces, special = network_of("nsp", tokenizer, stories)
    with torch.no_grad():
        network.model.cls.seq_relationship.weight.zero_()
        network.model.cls.seq_relationship.bias.copy_(torch.tensor([1.0, 0.0]))  # always says that it follows
    one = scores(
        network, chosen, pieces, special, n_documents=len(stories), frequencies=np.zeros(special.size), max_length=32,
        dtype="float32",
    )["nsp"]  # fmt: skip
    assert one.right.tolist() == one.floor_right.tolist()
    value = share(one.right, one.wanted, np.arange(len(stories)), name="x")
    assert 0.35 < value.value < 0.65


def test_families_of_documents_widen_the_interval():
    """20 documents of each of 10 kinds: counted singly the interval is too narrow."""
    rng = np.random.default_rng(0)
    loss = np.repeat(rng.normal(3.0, 0.5, 10), 20) * 100
    wanted, singly, together = np.full(200, 100.0), np.arange(200), np.repeat(np.arange(10), 20)
    alone = perplexity(loss, wanted, singly, name="x")
    clustered = perplexity(loss, wanted, together, name="x")
    assert alone.value == clustered.value
    assert clustered.n_clusters == 10
    assert clustered.width > 3 * alone.width


def test_intervals_cover_what_they_say():
    rng, covered = np.random.default_rng(1), 0
    for trial in range(200):
        wanted = rng.integers(20, 200, 60).astype(float)
        loss = wanted * rng.normal(2.0, 0.4, 60)
        estimate = perplexity(loss, wanted, np.arange(60), name=str(trial))
        covered += estimate.low <= np.exp(2.0) <= estimate.high
    assert 178 <= covered <= 199


def test_ratio_and_bits():
    same = (np.full(30, 20.0), np.full(30, 10.0), np.arange(30))
    worse = (np.full(30, 20.0 + 10 * np.log(2)), np.full(30, 10.0), np.arange(30))
    assert perplexity_ratio(same, same, name="x").value == pytest.approx(1.0)
    assert perplexity_ratio(worse, same, name="x").value == pytest.approx(2.0)
    assert bits(np.array([8 * np.log(2)]), np.array([4.0]), np.zeros(1, np.int64), name="x").value == pytest.approx(2.0)


def test_documents_without_an_answer_do_not_count():
    loss, wanted = np.array([6.0, 0.0, 6.0]), np.array([3.0, 0.0, 3.0])
    estimate = perplexity(loss, wanted, np.arange(3), name="x")
    assert (estimate.n, estimate.value) == (2, pytest.approx(np.exp(2.0)))
