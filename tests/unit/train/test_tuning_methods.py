"""Tuning methods against what is known of them: counts by formula, PEFT's own models, its allocation of ranks."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tiny_encoder import TINY, make_toy
from veridical.core.errors import InputError, UnknownName
from veridical.train.config import TrainConfig
from veridical.train.training import NO_ROWS, train

torch = pytest.importorskip("torch")

D, F, L, C = 32, 64, 2, 2
"""Width, feed-forward units, layers of the tiny encoder; classes of the toy."""
HEAD = D * C + C
SQUARE, WIDE = 4, 2
"""Matrices of a layer: D x D (query, key, value, output), and D x F (two)."""


def prepared(name: str, weights: str, knobs: tuple[str, ...] = (), **changes: object):
    """The network as training starts with it."""
    from veridical.models._encoder_network import EncoderClassifier
    from veridical.models.weights import resolve
    from veridical.train.encoder_training import open_network

    data = make_toy()
    config = replace(TINY, tuning=name, tuning_knobs=knobs, freeze_embeddings=True, **changes)
    with torch.random.fork_rng(devices=[]):
        return open_network(resolve(weights), config, (), kind=EncoderClassifier, n_classes=len(data.labels), seed=1).eval()


IDS = torch.tensor([[2, 5, 7, 11, 3], [2, 6, 9, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]])


def states(encoder):
    with torch.no_grad():
        return encoder(input_ids=IDS, attention_mask=MASK).last_hidden_state


def shaken(network) -> None:
    """Move what learns off its start, the same for equal names and shapes."""
    draw = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            if parameter.requires_grad and not name.startswith("head."):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=draw))


def low_rank(r: int) -> int:
    return L * (SQUARE * 2 * D * r + WIDE * (D + F) * r)


@pytest.mark.parametrize(
    ("name", "knobs", "expected"),
    [
        ("lora", ("rank=3",), low_rank(3)),
        ("lora", ("rank=3", "where=attention"), L * SQUARE * 2 * D * 3),
        ("dora", ("rank=3",), low_rank(3) + L * (SQUARE * D + D + F)),
        ("adalora", ("start_rank=5", "rank=3"), low_rank(5) + L * (SQUARE + WIDE) * 5),
        ("ia3", (), L * (2 * D + F)),
        ("prefix", ("tokens=7",), 2 * L * D * 7),
        ("prompt", ("tokens=7",), 7 * D),
        ("adapters", ("width=6",), L * (2 * D * 6 + 6 + D)),
        ("adapters", ("width=6", "kind=houlsby"), 2 * L * (2 * D * 6 + 6 + D)),
        ("bitfit", (), L * (SQUARE * D + F + D + 2 * D)),
        ("last_layers", ("layers=1",), SQUARE * (D * D + D) + (D * F + F) + (F * D + D) + 2 * 2 * D),
        ("head", (), 0),
    ],
)
def test_as_many_numbers_learn_as_the_formula_says(name, knobs, expected, tiny_bert):
    network = prepared(name, tiny_bert, knobs)
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == expected + HEAD


@pytest.mark.parametrize("name", ["lora", "dora", "adalora", "ia3", "adapters"])
def test_at_the_start_it_is_the_encoder_as_it_came(name, tiny_bert):
    base, network = prepared("head", tiny_bert), prepared(name, tiny_bert)
    if name == "dora":  # lengths times directions: equal but for rounding
        torch.testing.assert_close(states(network.encoder), states(base.encoder))
    else:
        assert torch.equal(states(network.encoder), states(base.encoder))


@pytest.mark.parametrize("name", ["lora", "dora", "adalora", "ia3"])
def test_merged_it_answers_as_before(name, tiny_bert):
    from veridical.core.plugins import get

    base, network = prepared("head", tiny_bert), prepared(name, tiny_bert)
    shaken(network)
    before = states(network.encoder)
    get("veridical.train.tuning", "tuning", name).merge(network)
    assert network.state_dict().keys() == base.state_dict().keys()
    torch.testing.assert_close(states(network.encoder), before, atol=1e-5, rtol=1e-4)
    assert (states(base.encoder) - before).abs().max() > 0.01


def by_peft(name: str, weights: str):
    """PEFT's own model of the method."""
    import peft

    from veridical.models._encoder_network import open_encoder

    all_linear = ["query", "key", "value", "dense"]
    wanted = {
        "lora": lambda: peft.LoraConfig(r=8, lora_alpha=16, target_modules=all_linear),
        "dora": lambda: peft.LoraConfig(r=8, lora_alpha=16, target_modules=all_linear, use_dora=True),
        "ia3": lambda: peft.IA3Config(
            target_modules=["key", "value", "layer.0.output.dense", "layer.1.output.dense"],
            feedforward_modules=["layer.0.output.dense", "layer.1.output.dense"],
        ),
        "prefix": lambda: peft.PrefixTuningConfig(num_virtual_tokens=10),
        "prompt": lambda: peft.PromptTuningConfig(num_virtual_tokens=20),
    }[name]()
    wanted.task_type = "FEATURE_EXTRACTION"
    model = peft.get_peft_model(open_encoder(Path(weights), dropout=0.0, attention="eager"), wanted)
    return model.eval()


