"""With budget thorough an encoder's head is trained again on frozen features. Needs torch."""

import numpy as np

from tiny_encoder import TINY
from veridical.audit._evidence import Evidence
from veridical.audit._made_up import dataset
from veridical.models.queries import Queries
from veridical.probe._contract import Measured
from veridical.probe._retraining import HeadAgain, retraining
from veridical.probe._subject import Recipe, Subject
from veridical.probe.stability import Params, run
from veridical.train.training import train


def test_a_head_is_trained_again_and_said_to_be_one(tiny_bert):
    rng, rows = np.random.default_rng(0), []
    for i in range(260):
        good = bool(rng.random() < 0.5)
        text = " ".join([*[f"w{k}" for k in rng.integers(0, 20, 8)], "good" if good else "bad"])
        rows.append((str(i), "train" if i < 140 else "test", text, "pos" if good else "neg"))
    data = dataset(rows)
    trained = train(data, model=tiny_bert, config=TINY, seed=0)
    subject = Subject(trained, Evidence(data, seed=0), Queries(trained.model), Recipe(tiny_bert, (), TINY), budget="thorough")
    again = retraining(subject)
    assert isinstance(again, HeadAgain)
    assert isinstance(retraining(subject, linear_only=True), str)
    said = again.predict(data.rows("train"), subject.rows, seed=0)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    small = Params(models=(2, 2, 3), repeats=(2, 2, 2), replicates=50, fewest=50)
    found = run(subject, small, np.random.default_rng(0))
    assert isinstance(found, Measured)
    assert "frozen features" in found.notes[0]
    names = {measure.name for measure in found.measures}
    assert "churn: seeds" not in names  # nothing in such a head depends on the seed
    assert "churn: resampled" in names
