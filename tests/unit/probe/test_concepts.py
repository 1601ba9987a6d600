"""Concepts of texts, readers and erasing: known answers on drawn features."""

import numpy as np
import pytest

from veridical.audit._made_up import dataset, nonsense
from veridical.probe import _roc, pretrained_features
from veridical.probe._concepts import concepts, direction, fit_eraser, read_scores
from veridical.probe._runner import run_probe


def _drawn(n=600, d=8, *, seed=0):
    """Feature 0 carries the label, feature 1 the concept, the rest is noise, all mixed by a rotation."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2, n)
    present = (rng.random(n) < np.where(codes == 1, 0.8, 0.3)).astype(float)
    plain = rng.normal(0, 1, (n, d))
    plain[:, 0] += 3 * codes
    plain[:, 1] += 3 * present
    turn = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return plain @ turn, codes, present


def test_nothing_linear_reads_the_concept_inside_a_class_after_erasing():
    features, codes, present = _drawn()
    erased = fit_eraser(features, present, codes).erase(features)
    for code in (0, 1):
        rows = np.flatnonzero(codes == code)
        joint = np.cov(erased[rows].T, present[rows])[:-1, -1]
        plain = np.cov(features[rows].T, present[rows])[:-1, -1]
        assert np.abs(joint).max() < 0.25 * np.abs(plain).max()  # of one class; exactly none over both
    inner = [erased[codes == c] - erased[codes == c].mean(axis=0) for c in (0, 1)]
    z = [present[codes == c] - present[codes == c].mean() for c in (0, 1)]
    assert np.abs(sum(x.T @ y for x, y in zip(inner, z, strict=True))).max() < 1e-6 * len(codes)


def test_the_label_survives_erasing_a_concept_that_goes_with_it():
    features, codes, present = _drawn()
    half = np.arange(300), np.arange(300, 600)
    erased = fit_eraser(features[half[0]], present[half[0]], codes[half[0]]).erase(features)
    scores = read_scores(erased, codes.astype(float), *half)
    on = codes[half[1]] == 1
    assert _roc.area(scores[on], scores[~on]).value > 0.95


def test_the_direction_of_a_concept_is_what_its_rows_have_more_of_inside_a_class():
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 2, 4000)
    present = (rng.random(4000) < np.where(codes == 1, 0.8, 0.3)).astype(float)
    features = rng.normal(0, 1, (4000, 4)) + np.outer(3 * codes, [1, 0, 0, 0]) + np.outer(2 * present, [0, 1, 0, 0])
    assert np.allclose(direction(features, present, codes), [0, 2, 0, 0], atol=0.15)  # nothing of the label is in it
    assert np.array_equal(direction(features, np.ones(4000), codes), np.zeros(4))


def test_a_reader_sees_what_is_there_and_not_what_is_not():
    features, _, present = _drawn()
    fit, asked = np.arange(300), np.arange(300, 600)
    seen = read_scores(features, present, fit, asked)
    on = present[asked] == 1
    assert _roc.area(seen[on], seen[~on]).value > 0.95
    shuffled = np.random.default_rng(0).permutation(present)
    blind = _roc.area(*[read_scores(features, shuffled, fit, asked)[shuffled[asked] == side] for side in (1, 0)])
    estimate = blind.estimate(level=0.99)
    assert estimate.low < 0.5 < estimate.high


def test_paired_areas_differ_by_nothing_from_themselves_and_cover_the_truth():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        positive = (rng.random(150) < 0.5) * 1.0
        shared = rng.normal(size=150)
        first, second = (positive + shared + rng.normal(size=150) for _ in range(2))
        e = _roc.area_difference(first, second, positive, np.arange(150)).estimate(level=0.95)
        covered += e.low <= 0 <= e.high
    assert covered >= 182
    same = _roc.area_difference(first, first, positive, np.arange(150))
    assert (same.value, same.error) == (0.0, 0.0)
    # On the last draw the difference is that of the two areas.
    on = positive == 1
    both = [_roc.area(x[on], x[~on]).value for x in (first, second)]
    found = _roc.area_difference(first, second, positive, np.arange(150)).value
    assert found == pytest.approx(both[0] - both[1])


def test_concepts_are_what_their_names_say():
    rng, rows = np.random.default_rng(0), []
    for i in range(200):
        text = nonsense(rng, 5 if i % 2 else 12)
        text = f"the {text}, Miriam said" if i % 4 == 0 else f"the {text}, she said"
        text = f"{text} 7" if i % 5 == 0 else text
        rows.append((str(i), "train", text, "ab"[i % 2]))
    data = dataset(rows).with_column("source", ["web" if i % 3 else "paper" for i in range(200)])
    found = {c.name: c.present for c in concepts(data, np.arange(200), n_topics=3, seed=0)}
    assert np.array_equal(found["name"], np.array([i % 4 == 0 for i in range(200)]) * 1.0)
    assert np.array_equal(found["number"], np.array([i % 5 == 0 for i in range(200)]) * 1.0)
    assert np.array_equal(found["source"], np.array([i % 3 != 0 for i in range(200)]) * 1.0)
    three = data.with_column("source", [("web", "paper", "the radio")[i % 3] for i in range(200)])
    named = {one.name: one.present for one in concepts(three, np.arange(200), n_topics=3, seed=0)}
    assert {name for name in named if name.startswith("source")} == {"source_web", "source_paper", "source_the radio"}
    assert np.array_equal(named["source_the radio"], np.array([i % 3 == 2 for i in range(200)]) * 1.0)
    assert found["length"][1] == 0
    assert found["length"][2] == 1
    assert "language" not in found
    # `she` stands in three rows of four, and no word of the lists in the others.
    assert np.array_equal(found["identity"], np.array([i % 4 != 0 for i in range(200)]) * 1.0)


def test_a_concept_activates_the_label_that_reads_it_and_no_other():
    """The cheat of the toy gives three times the weight to a number, which is -1 or 1: half a row up, half a row down."""
    toys = pretrained_features.probe.toys()
    for subject, expected in ((toys.cheat, 90.0), (toys.honest, 0.0)):
        found = run_probe("pretrained_features", pretrained_features.probe, subject=subject).measure("activates_number")
        assert found.estimate.value == pytest.approx(expected, abs=4)
        assert found.status == "described"
        if expected:
            assert "probability of 'pos'" in found.about
