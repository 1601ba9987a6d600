"""Pairs that differ in little but the label: which are found, and what is said of models whose answers are known."""

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.core.errors import InputError
from veridical.core.finding import Skipped
from veridical.core.power import minimum_detectable_effect
from veridical.models.queries import Queries
from veridical.probe._revisions import consistency
from veridical.probe._runner import run_probe
from veridical.probe._subject import subject_of
from veridical.probe._toys import ToyModel
from veridical.probe.contrast_sets import Params, _beyond_chance, pairs, probe, run


def _paired(n=40, alone=100):
    rng, rows = np.random.default_rng(0), []
    for i in range(n):
        text = nonsense(rng, 25)
        rows += [(f"{i}-pos", "test", f"{text} good", "pos"), (f"{i}-neg", "test", f"{text} bad", "neg")]
        rows.append((f"{i}-twin", "test", f"{text} good too", "pos"))
    rows += [(f"alone-{i}", "test", nonsense(rng, 25), ("neg", "pos")[i % 2]) for i in range(alone)]
    return dataset(rows)


def test_pairs_are_near_equal_texts_under_two_labels():
    data = _paired()
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 0.0)))
    ids = {tuple(sorted(data.ids[subject.rows[p]] for p in pair)) for pair in pairs(subject).tolist()}
    assert {("0-neg", "0-pos"), ("0-neg", "0-twin")} <= ids
    assert ("0-pos", "0-twin") not in ids
    assert len(ids) == 80


def test_rows_of_another_source_are_no_pair():
    data = _paired()
    data = data.with_column("source", ["a" if row.endswith("neg") else "b" for row in data.ids])
    subject = subject_of(data, ToyModel(data.labels, lambda text: (0.0, 0.0)))
    assert len(pairs(subject)) == 0
    assert isinstance(run(subject, Params(), np.random.default_rng(0)), Skipped)


def test_a_model_of_the_shared_part_is_right_on_half_and_never_on_both():
    data = _paired()
    model = ToyModel(data.labels, lambda text: (0.0, 2.0 if ord(str(text)[0]) % 2 else -2.0))
    found = run_probe("contrast_sets", probe, subject=subject_of(data, model))
    assert found.status == "found"
    values = {m.name: m.estimate.value for m in found.measures}
    assert values["both_right"] == 0.0
    assert values["right_in_pairs"] == pytest.approx(0.5)
    assert values["same_answer"] == 1.0
    assert values["both_right_beyond_chance"] == pytest.approx(-0.25)
    assert len(found.examples) == 3


def test_independent_errors_are_at_the_null():
    rng, reached, width = np.random.default_rng(1), 0, []
    for _ in range(300):
        first, second = (rng.random((2, 150)) < 0.8).astype(float)
        measure = _beyond_chance(first, second, np.arange(150), Params())
        reached += measure.p is not None and measure.p <= 0.05
        width.append(measure.estimate.value)
    assert reached / 300 < 0.085
    measure_error = (measure.mde or 0) / minimum_detectable_effect(1.0)
    assert np.std(width) == pytest.approx(measure_error, rel=0.2)


def test_consistency_of_written_revisions():
    model = ToyModel(("neg", "pos"), lambda text: (0.0, 2.0 if "good" in str(text) else -2.0))
    originals = [("a good film", "pos"), ("a good film", "pos"), ("a poor film", "neg"), ("fine", "pos")]
    revised = [("a bad film", "neg"), ("a splendid film", "pos"), ("a good film", "pos"), ("dull", "neg")]
    found = {m.name: m.estimate for m in consistency(Queries(model), originals, revised, rng=np.random.default_rng(0))}
    # One vote for each original: film (right, half of its revisions right), poor (all right), fine (wrong; revision right).
    assert found["original_accuracy"].value == pytest.approx(2 / 3)
    assert found["revised_accuracy"].value == pytest.approx((0.5 + 1 + 1) / 3)
    assert found["both_right"].value == pytest.approx((0.5 + 1 + 0) / 3)
    assert found["whole_set_right"].value == pytest.approx(1 / 3)
    assert found["drop"].value == pytest.approx(100 * (2 / 3 - 2.5 / 3))


def test_consistency_refuses_what_it_cannot_pair():
    model = ToyModel(("neg", "pos"), lambda text: (0.0, 0.0))
    with pytest.raises(InputError, match="1 originals and 0 revisions"):
        consistency(Queries(model), [("a", "pos")], [], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="'great'"):
        consistency(Queries(model), [("a", "great")], [("b", "pos")], rng=np.random.default_rng(0))