def learned(network) -> list[torch.Tensor]:
    return [p for n, p in sorted(network.named_parameters()) if p.requires_grad and not n.startswith("head.")]


@pytest.mark.parametrize("name", ["lora", "dora", "ia3", "prefix", "prompt"])
def test_it_answers_as_pefts_own_model_with_the_same_numbers(name, tiny_bert):
    network, theirs = prepared(name, tiny_bert), by_peft(name, tiny_bert)
    shaken(network)
    ours, given = learned(network), learned(theirs)
    assert [p.shape for p in ours] == [p.shape for p in given]
    with torch.no_grad():
        for mine, other in zip(ours, given, strict=True):
            other.copy_(mine)
        expected = theirs(input_ids=IDS, attention_mask=MASK).last_hidden_state
    if name == "prompt":  # PEFT hands on the states of the virtual tokens too
        expected = expected[:, 20:]
    torch.testing.assert_close(states(network.encoder), expected)
    assert (expected - states(prepared("head", tiny_bert).encoder)).abs().max() > 0.01


def test_adalora_shares_out_ranks_as_peft_does(tiny_bert):
    """Same gradients, same schedule: the same triples are set to zero in every step, and as many are left as was asked for."""
    import peft
    from peft.tuners.adalora.layer import RankAllocator

    from veridical.train.tuning.adalora import Params, after_step

    n_steps, params = 20, Params(start_rank=6, rank=2, first_share=0.1, last_share=0.3)
    ours, theirs = (prepared("adalora", tiny_bert, ("start_rank=6", "rank=2")) for _ in range(2))
    config = peft.AdaLoraConfig(
        init_r=6, target_r=2, tinit=2, tfinal=6, deltaT=1, total_step=n_steps, beta1=0.85, beta2=0.85, target_modules=["query"]
    )
    allocator, pattern = RankAllocator(theirs.encoder, config, "default"), None
    mine = {name: p for name, p in ours.named_parameters() if p.requires_grad}
    other = {name: p for name, p in theirs.named_parameters() if p.requires_grad}
    own: dict[str, torch.Tensor] = {}
    draw = torch.Generator().manual_seed(0)
    for step in range(1, n_steps + 1):
        for name, p in mine.items():
            gradient, move = (torch.randn(p.shape, generator=draw) for _ in range(2))
            p.grad, other[name].grad = gradient, gradient.clone()
            with torch.no_grad():
                p.add_(0.1 * move)
                other[name].add_(0.1 * move)
        with torch.no_grad():
            after_step(mine, own, step / n_steps, params)
        if step < n_steps - 6:
            allocator.update_and_allocate(theirs.encoder, step)
        elif step == n_steps - 6:
            pattern = allocator.update_and_allocate(theirs.encoder, step, force_mask=True)[1]
        else:
            allocator.mask_using_rank_pattern(theirs.encoder, pattern)
        assert all(torch.equal(mine[name], other[name]) for name in mine), step
    left = sum(int((p != 0).sum()) for name, p in mine.items() if "lora_E" in name)
    assert left == 2 * L * (SQUARE + WIDE)


def test_adaloras_penalty_is_pefts():
    from veridical.train.tuning.adalora import Params, penalty

    parameters = {"lora_A.x": torch.eye(2, 4), "lora_B.x": 2 * torch.eye(4, 2), "lora_E.x": torch.ones(2, 1)}
    assert float(penalty(parameters, {}, Params(orthogonal=0.5))) == pytest.approx(0.5 * (0 + (2 * 3**2) ** 0.5) / 2)


def test_the_fitted_head_is_the_regression_on_frozen_features(toy, tiny_bert):
    from veridical.models.frozen_features import fit_head, frozen_features
    from veridical.models.weights import resolve

    config = replace(TINY, tuning="head", validation_share=0.0)
    trained = train(toy, model=tiny_bert, config=config, seed=1)
    features = frozen_features(toy.inputs(), weights=resolve(tiny_bert), max_length=32)
    rows = toy.rows("train")
    expected = fit_head(features[rows], toy.codes[rows], n_classes=2).predict(features)
    np.testing.assert_allclose(trained.model.predict(toy.inputs()), expected, atol=1e-5)
    assert trained.dynamics is None
    assert trained.learned.n_trained == HEAD


