"""Countermeasures that learn before or between steps: known answers, refusals, and several together interrupted and resumed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tiny_encoder import TINY, make_toy, same
from veridical.core.errors import InputError, VeridicalError
from veridical.train._contract import Features
from veridical.train.countermeasures import concept_erasure, dfr, group_dro, jtt, product_of_experts, small_loss
from veridical.train.countermeasures._head import balancing, fitted_head
from veridical.train.countermeasures._toys import planted_cue, worst_group, wrong_labels
from veridical.train.training import fitting, train


def test_erased_states_have_no_covariance_with_the_group_and_move_least():
    rng = np.random.default_rng(0)
    groups = rng.integers(3, size=400)
    states = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + np.eye(3, 6)[groups] * 2
    weights = rng.random(400) + 0.1
    gone, centre = concept_erasure.erased(states, groups, weights=weights)
    left = states - (states - centre) @ gone.T
    share = weights / weights.sum()
    concept = np.eye(3)[groups]
    assert np.abs(((left - share @ left) * share[:, None]).T @ (concept - share @ concept)).max() < 1e-10
    np.testing.assert_allclose(gone @ gone, gone, atol=1e-8)
    assert np.linalg.matrix_rank(gone, tol=1e-6) == 2  # three groups span two directions
    # Orthogonal in the metric of the covariance, which is what makes it the smallest change (Belrose et al., theorem 4.3).
    covariance = ((states - centre) * share[:, None]).T @ (states - centre)
    np.testing.assert_allclose(gone @ covariance, (gone @ covariance).T, atol=1e-8)


def test_the_erasure_in_the_head_is_the_erasure_of_the_states():
    rng = np.random.default_rng(1)
    codes, groups = rng.integers(2, size=200), rng.integers(2, size=200)
    states = rng.normal(size=(200, 4)) + np.outer(codes, [2, 0, 0, 0]) + np.outer(groups, [0, 3, 0, 0])
    seen = Features(states, np.arange(200), codes, np.zeros((2, 4)), np.zeros(2))
    params = replace(concept_erasure.Params(), groups=groups)
    weight, bias = concept_erasure.head(seen, params)
    gone, centre = concept_erasure.erased(states, groups, weights=balancing(groups * 2 + codes))
    left = states - (states - centre) @ gone.T
    own = fitted_head(left, codes, n_classes=2, weights=None, c=params.c)
    np.testing.assert_allclose(states @ weight.T + bias, left @ own[0].T + own[1], atol=1e-8)


def test_balanced_cells_weigh_the_same():
    weights = balancing(np.array([0, 0, 0, 5]))
    np.testing.assert_allclose(weights, [2 / 3, 2 / 3, 2 / 3, 2])


def test_dfr_without_share_keeps_the_head():
    seen = Features(np.ones((2, 3)), np.arange(2), np.array([0, 1]), np.ones((2, 3)), np.ones(2))
    weight, bias = dfr.head(seen, dfr.Params(share=0.0))
    assert weight is seen.weight
    assert bias is seen.bias


def test_group_weights_grow_by_the_exponential_of_the_loss():
    params = replace(group_dro.Params(step=1.0), cells=np.array([0, 0, 1, 1]))
    rows, own = np.array([0, 1, 2]), {}
    np.testing.assert_allclose(group_dro.weigh(rows, own, params), [0.75, 0.75, 1.5])
    group_dro.noticed(rows, np.array([1.0, 3.0, 0.0]), own, params)
    np.testing.assert_allclose(own["weight"].numpy(), [np.e**2 / (np.e**2 + 1), 1 / (np.e**2 + 1)])
    factors = group_dro.weigh(rows, own, params)
    assert factors[:2].sum() / factors[2] == pytest.approx(np.e**2)


def test_the_mixture_parts_small_losses_from_large():
    rng = np.random.default_rng(0)
    losses = np.concatenate([rng.normal(0.2, 0.05, 70), rng.normal(3.0, 0.2, 30)])
    params = replace(small_loss.Params(), train=np.arange(100), n_rows=100)
    own: dict[str, torch.Tensor] = {}
    rows = rng.permutation(100)
    for part in (rows[:60], rows[60:]):
        assert np.all(small_loss.weigh(part, own, params) == 1)  # warm-up
        small_loss.noticed(part, losses[part], own, params)
    factors = small_loss.weigh(np.arange(100), own, params)
    assert factors[:70].min() > 0.95
    assert factors[70:].max() < 0.05


def test_the_cheat_is_sure_where_its_word_is_and_knows_no_row_it_learned():
    data = planted_cue()
    study = SimpleNamespace(data=data, train=data.rows("train"), seed=0)
    told = product_of_experts.study(study, product_of_experts.Params()).told
    rows = data.rows("train")
    assert (told[rows].argmax(1) == data.codes[rows]).mean() > 0.9  # the cue is right in 95 of 100 train rows
    np.testing.assert_allclose(np.exp(told[rows]).sum(1), 1)
    assert np.all(told[data.rows("test")] == 0)
    with pytest.raises(InputError, match="cheat"):
        product_of_experts.study(study, product_of_experts.Params(cheat="no_word"))


def test_model_linear_takes_those_that_weigh_rows_and_jtt_weighs_what_it_got_wrong():
    data = planted_cue()
    plain, weighed = (train(data, model="linear", countermeasures=cms) for cms in ((), ("jtt",)))
    assert worst_group(weighed.probabilities, data) < worst_group(plain.probabilities, data)
    off = replace(jtt.countermeasure, params=jtt.countermeasure.off)
    np.testing.assert_array_equal(train(data, model="linear", countermeasures=[off]).probabilities, plain.probabilities)
    for name in ("aum_removal", "dfr", "group_dro", "product_of_experts", "small_loss", "self_distillation"):
        with pytest.raises(InputError, match="model linear does not have"):
            fitting((name,), model="linear")


@pytest.mark.parametrize("name", ["group_dro", "dfr", "concept_erasure"])
def test_without_groups_it_is_refused_before_any_work(name, tiny_bert):
    with pytest.raises(InputError, match=f"{name} needs a column that divides"):
        train(wrong_labels(0.1), model=tiny_bert, config=TINY, countermeasures=[name])
    units = make_toy().with_column("group", [f"author {i // 2}" for i in range(200)])
    with pytest.raises(InputError, match="a few large groups"):
        train(units, model=tiny_bert, config=TINY, countermeasures=[name])


def test_two_heads_are_refused():
    with pytest.raises(InputError, match="both replace the head"):
        fitting(("dfr", "concept_erasure"), model="minilm")


class Interrupted(VeridicalError):
    pass


def test_several_together_interrupted_in_a_first_training_and_later_end_the_same(toy, tiny_bert, tmp_path):
    several = ("group_dro", "small_loss", "jtt", "product_of_experts", "self_distillation", "dfr", "ema", "fgm")
    config = replace(TINY, dropout=0.1, accumulation=2, epochs=2, token_budget=200)
    whole = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=several)
    for stage, at in (("train for jtt", 4), ("train for self_distillation", 3), ("train", 9)):

        def stop(now, done, total, stage=stage, at=at):
            if (now, done) == (stage, at):
                raise Interrupted("stop")

        with pytest.raises(Interrupted):
            train(toy, model=tiny_bert, config=config, seed=1, countermeasures=several, folder=tmp_path, progress=stop)
    assert same(train(toy, model=tiny_bert, config=config, seed=1, countermeasures=several, folder=tmp_path), whole)


def test_a_retraining_by_a_probe_is_the_training_itself():
    """Who fits the linear model again, to measure it, gets the weights of the countermeasure too."""
    from veridical.probe._retraining import LinearAgain
    from veridical.probe._subject import Recipe

    data = planted_cue()
    trained = train(data, model="linear", countermeasures=("jtt",), seed=3)
    again = LinearAgain(data, Recipe("linear", ("jtt",), TINY)).predict(data.rows("train"), data.rows("test"), seed=3)
    np.testing.assert_allclose(again, trained.probabilities[data.rows("test")], atol=1e-6)
