"""Attacks in the order that gradients foresee, on a tiny encoder. Needs torch."""

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.models.queries import Queries
from veridical.probe.attack import RECIPES, Attempt, attack, attempts_of
from veridical.probe.attack._gradients import _gradients, gains_of
from veridical.probe.attack._recipes import UNTARGETED
from veridical.probe.perturbations._characters import words_at
from veridical.train.training import train


@pytest.fixture(scope="module")
def tuned(tiny_bert):
    """`good` or `bad` tells the label."""
    rng, found = np.random.default_rng(0), []
    for i in range(300):
        good = bool(rng.random() < 0.5)
        text = " ".join([*[f"w{k}" for k in rng.integers(0, 20, 6)], "good" if good else "bad", "film"])
        found.append((str(i), "train" if i < 240 else "test", text, "pos" if good else "neg"))
    data = dataset(found)
    return data, train(data, model=tiny_bert, config=TINY, seed=0).model


def replaced(text, label, words):
    options = {(0, place): words for place in words_at(text)}
    return Attempt(text, label, UNTARGETED, options)


def test_the_word_that_decides_promises_the_most(tuned):
    data, model = tuned
    assert Evidence(data, seed=0).clusters is not None
    attempt = replaced("w1 w2 good w3 film", data.labels.index("pos"), ["bad", "plain"])
    (gains,) = gains_of(model, [attempt])
    best = max(gains, key=lambda spot: gains[spot][0])
    assert attempt.text[slice(*best[1])] == "good"
    assert gains[best][0] > gains[best][1]  # bad promises more than plain


def test_gains_are_the_directional_derivative_of_the_loss(tuned):
    """A small step towards the new embedding changes the loss by gain x step."""
    import torch

    data, model = tuned
    attempt = replaced("w1 good film", data.labels.index("pos"), ["bad"])
    (gains,) = gains_of(model, [attempt])
    encoded = model.tokenizer([attempt.text], return_tensors="pt")
    table = model.network.encoder.get_input_embeddings()
    position = encoded["input_ids"][0].tolist().index(model.tokenizer.convert_tokens_to_ids("good"))
    bad = table.weight[model.tokenizer.convert_tokens_to_ids("bad")].detach()

    def loss(step):
        def moved(_module, _inputs, output):
            output = output.detach().clone()
            output[0, position] += step * (bad - output[0, position])
            return output

        hook = table.register_forward_hook(moved)
        with torch.no_grad():
            logits = model.network(encoded["input_ids"], encoded["attention_mask"], encoded.get("token_type_ids"))
        hook.remove()
        return float(torch.nn.functional.cross_entropy(logits, torch.tensor([attempt.label])))

    step = 1e-2
    slope = (loss(step) - loss(-step)) / (2 * step)
    assert gains[0, (3, 7)][0] == pytest.approx(slope, rel=0.05)


def test_gradients_of_a_batch_are_those_of_each_row(tuned):
    _, model = tuned
    many = [replaced(text, 0, ["bad"]) for text in ("w1 good", "w2 w3 bad film w4", "film")]
    together = _gradients(model, many)
    for attempt, (gradient, tokens) in zip(many, together, strict=True):
        ((alone, own),) = _gradients(model, [attempt])
        assert own == tokens
        assert gradient[: len(alone)] == pytest.approx(alone, abs=1e-5)
    assert all(parameter.grad is None for parameter in model.network.parameters())


def test_fewer_questions_than_leaving_out_every_word(tuned):
    data, model = tuned
    rows = data.rows("test")
    texts, ids = data.inputs(rows), [data.ids[i] for i in rows]
    outcomes = {}
    for name in ("deepwordbug", "hotflip"):
        found = attempts_of(RECIPES[name], texts, data.codes[rows].tolist(), ids, seed=0, budget=100)
        outcomes[name] = attack(Queries(model), RECIPES[name], found)
    turned = {name: [o for o in found if o.status == "turned"] for name, found in outcomes.items()}
    assert len(turned["hotflip"]) > 0
    assert np.mean([o.queries for o in turned["hotflip"]]) < np.mean([o.queries for o in turned["deepwordbug"]])
    assert all(o.queries <= 100 for o in outcomes["hotflip"])


def test_a_model_without_gradients_is_refused(tuned):
    from veridical.probe._toys import ToyModel

    with pytest.raises(ValueError, match="encoder"):
        attack(Queries(ToyModel(("a", "b"), lambda _: (0.0, 1.0))), RECIPES["hotflip"], [])


def test_the_probe_tries_hotflip_on_an_encoder(tuned):
    from veridical.probe import adversarial
    from veridical.probe._subject import subject_of

    data, model = tuned
    found = adversarial.run(subject_of(data, model, budget="quick"), adversarial.Params(), np.random.default_rng(0))
    # Where a thesaurus is installed, pwws stands between them.
    assert {"accuracy under deepwordbug", "accuracy under hotflip"} <= {curve.name for curve in found.curves}
    assert not any("hotflip" in note for note in found.notes)
    assert all(curve.estimates[0].value > 0.9 for curve in found.curves)
