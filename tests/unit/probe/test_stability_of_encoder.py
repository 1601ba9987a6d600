"""With budget thorough an encoder is trained again with other seeds, and heads stand in for the rest. Needs torch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.core.finding import Skipped
from veridical.core.probe_decision import decided
from veridical.models.queries import Queries
from veridical.models.trained_answers import TrainedAnswers
from veridical.probe import _retraining
from veridical.probe._contract import Measured
from veridical.probe._retraining import EncoderAgain, HeadAgain, retraining
from veridical.probe._subject import Recipe, Subject
from veridical.probe.stability import Params, run
from veridical.train.training import train

SMALL = Params(models=(2, 2, 3), repeats=(2, 2, 2), replicates=50, fewest=50)
CALM = replace(TINY, epochs=6)
TORN = replace(TINY, epochs=2)
"""Ends while the seed still decides whether the word is learned."""
OF_HEAD = replace(TINY, tuning="head")


def _subject(tiny_bert, *, config=CALM, kept=None):
    rng, rows = np.random.default_rng(0), []
    for i in range(400):
        good = bool(rng.random() < 0.5)
        given = good != (rng.random() < 0.05)  # some labels are wrong, so a right model has a sampling error too
        text = " ".join([*[f"w{k}" for k in rng.integers(0, 20, 8)], "good" if good else "bad"])
        rows.append((str(i), "train" if i < 240 else "test", text, "pos" if given else "neg"))
    data = dataset(rows)
    evidence = Evidence(data, seed=0)
    trained = train(data, model=tiny_bert, config=config, seed=0, clusters=evidence.clusters)
    return Subject(trained, evidence, Queries(trained.model), Recipe(tiny_bert, (), config), budget="thorough", kept=kept)


def _looked(subject, params=SMALL):
    found = run(subject, params, np.random.default_rng(0))
    assert isinstance(found, Measured)
    return found, {measure.name: measure for measure in decided(found.measures)}


def test_the_seed_of_an_encoder_is_looked_at_by_training_it_again_and_order_is_not_reported(tiny_bert):
    subject = _subject(tiny_bert)
    found, measures = _looked(subject)
    assert not any(name.endswith(": order") for name in measures)
    assert "trained 3 times more" in found.notes[0]
    assert "order alone was not looked at" in found.notes[0]
    calm = measures["spread_to_sampling: seeds"]
    assert (calm.status, calm.mde > 0) == ("not_detected", True)
    assert measures["churn: seeds"].estimate.value < 0.05
    assert "4 encoders trained with other seeds" in calm.about
    assert "The encoder, trained with other seeds" in found.summary


def test_an_encoder_that_hangs_on_its_seed_is_found(tiny_bert):
    _, measures = _looked(_subject(tiny_bert, config=TORN))
    assert measures["spread_to_sampling: seeds"].status == "found"
    assert measures["churn: seeds"].estimate.value > 0.1


def test_heads_that_stand_in_describe_and_find_nothing(tiny_bert):
    subject = _subject(tiny_bert)
    again = retraining(subject)
    assert isinstance(again, HeadAgain)
    assert again.stands_in
    said = again.predict(subject.data.rows("train"), subject.rows, seed=0)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    found, measures = _looked(subject)
    assert "frozen features" in found.notes[1]
    assert "heads on frozen features trained on resampled clusters" in measures["churn: resampled"].about
    for name in ("spread_to_sampling: resampled", "gain_from_more_rows"):
        assert measures[name].status == "described"


def test_what_neither_seed_nor_order_moves_is_left_out_and_said(tiny_bert):
    whole = replace(OF_HEAD, validation_share=0.0)
    found, measures = _looked(_subject(tiny_bert, config=whole))
    assert not any(name.endswith((": order", ": seeds")) for name in measures)
    assert "solved for" in found.notes[0]
    assert measures["gain_from_more_rows"].null is not None  # such a head is the model itself
    cut = EncoderAgain(_subject(tiny_bert, config=OF_HEAD), Recipe(tiny_bert, (), OF_HEAD))
    assert cut.moved_by_seed  # by which rows are cut from train for validation


def test_a_head_whose_loss_a_countermeasure_changed_and_that_no_seed_moves_is_looked_at_without_examples(tiny_bert):
    """No model of the recipe's own was trained again, so nothing is found and no row is shown."""
    subject = _subject(tiny_bert, config=replace(OF_HEAD, validation_share=0.0))
    found, measures = _looked(replace(subject, recipe=replace(subject.recipe, countermeasures=("class_weights",))))
    assert not found.examples
    assert all(measure.null is None for measure in measures.values())


def test_a_killed_look_keeps_the_encoders_that_were_trained(tiny_bert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = TrainedAnswers(tmp_path / "seeds")
    subject = _subject(tiny_bert, kept=kept)
    whole, _ = _looked(replace(subject, kept=None))
    seeds, real = [], train

    def counting(*args, **given):
        if len(seeds) == 2:
            raise KeyboardInterrupt
        seeds.append(given["seed"])
        return real(*args, **given)

    monkeypatch.setattr(_retraining, "train", counting)
    with pytest.raises(KeyboardInterrupt):
        _looked(subject)
    seeds.clear()
    assert _looked(subject)[0] == whole
    assert seeds == [3]
    assert not list(kept.folder.glob("*.training"))


def test_a_smaller_budget_says_what_a_thorough_one_takes(tiny_bert):
    found = run(replace(_subject(tiny_bert), budget="standard"), Params(), np.random.default_rng(0))
    assert isinstance(found, Skipped)
    assert "--budget thorough: it takes 3 trainings with other seeds, each as long as that of the run" in found.why
