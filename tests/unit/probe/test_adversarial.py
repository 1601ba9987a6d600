"""The curve over the budget, and what is said where an attack does not fit."""

from dataclasses import replace

import numpy as np
import pytest

from veridical.models.queries import Queries
from veridical.probe import adversarial
from veridical.probe._runner import run_probe
from veridical.probe._toys import BAD
from veridical.probe.adversarial import Params, probe, toys


@pytest.fixture(scope="module")
def cheat():
    return toys().cheat


def run(subject, **changes):
    return adversarial.run(subject, replace(Params(), **changes), np.random.default_rng(0))


def test_the_curve_starts_at_the_accuracy_and_never_rises(cheat):
    found = run(cheat)
    (curve,) = found.curves
    values = [e.value for e in curve.estimates]
    assert curve.at == (0.0, 10.0, 30.0, 100.0, 300.0)
    assert values[0] == cheat.right.mean() == 1.0
    assert values == sorted(values, reverse=True)
    turned = {m.name: m for m in found.measures}["turned (deepwordbug)"]
    assert values[-1] == pytest.approx(1 - turned.estimate.value)
    assert turned.estimate.value == pytest.approx(0.5)
    assert turned.null == 0.05
    assert turned.mde > 0


def test_a_quick_look_asks_less(cheat):
    quick = run_probe("adversarial", probe, subject=replace(cheat, budget="quick"))
    assert quick.curves[0].at[-1] == 100.0
    assert quick.n_rows == 40


def test_examples_show_answers_before_and_after(cheat):
    example = run(cheat).examples[0]
    assert example.said_before.startswith("neg")
    assert example.said_after.startswith("pos")
    assert BAD in example.before.split()
    assert BAD not in example.after.split()


def test_what_does_not_fit_is_said(cheat):
    notes = " ".join(run(cheat).notes)
    assert "hotflip was not tried: it needs the gradients" in notes
    assert "characters_zh was not tried: only 0 of 120" in notes
    skipped = run(cheat, recipes=("hotflip",))
    assert "gradients" in skipped.why
    only = run_probe("adversarial", probe, subject=replace(cheat, queries=None))
    assert "predictions" in only.why


def test_wrong_answers_count_as_wrong_at_every_budget(cheat):
    flipped = replace(cheat.trained, probabilities=cheat.trained.probabilities[:, ::-1])

    class Upside:
        kind, labels = "toy", cheat.labels

        def predict(self, inputs):
            return cheat.trained.model.predict(inputs)[:, ::-1]

    from veridical.models.queries import Queries

    found = run(replace(cheat, trained=flipped, queries=Queries(Upside())))
    assert [e.value for e in found.curves[0].estimates] == [0.0] * 5


def test_gradients_do_not_lead_to_words_that_are_read_as_others(cheat):
    class Reading:
        kind, normalisers, labels = "encoder", ("some",), cheat.labels

        def predict(self, inputs):
            return cheat.queries.model.predict(inputs)

    model = Reading()
    found = run(replace(cheat, queries=Queries(model)), recipes=("hotflip",))
    assert "the model reads words as others" in found.why
