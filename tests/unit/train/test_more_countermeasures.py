"""Known answers of countermeasures that read other rows, other texts, or the network at its start."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tiny_encoder import TINY, make_toy
from veridical.core.errors import InputError
from veridical.core.randomness import stream
from veridical.train._contract import Features, Pass, Read, Start
from veridical.train.answer_training import fitting_answers
from veridical.train.config import TrainConfig
from veridical.train.countermeasures import (
    attack_examples,
    concept_erasure,
    counterfactual_pairs,
    distil,
    ewc,
    feature_gan,
    inlp,
    layer_rates,
    lisa,
    old_model,
    reinit_top,
    replay,
    selfmix,
)
from veridical.train.countermeasures._head import balancing
from veridical.train.countermeasures._told import distance
from veridical.train.countermeasures._toys import cue_that_misleads
from veridical.train.optimizer import make_optimizer
from veridical.train.training import fitting, train


def opened(tiny_bert):
    from veridical.models._encoder_network import EncoderClassifier, open_encoder

    encoder = open_encoder(Path(tiny_bert), dropout=0.0, attention="eager")
    return EncoderClassifier(encoder, n_classes=2, seed=0)


def cross(logits, codes):
    return torch.nn.functional.cross_entropy(logits, codes, reduction="none")


def seen(states, codes, *, weight=None, others=None, rows=None, own=None) -> Pass:
    """A pass whose head is `weight` (C, D), and whose other rows and texts have the states `others`."""
    weight = torch.eye(states.shape[1]) if weight is None else weight
    read = lambda at: Read(others[torch.as_tensor(at)], others[torch.as_tensor(at)] @ weight.T)  # noqa: E731
    rows = np.arange(len(states)) if rows is None else rows
    logits = states @ weight.T
    return Pass(
        logits, None, 1.0, None, None, rows, states=states, codes=codes, losses=cross(logits, codes), loss=cross,
        head=lambda s: s @ weight.T, read_rows=read, read_texts=read, own={} if own is None else own,
        streams=lambda: [stream(0, f"{row}") for row in rows],
    )  # fmt: skip


def test_lower_layers_take_smaller_steps(tiny_bert):
    network = opened(tiny_bert)
    factors = layer_rates.rates(network, layer_rates.Params(decay=0.5))
    assert factors["encoder.encoder.layer.1.output.dense.weight"] == 1.0
    assert factors["encoder.encoder.layer.0.output.dense.weight"] == 0.5
    assert factors["encoder.embeddings.word_embeddings.weight"] == 0.25
    assert factors["encoder.embeddings.LayerNorm.weight"] == 0.25
    assert "head.weight" not in factors
    assert layer_rates.rates(network, layer_rates.Params(decay=1.0)) == {}
    bases = {
        id(p): group["base"]
        for group in make_optimizer(network, TrainConfig(), factors=factors).param_groups
        for p in group["params"]
    }
    named = dict(network.named_parameters())
    assert bases[id(named["encoder.embeddings.word_embeddings.weight"])] == pytest.approx(1e-4 * 0.25)
    assert bases[id(named["head.weight"])] == pytest.approx(5e-4)
    assert len(bases) == len(named)


def test_only_the_top_is_drawn_anew_and_twice_is_as_once(tiny_bert):
    before, once, twice = opened(tiny_bert), opened(tiny_bert), opened(tiny_bert)
    for network, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            reinit_top.network(network, reinit_top.Params(layers=1), stream(0, "reinit_top"))
    old, new, again = (network.state_dict() for network in (before, once, twice))
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(".layer.1." in name for name in changed)
    assert all(torch.equal(new[name], again[name]) for name in new)
    assert new["encoder.encoder.layer.1.output.dense.weight"].std() == pytest.approx(0.02, rel=0.1)


def test_a_student_keeps_every_second_layer_and_can_be_opened_again(tiny_bert, toy, tmp_path):
    from veridical.models._encoder_network import layers
    from veridical.models.encoder import load_encoder_model

    network = opened(tiny_bert)
    first = layers(network.encoder)[0].output.dense.weight.clone()
    distil.network(network, distil.Params(layers=0.5), np.random.default_rng(0))
    assert len(layers(network.encoder)) == network.encoder.config.num_hidden_layers == 1
    assert torch.equal(layers(network.encoder)[0].output.dense.weight, first)
    trained = train(toy, model=tiny_bert, config=replace(TINY, epochs=1), countermeasures=["distil"])
    trained.model.save(tmp_path)
    np.testing.assert_allclose(load_encoder_model(tmp_path).predict(toy.inputs()), trained.probabilities, atol=1e-5)
    with pytest.raises(InputError, match="has 1 layers"):
        train(toy, model=tiny_bert, config=replace(TINY, frozen_layers=2), countermeasures=["distil"])


def test_the_distance_from_a_teacher_is_the_divergence_times_the_squared_temperature():
    logits, told = torch.tensor([[0.0, 2.0]]), np.log([[0.5, 0.5]])
    ours = np.exp([0.0, 1.0]) / np.exp([0.0, 1.0]).sum()
    assert distance(logits, told, temperature=2.0).item() == pytest.approx(4 * (0.5 * np.log(0.5 / ours)).sum(), rel=1e-5)


def test_a_mix_lies_between_a_row_and_a_partner_that_fits():
    params = replace(lisa.Params(same_label=1.0), groups=np.array([0, 0, 1, 1]), codes=np.array([0, 1, 0, 1]), train=np.arange(4))
    rows = np.array([0, 1, 2, 3])
    streams = [stream(0, f"{row}") for row in rows]
    partners, shares = lisa.drawn(rows, streams, params)
    np.testing.assert_array_equal(partners, [2, 3, 0, 1])  # the same label in the other group
    other, _ = lisa.drawn(rows, [stream(0, f"{row}") for row in rows], replace(params, same_label=0.0))
    np.testing.assert_array_equal(other, [1, 0, 3, 2])  # the same group, the other label
    states = torch.eye(4, 2)
    found = lisa.beside(seen(states, torch.tensor([0, 1, 0, 1]), others=states), params)
    share = torch.from_numpy(shares)[:, None].float()
    by_hand = cross(share * states + (1 - share) * states[partners], torch.tensor([0, 1, 0, 1]))
    torch.testing.assert_close(found.float(), by_hand)
    alone = replace(params, groups=np.zeros(4, np.int64))
    np.testing.assert_array_equal(lisa.drawn(rows, streams, alone)[1], 1.0)  # no other group: the row itself


def test_what_a_reader_used_is_projected_away_until_none_can_tell():
    rng = np.random.default_rng(0)
    groups = rng.integers(2, size=600)
    states = rng.normal(size=(600, 5))
    states[:, 0] += 3 * groups
    states[:, 1] += 2 * groups
    params = inlp.Params(c=1.0)
    projection = inlp.kept(states, groups, weights=np.ones(600), params=params)
    np.testing.assert_allclose(projection @ projection, projection, atol=1e-8)
    left = states @ projection
    gap = np.abs(left[groups == 1].mean(0) - left[groups == 0].mean(0))
    assert gap.max() < 0.35  # of 3 and 2
    assert np.linalg.matrix_rank(projection, tol=1e-6) >= 2
    np.testing.assert_array_equal(inlp.kept(states, groups, weights=np.ones(600), params=replace(params, rounds=0)), np.eye(5))


def test_the_projection_in_the_head_is_that_of_the_states():
    rng = np.random.default_rng(1)
    codes, groups = rng.integers(2, size=300), rng.integers(2, size=300)
    states = rng.normal(size=(300, 4)) + np.outer(codes, [2, 0, 0, 0]) + np.outer(groups, [0, 3, 0, 0])
    features = Features(states, np.arange(300), codes, np.zeros((2, 4)), np.zeros(2))
    params = replace(inlp.Params(), groups=groups)
    weight, bias = inlp.head(features, params)
    projection = inlp.kept(states, groups, weights=balancing(groups * 2 + codes), params=params)
    np.testing.assert_allclose(states @ weight.T + bias, states @ projection @ weight.T + bias, atol=1e-8)
    gone = np.eye(4) - projection
    np.testing.assert_allclose(weight @ gone, 0, atol=1e-8)


@pytest.mark.parametrize("module", [concept_erasure, inlp])
def test_the_gain_is_more_than_that_of_fitting_the_head_anew(module, tiny_bert):
    """Erasure refits the head; the same refit without erasure must leave most of the trouble in place."""
    toy = cue_that_misleads()
    config = replace(TINY, epochs=6, token_budget=200, validation_share=0.0)
    troubles = []
    for refit_only in (False, True):
        record = replace(module.countermeasure, params=replace(module.Params(), refit_only=refit_only))
        found = [train(toy.data, model=tiny_bert, config=config, seed=s, countermeasures=[record]).probabilities for s in (0, 1)]
        troubles.append([toy.trouble(probabilities, toy.data) for probabilities in found])
    erased, refitted = troubles
    assert np.mean(refitted) - np.mean(erased) > 0.1, troubles


def test_the_information_of_linear_states_is_the_squared_input():
    """h = W x: the squared gradient of v . h by W_ij is v_i^2 x_j^2, whose mean over normal v is x_j^2."""
    weight = torch.nn.Parameter(torch.zeros(3, 2))
    inputs = torch.tensor([[1.0, 2.0]])

    def read(rows):
        states = inputs[[0] * len(rows)] @ weight.T
        return Read(states, states)

    start = Start({"encoder.w": weight}, read, read, np.arange(4000), np.random.default_rng(0))
    found = ewc.begin(start, ewc.Params(rows=4000)).information["encoder.w"]
    np.testing.assert_allclose(found.mean(0).numpy(), np.array([1.0, 4.0]) / 2.5, rtol=0.05)
    assert found.mean().item() == pytest.approx(1.0)
    params = ewc.Params(strength=2.0, information={"encoder.w": torch.tensor([[1.0, 3.0]])})
    penalty = ewc.penalty({"encoder.w": torch.tensor([[1.0, 2.0]])}, {"encoder.w": torch.zeros(1, 2)}, params)
    assert penalty.item() == pytest.approx(1.0 + 3.0 * 4.0)


def test_with_an_earlier_head_the_information_is_that_of_its_answers():
    """Where the head answers surely, nothing matters; where it is torn, what it reads does."""
    rng = np.random.default_rng(0)
    head = (np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros(2))
    torn = [ewc._pull(np.zeros(2), ewc.Params(head=head), rng) for _ in range(50)]
    sure = [ewc._pull(np.array([50.0, 0.0]), ewc.Params(head=head), rng) for _ in range(50)]
    np.testing.assert_allclose(np.abs(torn), np.tile([1.0, 0.0], (50, 1)))
    np.testing.assert_allclose(sure, 0, atol=1e-6)


def test_an_earlier_row_comes_along_by_chance_and_its_loss_is_added():
    others = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    params = replace(replay.Params(share=1.0, rows=(("a", "x"), ("b", "y"))), codes=np.array([0, 1]))
    given = seen(torch.zeros(3, 2), torch.zeros(3, dtype=torch.long), others=others)
    chosen = []
    for rng in given.streams():
        rng.random()
        chosen.append(int(rng.integers(2)))
    by_hand = cross(others[chosen], torch.tensor(params.codes[chosen]))
    torch.testing.assert_close(replay.beside(given, params), by_hand)
    assert not replay.beside(given, replace(params, share=0.0)).any()


def test_replay_refuses_what_it_cannot_learn(tmp_path):
    data = make_toy()
    study = SimpleNamespace(data=data, train=data.rows("train"), seed=0)
    path = tmp_path / "earlier.csv"
    path.write_text("text,label\nsome text,strange\nother text,pos\n" * 1, encoding="utf-8")
    with pytest.raises(InputError, match="strange"):
        replay.study(study, replay.Params(file=str(path)))


def test_an_old_model_of_the_same_labels_is_asked_in_their_order(tmp_path):
    class Backwards:
        kind, labels = "linear", ("pos", "neg")

        def predict(self, inputs):
            return np.tile([0.9, 0.1], (len(inputs), 1))

    data = make_toy()
    study = SimpleNamespace(data=data, train=data.rows("train"), seed=0)
    told = old_model.study(study, old_model.Params(model=Backwards())).told
    np.testing.assert_allclose(np.exp(told[study.train[0]]), [0.1, 0.9])


def test_an_old_model_of_other_labels_keeps_its_head_on_the_new_states():
    params = replace(
        old_model.Params(temperature=1.0), told=np.log([[0.5, 0.5]]), head=(np.array([[1.0, 0], [0, 0]]), np.zeros(2))
    )
    given = seen(torch.tensor([[3.0, 7.0]]), torch.tensor([0]), others=None)
    by_hand = distance(torch.tensor([[3.0, 0.0]]), np.log([[0.5, 0.5]]), temperature=1.0)
    torch.testing.assert_close(old_model.beside(given, params), by_hand)


def test_rows_of_the_high_part_lose_their_label_and_get_the_answer_made_surer():
    params = replace(selfmix.Params(temperature=0.5), codes=np.array([0, 0]), n_classes=2, train=np.arange(2))
    own = {"low": torch.tensor([1.0, 0.0]), "told": torch.tensor([[0.5, 0.5], [0.2, 0.8]])}
    np.testing.assert_allclose(selfmix.targets(np.array([0, 1]), own, params), [[1, 0], [0.04 / 0.68, 0.64 / 0.68]], rtol=1e-6)
    states, codes = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    early = seen(states, codes, others=states)
    assert not selfmix.beside(early, params).any()  # in the warm-up nothing is added
    np.testing.assert_allclose(early.own["said"].numpy(), states.softmax(-1).numpy())
    late = seen(states, codes, others=states, own=own)
    without = selfmix.beside(late, replace(params, weight=1e-12))
    torch.testing.assert_close(without, torch.tensor([0.0, -1.0]) * late.losses, atol=1e-6, rtol=0)


def test_forms_belong_to_the_rows_that_they_are_nearest_to():
    rng = np.random.default_rng(3)
    rows = [" ".join("".join(map(chr, rng.integers(97, 107, size=5))) for _ in range(8)) for _ in range(200)]
    forms = [str(attack_examples.slips(row, rng, share=0.5)) for row in rows]
    assert not attack_examples._strangers(rows, forms)
    assert attack_examples._strangers(rows, forms[9:] + forms[:9])
    # Texts of two characters with one changed share no three letters with anything, and are nobody's for it.
    short = [chr(0x4E00 + 2 * k) + chr(0x5E00 + 2 * k) for k in range(40)]
    assert not attack_examples._strangers(short, [text[0] + "错" for text in short])


def test_slips_keep_the_first_letter_and_short_words():
    rng = np.random.default_rng(0)
    for _ in range(50):
        found = attack_examples.slips("the wonderful film", rng, share=1.0)
        words = str(found).split()
        assert words[0] == "the"
        assert words[1][0] == "w"
        assert words[1] != "wonderful"
        assert words[2][0] == "f"
    assert attack_examples.slips("a b c", rng, share=1.0) == "a b c"
    first, second = attack_examples.slips(("wonderful", "the"), rng, share=1.0)
    assert (first != "wonderful", second) == (True, "the")


def test_the_hardest_form_is_learned():
    others = torch.tensor([[5.0, 0.0], [0.0, 5.0], [1.0, 1.0]])
    params = replace(attack_examples.Params(tries=2), made=("a", "b", "c"), owner=np.array([0, 0, 2]))
    given = seen(torch.zeros(3, 2), torch.tensor([0, 0, 1]), others=others)
    found = attack_examples.beside(given, params)
    by_hand = cross(others[[1, 2]], torch.tensor([0, 1]))
    torch.testing.assert_close(found, torch.stack([by_hand[0], torch.tensor(0.0), by_hand[1]]))


def test_attack_examples_of_a_file_belong_to_rows_by_id(tmp_path):
    data = make_toy()
    path = tmp_path / "attacks.jsonl"
    path.write_text('{"id": "r3", "text": "rewritten", "label": "pos"}\n{"id": "no", "text": "x", "label": "pos"}\n')
    study = SimpleNamespace(data=data, train=data.rows("train"), seed=0)
    params = attack_examples.study(study, attack_examples.Params(file=str(path)))
    assert (params.made, params.owner.tolist()) == (("rewritten",), [3])


def test_a_row_may_have_several_attack_examples_and_the_same_one_counts_once(tmp_path):
    data = make_toy()
    path = tmp_path / "attacks.csv"
    path.write_text("id,text\nr3,one form\nr1,first\nr3,another form\nr3,one form\n")
    study = SimpleNamespace(data=data, train=data.rows("train"), seed=0)
    params = attack_examples.study(study, attack_examples.Params(file=str(path)))
    assert (params.made, params.owner.tolist()) == (("first", "one form", "another form"), [1, 3, 3])


def test_words_are_exchanged_with_their_capitals_and_whole():
    words = counterfactual_pairs.pairs_of("he/she+man/woman")
    assert counterfactual_pairs.exchanged("He saw a MAN; the woman manages.", words) == "She saw a WOMAN; the man manages."
    assert counterfactual_pairs.exchanged("这部电影很好看", counterfactual_pairs.pairs_of("好看/难看")) == "这部电影很难看"
    with pytest.raises(InputError, match=r"he/she\+his/her"):
        counterfactual_pairs.pairs_of("he-she")


def test_a_twin_is_learned_and_its_answer_compared():
    others = torch.tensor([[0.0, 3.0]])
    params = counterfactual_pairs.Params(weight=1.0, pair=1.0, made=(("twin", 1),), twin=np.array([0, -1]))
    given = seen(torch.tensor([[2.0, 0.0], [1.0, 1.0]]), torch.tensor([0, 0]), others=others)
    found = counterfactual_pairs.beside(given, params)
    # The label is the other one, so the classes of the twin change places: [3, 0] against [2, 0].
    assert found[0].item() == pytest.approx(cross(others, torch.tensor([1])).item() + 0.5)
    assert found[1].item() == 0.0


def test_the_generator_moves_no_state_further_than_it_may_and_learns_against_the_head():
    params = feature_gan.Params(size=0.5, realism=0.0, rate=0.05, seed=0)
    own: dict[str, torch.Tensor] = {}
    weight = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])
    states, codes = torch.tensor([[2.0, 1, 0], [2.0, -1, 0], [-2.0, 1, 0], [-2.0, -1, 0]]), torch.tensor([0, 0, 1, 1])
    losses = []
    for _ in range(60):
        given = seen(states, codes, weight=weight, own=own)
        losses.append(float(feature_gan.beside(given, params).mean()))
        feature_gan.after_step({}, own, 0.5, params)
    assert losses[:2] == [0.0, 0.0]  # centre and distance of the states come first
    assert losses[-1] > losses[2]
    there = feature_gan.moved(states, torch.zeros(4, feature_gan.NOISE), own, params)
    assert float((there - states).norm(dim=1).max()) <= 0.5 * float(own["distance"]) + 1e-5


def test_those_that_know_rows_by_one_label_are_refused_for_tasks_of_structures():
    for name in (
        "lisa",
        "replay:file=a",
        "old_model:folder=a",
        "ewc",
        "distil",
        "selfmix",
        "attack_examples",
        "feature_gan",
        "inlp",
    ):
        with pytest.raises(InputError, match="one label each"):
            fitting_answers((name,), task="ner", model="minilm", config=TrainConfig())
    assert fitting_answers(("layer_rates", "reinit_top"), task="ner", model="minilm", config=TrainConfig())


def test_two_that_replace_the_head_are_refused():
    with pytest.raises(InputError, match="both replace the head"):
        fitting(("inlp", "concept_erasure"), model="minilm")


def test_many_of_them_compose(toy, tiny_bert):
    several = ["layer_rates", "reinit_top", "lisa", "selfmix:warm_up=1", "attack_examples", "feature_gan", "ewc:rows=5", "inlp"]
    found = train(toy, model=tiny_bert, config=replace(TINY, epochs=2, token_budget=300), seed=1, countermeasures=several)
    assert np.isfinite(found.probabilities).all()


def test_what_a_file_says_is_part_of_what_a_run_is(tmp_path):
    from veridical.pipeline.config import configured
    from veridical.pipeline.identity import identity_of

    rows, earlier = tmp_path / "rows.csv", tmp_path / "earlier.csv"
    rows.write_text("text,label\na,x\nb,y\n")
    given = {"model": "minilm", "countermeasures": f"gce:power=0.5,replay:file={earlier}"}
    found = []
    for text in ("text,label\nc,x\nd,y\n", "text,label\nc,x\ne,y\n"):
        earlier.write_text(text)
        found.append(identity_of("run", rows, configured(given)))
    assert found[0]["config"] == found[1]["config"]
    assert found[0]["config"]["countermeasures"] == ("gce:power=0.5", f"replay:file={earlier}")
    assert found[0]["data"]["--countermeasures replay:file"] != found[1]["data"]["--countermeasures replay:file"]


def test_the_thesaurus_of_this_machine_is_part_of_what_a_run_is(tmp_path, monkeypatch):
    from veridical.dataset import thesaurus
    from veridical.pipeline.config import configured
    from veridical.pipeline.identity import identity_of

    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\na,x\nb,y\n")
    found = []
    for synonyms in ({"good": ("fine",)}, {"good": ("fine", "well")}):
        monkeypatch.setattr(thesaurus, "entries", lambda synonyms=synonyms: synonyms)
        thesaurus.fingerprint.cache_clear()
        found.append(
            [identity_of("run", rows, configured({"countermeasures": name})) for name in ("common_synonyms", "spelling")]
        )
    thesaurus.fingerprint.cache_clear()
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]


def test_without_a_thesaurus_synonyms_are_refused_before_any_work(toy, monkeypatch):
    from veridical.dataset import thesaurus

    monkeypatch.setattr(thesaurus, "entries", dict)
    with pytest.raises(InputError, match="mythes-en-us"):
        train(toy, countermeasures=["common_synonyms"])
    assert train(toy, countermeasures=["common_synonyms:rare=0"]).model.normalisers == ()


def test_training_does_not_go_on_from_a_model_that_reads_words_as_others(toy, tiny_bert, tmp_path):
    from veridical.models._encoder_network import open_encoder

    train(toy, model=tiny_bert, config=replace(TINY, epochs=1), countermeasures=["spelling"]).model.save(tmp_path)
    with pytest.raises(InputError, match=r"normalisers\.json"):
        open_encoder(tmp_path, dropout=0.0, attention="eager")


def test_what_a_countermeasure_brings_is_read_as_the_rows_are(tiny_bert):
    from types import SimpleNamespace

    from veridical.models._encoder_network import open_tokenizer
    from veridical.models.lexical_normalisation import LexicalNormaliser
    from veridical.train._contract import Countermeasure
    from veridical.train.encoder_training import texts_of

    tokenizer, bringing = open_tokenizer(Path(tiny_bert)), Countermeasure(None, None, texts=lambda _: ["godo"], beside=print)
    made = []
    for normalisers in ((), (LexicalNormaliser(known=("good",)),)):
        request = SimpleNamespace(normalisers=normalisers, config=TINY)
        made.append(texts_of(request, (("one", bringing),), tokenizer)["one"].ids.tolist())
    assert made[1] == tokenizer("good")["input_ids"] != made[0]


def test_training_goes_on_from_the_encoder_of_an_earlier_run(toy, tiny_bert, tmp_path):
    """Its file holds the encoder under another name than a Hugging Face folder does; read as one, all of it would be random."""
    from veridical.models._encoder_network import open_encoder

    earlier = train(toy, model=tiny_bert, config=replace(TINY, epochs=1)).model
    earlier.save(tmp_path)
    opened_again = open_encoder(tmp_path, dropout=0.0, attention="eager").state_dict()
    assert all(torch.equal(tensor, opened_again[name]) for name, tensor in earlier.network.encoder.state_dict().items())
    still = train(toy, model=str(tmp_path), config=replace(TINY, epochs=1, learning_rate=1e-8)).model
    for name, tensor in earlier.network.encoder.state_dict().items():
        torch.testing.assert_close(still.network.encoder.state_dict()[name], tensor, atol=1e-4, rtol=0)
    tuned = train(toy, model=tiny_bert, config=replace(TINY, epochs=1, tuning="adapters")).model
    tuned.save(tmp_path / "tuned")
    with pytest.raises(InputError, match="tuned with adapters"):
        open_encoder(tmp_path / "tuned", dropout=0.0, attention="eager")
