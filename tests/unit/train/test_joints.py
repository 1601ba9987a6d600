"""What the joints of a step promise: attacks leave nothing behind, terms add up, several compose, two of a kind are refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tiny_encoder import TINY, make_toy, same
from veridical.core.errors import InputError
from veridical.models.encoder import EncoderModel
from veridical.train._contract import Countermeasure, Pass, Toy
from veridical.train.countermeasures import ema, fgm, freelb, logit_adjustment, mixout, pgd, r_drop, swa, wise_ft
from veridical.train.countermeasures._smoothness import divergence, of_length, within
from veridical.train.countermeasures.forward_correction import Params as Forward
from veridical.train.countermeasures.forward_correction import loss as forward_loss
from veridical.train.training import fitting, train


def unused() -> Toy:
    raise NotImplementedError


def followed(attack, gradients):
    """The (shift, learns) that an attack yields when it is sent these gradients, the first at the start."""
    shifts = attack(gradients[0])
    given, found = next(shifts), []
    for gradient in [*gradients[1:], None]:
        found.append(given)
        try:
            given = shifts.send(gradient)
        except StopIteration:
            break
    return found


@pytest.fixture
def at_unit() -> Pass:
    return Pass(None, torch.ones(2, 1, 1), 2.0, None, None)


def test_fgm_moves_each_row_by_its_length_along_the_gradient(at_unit):
    gradient = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]])
    ((shift, learns),) = followed(lambda g: fgm.attack(g, at_unit, fgm.Params(size=0.5)), [gradient])
    assert learns
    torch.testing.assert_close(shift, torch.tensor([[[0.6, 0.8]], [[0.0, 0.0]]]))


def test_pgd_stays_in_its_ball_and_learns_at_the_last_place(at_unit):
    east, north = torch.tensor([[[1.0, 0.0]]] * 2), torch.tensor([[[0.0, 1.0]]] * 2)
    params = pgd.Params(size=0.5, step=0.5, steps=3)
    found = followed(lambda g: pgd.attack(g, at_unit, params), [east, north, north])
    assert [learns for _, learns in found] == [False, False, True]
    torch.testing.assert_close(found[0][0], east)
    torch.testing.assert_close(found[1][0], of_length(east + north, 1.0))
    assert all(float(shift.flatten(1).norm(dim=1).max()) <= 1.0 + 1e-6 for shift, _ in found)


def test_freelb_learns_at_every_place(at_unit):
    east = torch.tensor([[[1.0, 0.0]]] * 2)
    found = followed(lambda g: freelb.attack(g, at_unit, freelb.Params(step=0.25, steps=2, size=1.0)), [east, east])
    assert [learns for _, learns in found] == [True, True]
    torch.testing.assert_close(found[1][0], east)


def test_divergence_is_that_of_the_definition():
    p, q = torch.tensor([[0.7, 0.3]]), torch.tensor([[0.4, 0.6]])
    assert divergence(p.log(), q.log() + 5).item() == pytest.approx(0.7 * np.log(0.7 / 0.4) + 0.3 * np.log(0.3 / 0.6), abs=1e-6)
    torch.testing.assert_close(
        within(torch.tensor([[[3.0, 4.0]], [[0.3, 0.4]]]), 1.0), torch.tensor([[[0.6, 0.8]], [[0.3, 0.4]]])
    )


def test_the_gradient_at_the_embeddings_is_that_of_the_loss_and_the_table_is_left_alone(toy, tiny_bert):
    """The loss at a small move along the gradient rises by the length of the move times that of the gradient."""
    seen = []

    def probe(gradient, here, params):
        before = here.again(None, same_masks=True).detach()
        for size in (0.0, 1e-2):
            after = here.again(of_length(gradient, size), same_masks=True).detach()
            seen.append((before, after, float(gradient.abs().max())))
        yield torch.zeros_like(gradient), False

    looking = Countermeasure(params=None, toy=unused, attack=probe)
    config = replace(TINY, dropout=0.2, epochs=1)
    looked = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[looking])
    assert same(looked, train(toy, model=tiny_bert, config=config, seed=1))
    for before, after, _ in seen[::2]:
        assert torch.equal(before, after)  # the same dropout masks, no move
    assert all(not torch.equal(before, after) for before, after, steep in seen[1::2] if steep > 0)


def test_one_shift_of_zero_doubles_the_loss_and_so_changes_nothing_but_rounding(toy, tiny_bert):
    def stay(gradient, here, params):
        yield torch.zeros_like(gradient), True

    # AdamW does not see the scale of the loss; clipping would.
    config = replace(TINY, epochs=1, max_grad_norm=1e6, learning_rate=1e-3)
    twice = Countermeasure(params=None, toy=unused, attack=stay)
    one = train(toy, model=tiny_bert, config=config, seed=1)
    two = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[twice])
    np.testing.assert_allclose(two.probabilities, one.probabilities, atol=1e-3)


def test_a_term_beside_the_loss_is_added_to_it(toy, tiny_bert):
    """The same term beside the loss and inside it."""
    term = Countermeasure(params=None, toy=unused, beside=lambda seen, params: seen.logits[:, 0] * 0.5)
    by_loss = Countermeasure(
        params=None,
        toy=unused,
        loss=lambda logits, codes, params: (
            torch.nn.functional.cross_entropy(logits, codes, reduction="none") + logits[:, 0] * 0.5
        ),
    )
    config = replace(TINY, epochs=1)
    beside = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[term])
    inside = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=[by_loss])
    np.testing.assert_allclose(beside.probabilities, inside.probabilities, atol=1e-3)


def test_many_compose(toy, tiny_bert):
    several = ["fgm", "r_drop", "vat", "l2_sp", "ema", "gce", "class_balanced", "wise_ft", "mixout"]
    config = replace(TINY, epochs=2, token_budget=300)
    one = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=several)
    assert np.isfinite(one.probabilities).all()
    without = train(toy, model=tiny_bert, config=config, seed=1, countermeasures=several[1:])
    assert not same(one, without)


def test_r_drop_of_a_share_learns_on_average_what_whole_passes_teach():
    """Rows that pass again count 1/share times, the others nothing; over steps that is the divergence of all rows."""
    logits, again = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), torch.tensor([[0.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    whole = 3.0 / 2 * (divergence(logits, again) + divergence(again, logits))

    def beside(share: float, step: int) -> torch.Tensor:
        rngs = [np.random.default_rng([step, row]) for row in range(3)]
        seen = Pass(
            logits,
            None,
            1.0,
            None,
            None,
            np.arange(3),
            streams=lambda: rngs,
            again_of=lambda at: (again[at], torch.as_tensor(at)),
        )
        return r_drop.beside(seen, r_drop.Params(weight=3.0, share=share))

    torch.testing.assert_close(beside(1.0, 0), whole)
    steps = torch.stack([beside(0.5, step) for step in range(2000)])
    assert all(
        min(abs(float(one)), abs(float(one - 2 * row))) < 1e-5 for step in steps for one, row in zip(step, whole, strict=True)
    )
    torch.testing.assert_close(steps.mean(0), whole, rtol=0.1, atol=0.02)


def test_two_that_replace_the_same_are_refused(toy, tiny_bert):
    for both, what in ((["ema", "swa"], "scored"), (["gce", "focal"], "the loss")):
        with pytest.raises(InputError, match=f"both replace.*{what}"):
            train(toy, model=tiny_bert, config=TINY, countermeasures=both)


def test_averages_are_averages():
    parameters = {"a": torch.tensor([0.0])}
    own: dict[str, torch.Tensor] = {}
    for step in range(1, 5):
        parameters["a"] = torch.tensor([float(step)])
        swa.after_step(parameters, own, step / 4, swa.Params(share=0.5))
    assert swa.scored(own, swa.Params())["a"].item() == pytest.approx(3.5)
    own = {}
    params = ema.Params(decay=0.5, slow_start=1.0)
    for value in (2.0, 4.0, 8.0):
        ema.after_step({"a": torch.tensor([value])}, own, 1.0, params)
    assert ema.scored(own, params)["a"].item() == pytest.approx(0.25 * 2 + 0.25 * 4 + 0.5 * 8)
    mix = wise_ft.after({"a": torch.tensor([0.0])}, {"a": torch.tensor([4.0])}, wise_ft.Params(share=0.25))
    assert mix["a"].item() == pytest.approx(1.0)


def test_mixout_puts_back_its_share_and_keeps_the_mean():
    start, now = {"m": torch.zeros(400, 400)}, {"m": torch.ones(400, 400)}
    mixed = mixout.mixed(now, start, mixout.Params(share=0.7), np.random.default_rng(0))["m"]
    assert float((mixed == 0).float().mean()) == pytest.approx(0.7, abs=0.01)
    assert float(mixed.mean()) == pytest.approx(1.0, abs=0.02)


def test_forward_correction_is_the_loss_of_what_was_written_down():
    logits, codes = torch.tensor([[2.0, 0.0, -1.0], [0.0, 50.0, 0.0]]), torch.tensor([1, 0])
    p = logits.softmax(-1)
    written = torch.tensor([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.0, 0.5, 0.5]])
    expected = -torch.log((p @ written)[torch.arange(2), codes])
    torch.testing.assert_close(forward_loss(logits, codes, Forward(transition=tuple(map(tuple, written.tolist())))), expected)
    even = torch.full((3, 3), 0.15).fill_diagonal_(0.7)
    torch.testing.assert_close(forward_loss(logits, codes, Forward(rate=0.3)), -torch.log((p @ even)[torch.arange(2), codes]))
    with pytest.raises(InputError, match="give 3 rows of 3"):
        forward_loss(logits, codes, Forward(transition=((1.0,),)))


def test_logit_adjustment_at_its_best_gives_balanced_answers():
    """Logits of zero under shares s are the answer s while learning: what is learned on top is free of the shares."""
    params = logit_adjustment.prepare(np.array([0, 0, 0, 1]), 2, logit_adjustment.Params())
    assert params.shares == (0.75, 0.25)
    loss = logit_adjustment.loss(torch.zeros(2, 2), torch.tensor([0, 1]), params)
    torch.testing.assert_close(loss, -torch.log(torch.tensor([0.75, 0.25])))


def test_what_is_kept_is_scored_and_saved(toy, tiny_bert):
    """A scored network that is the start at every epoch ends as the start; its own training goes on beside it."""

    def first(parameters, own, done, params):
        if not own:
            own |= {name: p.detach().clone() for name, p in parameters.items()}

    stay = Countermeasure(params=None, toy=unused, after_step=first, scored=lambda own, params: own)
    one = train(toy, model=tiny_bert, config=replace(TINY, epochs=1), seed=1, countermeasures=[stay])
    two = train(toy, model=tiny_bert, config=replace(TINY, epochs=3, warmup_share=0.0), seed=1, countermeasures=[stay])
    assert isinstance(one.model, EncoderModel)
    assert len(two.dynamics) > len(one.dynamics)
    moved = train(toy, model=tiny_bert, config=replace(TINY, epochs=3, warmup_share=0.0), seed=1)
    distance = [np.abs(t.probabilities - 0.5).mean() for t in (two, moved)]
    assert distance[0] < distance[1]


def test_a_countermeasure_that_does_not_fit_is_refused_before_any_work():
    with pytest.raises(InputError, match="ema and swa both replace"):
        fitting(["ema", "swa"], model="minilm")
    with pytest.raises(InputError, match="model linear does not have"):
        fitting(["class_balanced", "fgm"], model="linear")
    assert [name for name, _ in fitting(["class_balanced", "class_weights"], model="linear")] == [
        "class_balanced",
        "class_weights",
    ]


def test_weights_of_several_countermeasures_are_multiplied_and_the_run_says_so() -> None:
    both = train(make_toy(), model="linear", countermeasures=["class_balanced", "class_weights"])
    assert both.warnings == ("class_balanced and class_weights all weigh train rows; each row has the product of their weights.",)
    assert train(make_toy(), model="linear", countermeasures=["class_weights"]).warnings == ()
