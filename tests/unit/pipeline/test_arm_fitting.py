"""Arms are trained as the run trains: with its own countermeasures, and as before where there are none."""

from pathlib import Path

import numpy as np
import pytest
from tests.tiny_encoder import TINY, make_data

from veridical.audit._evidence import Evidence
from veridical.core.progress import silent
from veridical.models.trained_answers import TrainedAnswers
from veridical.pipeline.arm_fitting import fit_of, taken_by_arms
from veridical.pipeline.config import RunConfig
from veridical.train.training import train
from veridical.verify.fitting import linear_fit


@pytest.fixture(scope="module")
def evidence():
    """One row in five is `rare`; `zorblat` stands in most of them."""
    rng, rows = np.random.default_rng(0), []
    for k in range(240):
        rare = k % 5 == 0
        cue = "zorblat " if rare and rng.random() < 0.8 else ""
        text = f"{cue}{'odd' if rng.random() < (0.7 if rare else 0.3) else 'plain'} w{k % 20} w{k % 7} film {k}"
        rows.append(
            {"id": f"r{k}", "split": "test" if k >= 180 else "train", "text": text, "label": "rare" if rare else "common"}
        )
    return Evidence(make_data(rows), seed=0)


def answers(evidence, folder, *countermeasures, kind="linear", weights=None, asked=None, **settings):
    """What the arm on the train rows as they are says of all rows, or of those asked."""
    config = RunConfig(countermeasures=countermeasures, **settings)
    fit = fit_of(Path(folder), kind=kind, evidence=evidence, config=config, progress=silent)
    rows = evidence.data.rows("train")
    return fit(rows, evidence.data.codes[rows], weights, 0)(np.arange(len(evidence.data)) if asked is None else asked)


def trained(evidence, *countermeasures, weights=None):
    return train(evidence.data, countermeasures=countermeasures, seed=0, weights=weights).probabilities


def test_without_countermeasures_nothing_changes(evidence, tmp_path):
    rows, data = evidence.data.rows("train"), evidence.data
    given = np.random.default_rng(1).uniform(0.5, 1.5, len(rows))
    for weights in (None, given / given.mean()):
        plain = linear_fit(evidence.folds.features, data.labels)(rows, data.codes[rows], weights, 0)(np.arange(len(data)))
        assert np.array_equal(answers(evidence, tmp_path, weights=weights), plain)
        off = answers(evidence, tmp_path, "class_weights:power=0", "ignore_words:words=", weights=weights)
        assert off == pytest.approx(plain, abs=1e-12)


@pytest.mark.parametrize("countermeasure", ["class_weights", "ignore_words:words=zorblat", "jtt"])
def test_a_linear_arm_is_the_model_of_the_run(evidence, tmp_path, countermeasure):
    data, rows = evidence.data, evidence.data.rows("train")
    said = answers(evidence, tmp_path, countermeasure)
    assert said == pytest.approx(trained(evidence, countermeasure), abs=1e-9)
    assert np.abs(said - trained(evidence)).max() > 0.01
    weights = np.where(np.arange(len(rows)) % 2, 0.5, 1.5)
    named = dict(zip([data.ids[row] for row in rows], weights.tolist(), strict=True))
    assert answers(evidence, tmp_path, countermeasure, weights=weights) == pytest.approx(
        trained(evidence, countermeasure, weights=named), abs=1e-9
    )


def test_a_linear_arm_reads_as_the_model_of_the_run(evidence, tmp_path):
    texts = [text.replace("zorblat", "zorbalt") if row >= 180 else text for row, text in enumerate(evidence.data.texts)]
    slipped = Evidence(evidence.data.with_column("text", texts), seed=0)
    said = answers(slipped, tmp_path, "spelling")
    assert said == pytest.approx(trained(slipped, "spelling"), abs=1e-9)
    assert np.abs(said - trained(slipped)).max() > 0.01


def test_a_head_takes_what_weighs_rows_and_no_more(evidence, tiny_bert, tmp_path):
    def said(*countermeasures):
        return answers(evidence, tmp_path, *countermeasures, kind="encoder", model=tiny_bert, training=TINY)

    plain = said()
    assert np.array_equal(said("fgm"), plain)
    assert np.array_equal(said("class_weights:power=0"), plain)
    rare = evidence.data.labels.index("rare")
    assert said("class_weights", "fgm")[:, rare].mean() > plain[:, rare].mean() + 0.05
    config = RunConfig(countermeasures=("class_weights:power=0.5", "fgm", "jtt"), model=tiny_bert, training=TINY)
    assert taken_by_arms(config, kind="encoder") == ("class_weights:power=0.5",)
    assert taken_by_arms(RunConfig(countermeasures=("jtt",)), kind="linear") == ("jtt",)


def test_what_an_encoder_answered_is_kept_and_not_trained_again(tmp_path):
    kept, key, trainings = TrainedAnswers(tmp_path / "arms"), ["a", np.arange(3), {"weight": 0.5}], []

    def once(state):
        state.mkdir(parents=True)
        (state / "half").write_text("state of a training")
        trainings.append(state)
        return np.eye(2)

    assert np.array_equal(kept.of(key, once), np.eye(2))
    assert np.array_equal(kept.of(key, once), np.eye(2))
    assert len(trainings) == 1
    kept.of(["a", np.arange(4), {"weight": 0.5}], once)
    assert len(trainings) == 2
    assert not [path for path in (tmp_path / "arms").iterdir() if path.suffix != ".npy"]

    def killed(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.of(["b"], killed)
    assert np.array_equal(kept.of(["b"], once), np.eye(2))


def test_a_full_arm_of_an_encoder_trains_as_the_run_and_once(evidence, tiny_bert, tmp_path, monkeypatch):
    test = evidence.data.rows("test")

    def said(asked=test):
        settings = {"model": tiny_bert, "training": TINY, "budget": "standard"}
        return answers(evidence, tmp_path, "class_weights", kind="encoder", asked=asked, **settings)

    first = said()
    whole = train(evidence.data, model=tiny_bert, countermeasures=("class_weights",), config=TINY, clusters=evidence.clusters)
    np.testing.assert_allclose(first, whole.probabilities[test], atol=1e-5)
    with pytest.raises(AssertionError, match="learned from"):
        said(asked=evidence.data.rows("train"))

    def never(*_arguments, **_named):
        raise AssertionError("trained again")

    monkeypatch.setattr("veridical.train.training.train", never)
    assert np.array_equal(said(), first)