def test_virtual_tokens_that_do_not_fit_are_refused(toy, tiny_bert):
    for name in ("prefix", "prompt"):
        with pytest.raises(InputError, match="positions"):
            train(toy, model=tiny_bert, config=replace(TINY, tuning=name, tuning_knobs=("tokens=40",)), seed=1)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"tuning": "lorra"}, UnknownName, "'lora'"),
        ({"tuning": "lora", "tuning_knobs": ("rnk=3",)}, UnknownName, "'rank'"),
        ({"tuning": "lora", "tuning_knobs": ("rank",)}, InputError, "NAME=VALUE"),
        ({"tuning": "lora", "tuning_knobs": ("rank=x",)}, InputError, "a whole number"),
        ({"tuning": "lora", "tuning_knobs": ("rank=0",)}, InputError, "outside"),
        ({"tuning": "lora", "tuning_knobs": ("where=there",)}, UnknownName, "attention"),
        ({"tuning": "adalora", "tuning_knobs": ("first_share=0.8",)}, InputError, "less than 1"),
        ({"tuning": "adapters", "tuning_knobs": ("kind=other",)}, UnknownName, "houlsby"),
    ],
)
def test_what_is_unknown_is_refused(changes, kind, said):
    with pytest.raises(kind, match=said):
        TrainConfig(**changes)


def test_more_layers_than_there_are_are_refused(toy, tiny_bert):
    with pytest.raises(InputError, match="layers=1"):
        train(toy, model=tiny_bert, config=replace(TINY, tuning="last_layers", tuning_knobs=("layers=3",)), seed=1)


def test_a_linear_model_has_nothing_to_tune(toy):
    with pytest.raises(InputError, match="for encoders"):
        train(toy, model="linear", config=replace(TINY, tuning="lora"))


def test_an_absent_library_is_named_with_its_extra(toy, tiny_bert, monkeypatch):
    import importlib.util

    from veridical.core.errors import MissingExtra

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "peft" else found(name))
    with pytest.raises(MissingExtra, match="neural"):
        train(toy, model=tiny_bert, config=replace(TINY, tuning="lora"))


def test_knobs_are_part_of_what_is_trained(toy, tiny_bert, tmp_path):
    config = replace(TINY, tuning="bitfit", epochs=1)
    train(toy, model=tiny_bert, config=config, seed=1, folder=tmp_path)
    with pytest.raises(InputError, match="other data, settings or weights"):
        train(toy, model=tiny_bert, config=replace(config, tuning_knobs=("rate=2",)), seed=1, folder=tmp_path)
    assert asdict(config)["tuning_knobs"] == ()


def test_a_cached_head_has_every_text_encoded_once(toy, tiny_bert, monkeypatch):
    """Whatever its countermeasures train first, rewrite, or ask of the texts as given."""
    from veridical.models import frozen_features as module
    from veridical.train.countermeasures import ignore_words

    encode, asked = module._encode, []

    def counted(texts, *given, **settings):
        asked.extend(texts)
        return encode(texts, *given, **settings)

    monkeypatch.setattr(module, "_encode", counted)
    config = replace(TINY, tuning="head")
    train(toy, model=tiny_bert, config=config, seed=1, countermeasures=["jtt"])
    assert sorted(asked) == sorted(set(toy.inputs()))
    asked.clear()
    cue = replace(ignore_words.countermeasure, params=ignore_words.Params(words="good"))
    done = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[cue])
    assert len(asked) == len(set(asked))
    assert set(toy.inputs()) < set(asked)
    np.testing.assert_allclose(done.probabilities, done.model.predict(toy.inputs()), atol=1e-4)


def test_a_cached_head_that_is_asked_of_test_rows_encodes_no_more_texts_than_a_plain_one(toy, tiny_bert, monkeypatch):
    """What ignore_words makes of the train texts stands in their place: these are not encoded as well."""
    from veridical.models import frozen_features as module

    encode, asked = module._encode, []

    def counted(texts, *given, **settings):
        asked.append(len(texts))
        return encode(texts, *given, **settings)

    monkeypatch.setattr(module, "_encode", counted)
    config, test = replace(TINY, tuning="head"), toy.rows("test")
    for named in ([], ["ignore_words:words=good"]):
        done = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=named, answering=test)
        np.testing.assert_allclose(done.probabilities[test], done.model.predict(toy.inputs(test)), atol=1e-4)
        assert np.isnan(done.probabilities[toy.rows("train")]).all()
    assert asked[1] <= asked[0] + 2


@pytest.mark.parametrize("tuning", ["full", "head"])
def test_rows_wanted_are_answered_as_they_are_among_all(toy, tiny_bert, tuning):
    """Whatever is asked, the model is the same; where countermeasures rewrite texts, the answers are to the texts as given."""
    config, test = replace(TINY, tuning=tuning), toy.rows("test")[::-1].copy()
    for named in ([], ["ignore_words:words=good"]):
        whole = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=named)
        part = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=named, answering=test)
        none = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=named, answering=NO_ROWS)
        np.testing.assert_allclose(part.probabilities[test], whole.probabilities[test], atol=1e-5)
        assert np.isnan(np.delete(part.probabilities, test, axis=0)).all()
        assert np.isnan(none.probabilities).all()
        for other in (part, none):
            np.testing.assert_allclose(other.model.predict(toy.inputs(test)), whole.probabilities[test], atol=1e-4)
