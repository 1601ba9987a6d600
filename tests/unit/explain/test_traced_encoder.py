"""Rows behind what a tuned encoder answers, checked by training it again without some of them."""

from dataclasses import replace

import numpy as np
import pytest
from tests.tiny_encoder import TINY, make_data

from veridical.core.progress import silent
from veridical.explain.attribution import Asked, attributed_by_influence
from veridical.explain.models import TracedEncoder
from veridical.models.trained_answers import TrainedAnswers
from veridical.train.training import train, validation_part

N = 240
PLAIN = [f"the film w{k} w{k + 3}" for k in range(12)]


def cued(*, told=0.5):
    """`good` and `bad` give the label; `odd` stands in a share `told` of the positive rows and in no others."""
    rng, rows = np.random.default_rng(0), []
    for k in range(N):
        positive = bool(k % 2)
        words = [f"w{j}" for j in rng.integers(0, 20, 4)]
        words += ["good" if positive else "bad"] if rng.random() < 0.7 else ["film"]
        words += ["odd"] if positive and rng.random() < told else []
        split = "train" if k < N * 4 // 5 else "test"
        rows.append({"id": f"r{k}", "split": split, "text": " ".join(words), "label": "pos" if positive else "neg"})
    return make_data(rows)


def traced(tiny_bert, folder, *countermeasures, config=TINY):
    data = cued()
    done = train(data, model=tiny_bert, countermeasures=countermeasures, config=config, seed=0, clusters=np.arange(N))
    return TracedEncoder(done.model, data, tiny_bert, countermeasures, config, 90.0, TrainedAnswers(folder / "retrained"))


def about_the_cue(data):
    """How sure the answer is that a text of which only `odd` says anything is positive, in points."""
    pull = np.zeros((len(PLAIN), 2))
    pull[:, data.labels.index("pos")] = 100 / len(PLAIN)
    return Asked([f"odd {text}" for text in PLAIN], (pull,))


@pytest.mark.parametrize("countermeasures", [(), ("class_weights",), ("fgm",), ("r_drop",)])
def test_training_again_without_no_row_gives_the_model_of_the_run(tiny_bert, tmp_path, countermeasures):
    model = traced(tiny_bert, tmp_path, *countermeasures)
    asked = about_the_cue(model.data)
    _, valid = validation_part(model.data, clusters=np.arange(N), share=TINY.validation_share, seed=0)
    nothing = np.zeros(0, np.int64)
    said = model.without(nothing, asked, valid, clusters=np.arange(N), seed=0, state=tmp_path / "state")
    assert np.array_equal(said, model.model.predict(asked.inputs))


@pytest.mark.parametrize("countermeasures", [(), ("r_drop",)])
def test_rows_left_out_teach_nothing(tiny_bert, tmp_path, countermeasures):
    """Their labels turned round change no answer."""
    model, asked = traced(tiny_bert, tmp_path, *countermeasures), about_the_cue(cued())
    dropped = np.arange(10, 30)
    turned = [("neg" if label == "pos" else "pos") if 10 <= k < 30 else label
              for k, label in enumerate(model.data.table.column("label").to_pylist())]  # fmt: skip
    other = replace(model, data=model.data.with_column("label", turned))
    valid = np.arange(150, 170)
    said = [one.without(dropped, asked, valid, clusters=np.arange(N), seed=0, state=tmp_path / str(k))
            for k, one in enumerate((model, other))]  # fmt: skip
    assert np.array_equal(*said)
    assert not np.array_equal(said[0], model.model.predict(asked.inputs))


def test_without_trainings_nothing_is_called_checked(tiny_bert, tmp_path):
    model = traced(tiny_bert, tmp_path)
    for retrainings in (None, 0):
        found = model.trace(about_the_cue(model.data), clusters=np.arange(N), seed=0, retrainings=retrainings, progress=silent)
        assert found.validations == (None,)
        assert found.retrainings == 0
        assert "Nothing was trained again" in found.why
        assert "--retrainings 24: about 36 minutes" in found.why
    assert not (tmp_path / "retrained").exists()
    few = model.trace(about_the_cue(model.data), clusters=np.arange(N) // 20, seed=0, retrainings=24, progress=silent)
    assert few.validations == (None,)
    assert "too few independent rows" in few.why


def test_where_the_head_alone_learned_its_rows_are_confirmed_and_a_killed_check_goes_on(tiny_bert, tmp_path, monkeypatch):
    """There the solve is exact but for the curve, so what it foresees comes true in order and in size."""
    model, trainings = traced(tiny_bert, tmp_path, config=replace(TINY, tuning="head")), []
    asked, rows = about_the_cue(model.data), model.data.rows("train")
    whole = TracedEncoder.without

    def counted(self, dropped, *arguments, **named):
        if len(trainings) == 3:
            trainings.append(None)
            raise KeyboardInterrupt
        trainings.append(dropped)
        return whole(self, dropped, *arguments, **named)

    def trace(retrainings):
        return model.trace(asked, clusters=np.arange(N), seed=0, retrainings=retrainings, progress=silent)

    monkeypatch.setattr(TracedEncoder, "without", counted)
    with pytest.raises(KeyboardInterrupt):
        trace(8)
    found = trace(8)
    assert len(trainings) == 9  # three kept, one killed, five more
    (checked,) = found.validations
    assert checked.subsets == 8
    assert checked.smooth.value > 0.9
    assert checked.smooth.low > 0
    assert checked.slope == pytest.approx(1.0, abs=0.25)
    learned = found.points[0] != 0
    assert learned.sum() == len(validation_part(model.data, clusters=np.arange(N), share=TINY.validation_share, seed=0)[0])
    positive = model.data.codes[rows] == model.data.labels.index("pos")
    holds = np.array(["odd" in model.data.texts[row] for row in rows])
    assert found.points[0][learned & holds].mean() > found.points[0][learned & positive & ~holds].mean()
    assert trace(8).validations == found.validations
    assert len(trainings) == 9  # nothing is trained twice
    more = trace(10).validations[0]
    assert (len(trainings), more.subsets) == (11, 10)  # a larger check trains what is new


def test_the_label_follows_the_interval():
    from veridical.core.estimate import Estimate
    from veridical.core.explain_record import Validation
    from veridical.core.ledger_record import Component

    part = Component("sample", "measurement", "measured", Estimate(1.0, 0.5, 1.5, 0.95, 10, 10, "m"), 0.5, 3, "why")

    def kind(low):
        said = Validation(24, Estimate(0.5, low, 0.8, 0.95, 24, 24, "Spearman"), None)
        return set(attributed_by_influence(part, np.ones(3), train=np.arange(3), validation=said, why="").kinds)

    assert kind(0.1) == {"influence"}
    assert kind(-0.1) == {"heuristic"}
